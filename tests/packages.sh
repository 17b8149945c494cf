#!/bin/sh
# Installs the Debian packages that are missing; needs root only for that.
#
#   sh tests/packages.sh build         to build and to run the demo
#   sh tests/packages.sh build test    to run the tests, too
#   sh tests/packages.sh build test check   and CI's checks of the source
#   sh tests/packages.sh build test hosts   and programs to be recorded
#
# Some of the latter conflict with luajit's own packages, or would start a
# server: they are unpacked into build/hosts, or where LJMEMPROF_HOSTS says.
set -eu

build="gcc libc6-dev make cmake pkg-config luajit libluajit-5.1-dev
  libzstd-dev libxxhash-dev libelf-dev libsqlite3-dev sqlite3 zlib1g-dev
  libprotobuf-c-dev protobuf-c-compiler"
test="libcmocka-dev bats zstd lua5.1 valgrind libxml2-utils"
check="clang clang-format clang-tidy"
hosts="golang-go graphviz dpkg-dev neovim tarantool wrk curl libpcre2-8-0 libpcre3 libssl3 zlib1g"
unpacked="nginx libnginx-mod-http-lua libnginx-mod-http-ndk lua-resty-core
  lua-resty-lrucache libluajit2-5.1-2"

unpack=
wanted=
for set in "$@"; do
  case $set in
  build) wanted="$wanted $build" ;;
  test) wanted="$wanted $test" ;;
  check) wanted="$wanted $check" ;;
  hosts) wanted="$wanted $hosts" unpack=$unpacked ;;
  *) echo "packages.sh: no set of packages is called $set" >&2; exit 2 ;;
  esac
done

missing=
for package in $wanted; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) ||
    status=
  [ "$status" = installed ] || missing="$missing $package"
done
root=${LJMEMPROF_HOSTS:-$(dirname "$0")/../build/hosts}
[ ! -e "$root/complete" ] || unpack=
[ -n "$missing$unpack" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "packages.sh: as root: apt-get install$missing" >&2
  exit 1
fi
$as_root apt-get -q update
if [ -n "$missing" ]; then
  echo "Installing:$missing"
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends install $missing
fi
if [ -n "$unpack" ]; then
  echo "Unpacking into $root:" $unpack
  mkdir -p "$root"
  cd "$root"
  # The sandbox's user may not be able to write here.
  apt-get -q -o APT::Sandbox::User=root download $unpack
  for package in *.deb; do dpkg -x "$package" .; done
  rm -- *.deb
  touch complete
fi

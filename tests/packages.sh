#!/bin/sh
# Installs the Debian packages that are missing; needs root only for that.
#
#   sh tests/packages.sh build         to build and to run the demo
#   sh tests/packages.sh build test    to run the tests, too
#   sh tests/packages.sh build test check   and CI's checks of the source
set -eu

build="gcc libc6-dev make cmake pkg-config luajit libluajit-5.1-dev
  libzstd-dev libelf-dev libsqlite3-dev sqlite3"
test="libcmocka-dev bats zstd lua5.1 valgrind"
check="clang clang-format clang-tidy"

wanted=
for set in "$@"; do
  case $set in
  build) wanted="$wanted $build" ;;
  test) wanted="$wanted $test" ;;
  check) wanted="$wanted $check" ;;
  *) echo "packages.sh: no set of packages is called $set" >&2; exit 2 ;;
  esac
done

missing=
for package in $wanted; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) ||
    status=
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "packages.sh: as root: apt-get install$missing" >&2
  exit 1
fi
$as_root apt-get -q update
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get -q -y --no-install-recommends install $missing

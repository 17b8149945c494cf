# What the tests of this folder share. BUILD is the build directory.
#
# Each test runs a real program with a configuration of its own, in a
# temporary directory, listening on the loopback interface only. It installs
# nothing: sh tests/packages.sh hosts does.

: "${BUILD:?run these tests through ctest}"

setup() {
  [ "${SANITIZED:-OFF}" = OFF ] ||
    skip "SKIPPED: a sanitized module cannot be loaded by stock programs"
  # Packages that conflict with the build's are unpacked, not installed.
  UNPACKED=${LJMEMPROF_HOSTS:-$BATS_TEST_DIRNAME/../../build/hosts}
  cd "$BATS_TEST_TMPDIR"
}

# need COMMAND: skips, loudly, without it.
need() {
  command -v "$1" > /dev/null || skip_loudly "$1"
}

skip_loudly() {
  echo "# SKIPPED: $1 is not installed: sh tests/packages.sh hosts" >&3
  skip "SKIPPED: $1 is not installed: sh tests/packages.sh hosts"
}

# preloaded COMMAND...: with our library; what it does is in MEMPROF_*.
preloaded() {
  LD_PRELOAD="$BUILD/libljmemprof-preload.so" "$@"
}

# held STREAM CHUNK LINE: how many blocks are alive that this line allocated.
# With the JIT on, a trace that was started in the chunk may stand for it.
# Fails when the stream is not complete.
held() {
  "$BUILD/memparse" --leak-only "$1" > report 2> messages || {
    cat messages >&2
    return 1
  }
  awk -v line="$2:$3" -v trace="started at " -v chunk="$2:" '
    function ends_in(text, end) {
      return substr(text, length(text) - length(end) + 1) == end
    }
    match($0, / holds [0-9]+B: /) {
      site = substr($0, 1, RSTART - 1)
      if (ends_in(site, line) ||
          (site ~ /^TRACE/ && index(site, trace) && index(site, chunk))) {
        split(substr($0, RSTART + RLENGTH), count, /[^0-9]+/)
        sum += count[1] - count[2]
      }
    }
    END { print sum + 0 }' report
}

# wait_for COMMAND...: until it succeeds; gives up after ten seconds.
wait_for() {
  local i
  for i in $(seq 200); do
    "$@" > /dev/null 2>&1 && return 0
    sleep 0.05
  done
  echo "waited in vain for: $*" >&2
  return 1
}

# The system's nginx if it has lua-nginx-module, else the unpacked one: sets
# NGINX, MODULES, LIBRARIES, LUA.
find_nginx() {
  local root
  need curl
  for root in "" "$UNPACKED"; do
    MODULES=$root/usr/lib/nginx/modules
    NGINX=$root/usr/sbin/nginx
    LIBRARIES=${root:+$root/usr/lib/x86_64-linux-gnu}
    LUA=$root/usr/share/lua/5.1
    [ ! -e "$MODULES/ngx_http_lua_module.so" ] || [ ! -x "$NGINX" ] || return 0
  done
  skip_loudly "nginx with lua-nginx-module"
}

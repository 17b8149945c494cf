# What the tests of this folder share. BUILD is the build directory.

: "${BUILD:?run these tests through ctest}"

setup() {
  cd "$BATS_TEST_TMPDIR"
  export LUA_CPATH="$BUILD/?.so;;"
}

# The module in the stock luajit cannot be run with sanitizers built in.
stock_luajit() {
  [ "${SANITIZED:-OFF}" = OFF ] ||
    skip "a sanitized module cannot be loaded by the stock luajit"
}

# leaks STREAM: the report of what is alive at the end.
leaks() {
  "$BUILD/memparse" --leak-only "$@"
}

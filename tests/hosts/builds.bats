#!/usr/bin/env bats
# LuaJIT built in other ways, from Debian's source package: the recorder
# calibrates itself, and every generated program's sites are exact.
#
# The source comes through a private configuration of apt, derived from the
# machine's; nothing is installed.

load ../lua/helpers
load ../lua/sites
load ../lua/exits
load ../lua/collections

fetch_source() {
  local apt=$BATS_FILE_TMPDIR/apt file
  mkdir -p "$apt"/{etc,lists/partial,cache/archives/partial}
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -f "$file" ] && grep -q 'debian\.org' "$file" || continue
    sed -E 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$file" \
      > "$apt/etc/$(basename "$file")"
  done
  cd "$BATS_FILE_TMPDIR"
  local options=(-q -o Dir::Etc::sourcelist=/dev/null
    -o Dir::Etc::sourceparts="$apt/etc" -o Dir::State::lists="$apt/lists"
    -o Dir::Cache="$apt/cache")
  apt-get "${options[@]}" update && apt-get "${options[@]}" source luajit
  mv luajit-*/ source
}

# build NAME XCFLAGS: leaves NAME/src/luajit.
build() {
  cp -r "$BATS_FILE_TMPDIR/source" "$BATS_FILE_TMPDIR/$1"
  make -s -C "$BATS_FILE_TMPDIR/$1" -j "$(nproc)" XCFLAGS="$2" \
    > "$BATS_FILE_TMPDIR/$1.log" 2>&1
}

setup_file() {
  fetch_source > "$BATS_FILE_TMPDIR/fetch.log" 2>&1 || return 0
  build plain ""
  build narrow "-DLUAJIT_DISABLE_GC64"
  build nojit "-DLUAJIT_DISABLE_JIT"
  build sysmalloc "-DLUAJIT_USE_SYSMALLOC"
  build asserts "-DLUA_USE_ASSERT -DLUA_USE_APICHECK"
}

# vm NAME: sets $vm, or skips when it could not be built.
vm() {
  stock_luajit
  vm=$BATS_FILE_TMPDIR/$1/src/luajit
  [ -x "$vm" ] || skip "$1 could not be built: $(tail -n 1 \
    "$BATS_FILE_TMPDIR/$1.log" "$BATS_FILE_TMPDIR/fetch.log" 2>&1)"
  export LUA_PATH="$BATS_FILE_TMPDIR/$1/src/?.lua;;"
}

# collector VM PROLOGUE...: its full collections are seen.
collector() {
  local jit
  for jit in "${@:2}"; do
    called "$1" "$jit"
    cycles "$1" "$jit"
  done
}

# stacks VM: known call trees are what its debug API says, too.
stacks() {
  local here=$BATS_TEST_DIRNAME/../lua jit
  for jit in off on; do
    echo "jit.$jit()" | cat - "$here/stacks_program.lua" |
      sed '1N;s/\n/ /' > stacks.lua
    "$1" stacks.lua s.bin s.tsv
    "$BUILD/memparse" --dump s.bin |
      luajit "$here/stacks_check.lua" s.tsv 64 > result
    tail -n 3 result
    tail -n 1 result | grep -q 'whole: 100.0 %, wrong: 0$'
  done
}

# exits VM: what compiled code makes on being left is foreseen.
exits() {
  few_traces "$1" "jit.opt.start('hotloop=5', 'hotexit=250')" plain 1 2 3
  few_traces "$1" "jit.opt.start('hotloop=5', 'hotexit=250')" stacks 4 5 6
  few_traces "$1" "jit.on()" stacks 7 8
}

both_ways() {
  vm "$1"
  collector "$vm" "jit.off()" "jit.on()"
  each_seed "$vm" "jit.off()" 0 1 2 3 4
  each_seed "$vm" "jit.opt.start('hotloop=5')" 1 1 2 3 4
  exits "$vm"
  stacks "$vm"
  echo "$1: $(exact_share) % under a line" >&3
}

@test "as Debian builds it" { both_ways plain; }

@test "with narrow references (not GC64)" { both_ways narrow; }

@test "with assertions and API checks on" { both_ways asserts; }

@test "without a JIT compiler" {
  vm nojit
  collector "$vm" "do end"
  each_seed "$vm" "" 0 1 2 3 4
}

@test "on the system's malloc" { both_ways sysmalloc; }

@test "on the system's malloc, valgrind sees no wrong access of ours" {
  command -v valgrind > /dev/null || skip "valgrind is not installed"
  vm sysmalloc
  luajit "$BATS_TEST_DIRNAME/../lua/unique_sizes.lua" 1 v.lua v.tsv
  sed -i 's/for i = 1, 40 do/for i = 1, 3 do/' v.lua
  valgrind -q --error-exitcode=9 --suppressions=/dev/null "$vm" -joff v.lua \
    v.bin
}

# checks COMMAND: a leak is found by its line and number, and nothing else.
checks() {
  cat > check.lua <<'LUA'
local check = require "ljmemprof.check"
local kept, n = {}, 0
for i = 1, 6000 do kept[i] = false end
print(pcall(check, function()
  for i = 1, 1000 do
    n = n + 1
    kept[n] = {n}
  end
end))
assert(check(function()
  for i = 1, 1000 do
    local garbage = setmetatable({}, {__index = {}})
    local co = coroutine.wrap(function() return tostring(i) .. n end)()
  end
end).runs == 5)
print("passes")
LUA
  run "$1" check.lua
  echo "$1: $output"
  [ "${lines[0]}" = "false	1 line leaks:" ]
  [[ "${lines[1]}" =~ ^"  check.lua:7: "[0-9]+" B in "(5|10)"000 blocks over" ]]
  [ "${lines[2]}" = passes ]
}

@test "leaks are found by ljmemprof.check on all of them" {
  for name in plain narrow nojit sysmalloc asserts; do
    vm $name
    checks "$vm"
  done
}

@test "OpenResty's branch, luajit2" {
  stock_luajit
  cd "$BATS_TEST_TMPDIR"
  apt-get -q download luajit2 > /dev/null 2>&1 ||
    skip "the package luajit2 cannot be had"
  dpkg -x luajit2_*.deb luajit2
  collector luajit2/usr/bin/luajit "jit.off()" "jit.on()"
  checks luajit2/usr/bin/luajit
  each_seed luajit2/usr/bin/luajit "jit.off()" 0 1 2 3 4
  each_seed luajit2/usr/bin/luajit "jit.opt.start('hotloop=5')" 1 1 2 3 4
  exits luajit2/usr/bin/luajit
  stacks luajit2/usr/bin/luajit
  echo "luajit2: $(exact_share) % under a line" >&3
}

#!/bin/sh
# Five nights of one program: in the fifth, code has moved, and twenty lines
# further down a leak was made. The gate names the line, and since which build.
#
#   sh tests/demo/nightly.sh [BUILD]    the build directory, if not build/
#
# Status 1: the gate of the last night fails, as it should.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "${1:-build}" && pwd)
rm -rf "$build/nightly"
mkdir "$build/nightly"

# The versions of the program: each night's is $build/nightly/NIGHT/app.lua.
for night in 1 2 3 4 5; do
  mkdir "$build/nightly/$night"
  cp tests/demo/leaky.lua "$build/nightly/$night/app.lua"
done
awk '
  { print }
  /^local ACTIVE_SESSIONS/ {
    print ""
    print "-- Paths are kept short in what people read."
    print "local function short(path)"
    print "  return #path > 20 and path:sub(1, 20) or path"
    print "end"
    print ""
    print "local visited = {}"
  }
  /session.last_path = request.path/ {
    print "  visited[short(request.path)] = true"
    print "  visited[#visited + 1] = {path = request.path}"
  }' tests/demo/leaky.lua > "$build/nightly/5/app.lua"

cd "$build/nightly"
PATH=$build:$PATH LUA_CPATH="$build/?.so;;"
export PATH LUA_CPATH

# Shows a command, then runs it.
run() {
  printf '\n$ %s\n' "$1"
  sh -c "$1" 2>&1
}

for night in 1 2 3 4 5; do
  run "(cd $night && luajit -joff -lmisc app.lua run.bin.zst)"
  run "memparse $night/run.bin.zst -o nightly.db --source=$night \\
    --label=build=$night --label=test=pages"
done
run "memparse nightly.db --list"
run "memparse nightly.db --compare=build=3..4 --fail-on=new --max-growth=1%"
run "memparse nightly.db --compare=build=4..5 --fail-on=new --max-growth=1%" ||
  true
run "memparse nightly.db --baseline=20 --fail-on=changed"

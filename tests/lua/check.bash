# check.bash - what the tests of require "ljmemprof.check" share.

# What the scripts below begin with: a check that prints what it found.
prelude() {
  cat <<'LUA'
local check = require "ljmemprof.check"
if arg[1] == "off" then jit.off() end
local function try(name, f, options)
  local ok, result = pcall(check, f, options)
  if not ok then
    print(name .. ": " .. tostring(result))
  else
    print(("%s: passes, %d B in %d blocks, %g and %g a run of %d"):format(
      name, result.bytes, result.blocks, result.bytes_per_run,
      result.blocks_per_run, result.runs))
  end
end
LUA
}

# in_each_way FILE: under the host, compiled and interpreted, which must print
# the same; prints it once.
in_each_way() {
  "$BUILD/lua-host" "$1" on > on.txt
  "$BUILD/lua-host" "$1" off > off.txt
  diff on.txt off.txt >&2
  cat on.txt
}

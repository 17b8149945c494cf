-- verdicts.lua MODE FILE: lines whose truth is in the names of their chunks,
-- bounded or leak, many in one program. MODE: v3, or compact; with "garbage",
-- nothing is collected at the end; with "called", eleven times on the way.
local mode, file = arg[1], arg[2]
math.randomseed(7)

local lines = {}
local function line(name, text)
  lines[#lines + 1] = assert(loadstring(text, "@" .. name))()
end

for _, size in ipairs {1, 10, 100, 1000, 4000, 15000} do
  line("bounded-ring-" .. size, ([[local t = {}
    return function(i) t[i %% %d] = {id = i, at = "s-" .. i} end]]):format(size))
end
for _, size in ipairs {50, 700, 5000} do
  line("bounded-lru-" .. size, ([[local t = {}
    return function(i) t[math.random(%d)] = {i} end]]):format(size))
end
line("bounded-queue", [[local q = {} return function(i)
  q[#q + 1] = "q" .. i
  if #q > 60 then table.remove(q, 1) end
end]])
line("bounded-once", [[local t = {} for i = 1, 3000 do t[i] = {i} end
  return function(i) return t[i] end]])
line("bounded-text", [[return function(i) return ("x" .. i):rep(5):upper() end]])
line("leak-fast", [[local t, n = {}, 0
  return function(i) n = n + 1 t[n] = "leak" .. i end]])
line("leak-slow", [[local t, n = {}, 0
  return function(i) if i % 150 == 0 then n = n + 1 t[n] = {i} end end]])
line("leak-by-chance", [[local t, n = {}, 0 return function(i)
  if math.random() < 0.02 then n = n + 1 t["k" .. i] = {i} end
end]])

local v3 = mode:match "v3"
local memprof = v3 and require "misc".memprof or require "ljmemprof"
assert(memprof.start(file, not v3 and {gc = not mode:match "garbage"} or nil))
for i = 1, 30000 do
  for j = 1, #lines do lines[j](i) end
  if mode:match "called" and i % 2600 == 0 then collectgarbage() end
end
if v3 and not mode:match "garbage" then
  collectgarbage() collectgarbage()
end
assert(memprof.stop())

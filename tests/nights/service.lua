-- A service as builds of it are tested, under a load that is never the same:
-- what is alive at its end differs from night to night though no line of it
-- was changed.
--
--   luajit -lmisc service.lua PROGRAM NIGHT STREAM [LEAK [BYTES]]
--
-- PROGRAM is the number of the program: how many modules it has, and what each
-- does with memory. NIGHT is that of the night: the load. With LEAK, module
-- number LEAK keeps a string of BYTES in every fortieth request.

local program, night, stream = tonumber(arg[1]), tonumber(arg[2]), arg[3]
local leak, leak_bytes = tonumber(arg[4]), tonumber(arg[5] or 100)

-- Numbers by chance: what the program is, and what happens in a night, do not
-- depend on each other.
local function chance_of(seed)
  local state = seed % 2147483647
  local function random()
    state = state * 16807 % 2147483647
    return state / 2147483647
  end
  for _ = 1, 20 do
    random()
  end
  return random
end
local design = chance_of(program * 7919 + 1)
local random = chance_of(night * 104729 + program * 31 + 17)

-- What a module is like: a chunk of its own, with a function that is called
-- for each request and one for the start of the night. SIZE and SHARE are the
-- program's.
local kinds = {}

-- The same every night.
kinds[#kinds + 1] = [==[
local routes = {}
local function start()
  for i = 1, COUNT do
    routes[i] = {pattern = "/SIZE/" .. i, number = i}
  end
end
local function serve() end
]==]

-- A cache that is full.
kinds[#kinds + 1] = [==[
local cache, ring, at = {}, {}, 0
local function start() end
local function serve(random, number)
  local key = math.floor(random() * COUNT * 3)
  if not cache[key] then
    at = at % COUNT + 1
    if ring[at] then
      cache[ring[at]] = nil
    end
    ring[at] = key
    cache[key] = ("x"):rep(SIZE + math.floor(random() * SIZE)) .. number
  end
end
]==]

-- Sessions that come and go.
kinds[#kinds + 1] = [==[
local sessions, open = {}, 0
local function start() end
local function serve(random, number)
  if random() < SHARE then
    open = open + 1
    sessions[open] = {
      user = number,
      token = "token-" .. number,
      history = {number, number, number},
    }
  elseif open > 0 and random() < open / COUNT then
    sessions[open] = nil
    open = open - 1
  end
end
]==]

-- A backlog at the end of the night.
kinds[#kinds + 1] = [==[
local queue, first, last = {}, 1, 0
local function start() end
local function serve(random, number)
  if random() < 0.5 then
    last = last + 1
    queue[last] = "job " .. number .. (" "):rep(SIZE)
  elseif first <= last then
    queue[first] = nil
    first = first + 1
  end
end
]==]

-- What is seldom there, such as bad requests.
kinds[#kinds + 1] = [==[
local bad = {}
local function start() end
local function serve(random, number)
  if random() < SHARE / 500 then
    bad[#bad + 1] = {number = number, body = ("b"):rep(SIZE) .. number}
  end
end
]==]

-- A table that is as large as the load.
kinds[#kinds + 1] = [==[
local seen = {}
local function start() end
local function serve(random, number)
  local user = math.floor(random() ^ 2 * COUNT * 10)
  seen[user] = (seen[user] or 0) + 1
end
]==]

-- Made when it is first wanted.
kinds[#kinds + 1] = [==[
local template
local function start() end
local function serve(random, number)
  if not template and random() < SHARE / 100 then
    template = {}
    for i = 1, COUNT do
      template[i] = "part " .. i .. " of " .. number
    end
  end
end
]==]

-- Closures, some of which are taken back.
kinds[#kinds + 1] = [==[
local watchers, count = {}, 0
local function start() end
local function serve(random, number)
  if random() < SHARE then
    count = count + 1
    watchers[count] = function() return number end
  elseif count > COUNT / 4 and random() < 0.5 then
    watchers[count] = nil
    count = count - 1
  end
end
]==]

-- Garbage only, of many lines.
kinds[#kinds + 1] = [==[
local last
local function start() end
local function serve(random, number)
  local request = {number = number, path = "/page/" .. number % COUNT}
  local parts = {request.path, "?", ("q"):rep(number % SIZE)}
  last = table.concat(parts)
end
]==]

local modules = {}
for i = 1, 12 + math.floor(design() * 24) do
  local source = kinds[1 + math.floor(design() * #kinds)]
  source = source:gsub("COUNT", tostring(10 + math.floor(design() ^ 3 * 500)))
  source = source:gsub("SIZE", tostring(8 + math.floor(design() ^ 3 * 400)))
  source = source:gsub("SHARE", ("%.3f"):format(0.02 + design() * 0.5))
  modules[i] = assert(loadstring(source .. [==[
local kept = {}
local function leak(number, bytes)
  kept[#kept + 1] = ("l"):rep(bytes) .. number
end
return start, serve, leak
]==], "@module_" .. i .. ".lua"))
end

local function run(requests)
  local serves, leaks = {}, {}
  for i, module in ipairs(modules) do
    local start
    start, serves[i], leaks[i] = module()
    start()
  end
  for number = 1, requests do
    for i = 1, #serves do
      serves[i](random, number)
    end
    if leak and number % 40 == 0 then
      leaks[leak](number, leak_bytes)
    end
  end
  return {serves, leaks}
end

collectgarbage()
assert(misc.memprof.start(stream))
alive = run(800 + math.floor(random() * 400))
collectgarbage()
collectgarbage()
assert(misc.memprof.stop())

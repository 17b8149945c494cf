-- A small web application, as far as memory goes: requests come in, most of
-- what they need is freed again, and three things are not.
--
--   luajit -joff -lmisc tests/demo/leaky.lua STREAM

local WARM_UP = 5000
local REQUESTS = 20000
local ACTIVE_SESSIONS = 20

-- Sessions: made, grown, and freed when they are the oldest. No leak.
local sessions, oldest, newest = {}, 1, 0

local function open_session(request)
  newest = newest + 1
  local session = {id = newest, user = request.user, pages = {}}
  sessions[newest] = session
  if newest - oldest >= ACTIVE_SESSIONS then
    sessions[oldest] = nil
    oldest = oldest + 1
  end
  return session
end

local function visit(session, request)
  session.pages[#session.pages + 1] = request.path
  session.last_path = request.path
end

-- Leak 1: the query is part of the key, so that there are always new ones, and
-- nothing is ever evicted.
local cache = {}

local function render(request)
  local key = request.path .. "?" .. request.query
  local hit = cache[key]
  if hit then
    return hit.page
  end
  local rows = {}
  for i = 1, 8 do
    rows[i] = "<td>" .. key .. i .. "</td>"
  end
  local page = table.concat(rows)
  cache[key] = {page = page, made = request.number}
  return page
end

-- Leak 2: every tenth request asks to be told of the shutdown, and goes away
-- without taking its callback back.
local on_shutdown = {}

local function watch_shutdown(request)
  local number = request.number
  on_shutdown[#on_shutdown + 1] = function() return number end
end

-- Leak 3: a log of bad requests that is written "some day".
local bad_requests = {}

local function remember_bad(request)
  bad_requests[#bad_requests + 1] = "bad request #" .. request.number
end

local function parse(number)
  return {
    number = number,
    user = "user" .. number % 500,
    path = "/page/" .. number % 40,
    query = "q=" .. number % 7000,
    headers = {host = "example.org", agent = "demo/" .. number % 7},
  }
end

local function respond(page, request)
  local parts = {"HTTP/1.1 200 OK", "Length: " .. #page, "", page}
  return table.concat(parts, "\r\n") .. request.number
end

local sent = 0
local session

local function serve(number)
  local request = parse(number)
  if number % 5 == 1 then
    session = open_session(request)
  end
  visit(session, request)
  if number % 10 == 0 then
    watch_shutdown(request)
  end
  if number % 20 == 0 then
    remember_bad(request)
  end
  sent = sent + #respond(render(request), request)
end

-- A warm server: the VM's own tables have the size they need.
for number = 1, WARM_UP do
  serve(number)
end

collectgarbage()
assert(misc.memprof.start(arg[1] or "leaky.bin.zst"))

for number = WARM_UP + 1, WARM_UP + REQUESTS do
  serve(number)
end

-- Garbage that is not collected yet would look like a leak. Twice: objects
-- with finalizers go in the second round.
collectgarbage()
collectgarbage()
assert(misc.memprof.stop())

print(("%d requests served, %d bytes sent"):format(REQUESTS, sent))

-- What the demo must leak, worked out by hand from what it does and from the
-- sizes of LuaJIT's objects (64 bit references), without any profiler.
--
--   luajit expected.lua        prints the first lines of the leak report

local FROM, TO, QUERIES = 5001, 25000, 7000

local function text_bytes(n)  -- header, text, terminator; a multiple of four
  return math.ceil((24 + n + 1) / 4) * 4
end
local TABLE, NODE, SLOT = 64, 24, 8
local CLOSURE = 40 + 8  -- with one upvalue
local UPVALUE = 48

local sums = {}
local function add(line, blocks, bytes)
  local s = sums[line] or {line = line, blocks = 0, bytes = 0}
  sums[line] = s
  s.blocks, s.bytes = s.blocks + blocks, s.bytes + bytes
end

-- An array that starts empty before FROM and holds n elements at last: one
-- block of the next power of two and one, made by this line if it grew.
local function add_array(line, n)
  local size = 1
  while size < n do size = size * 2 end
  add(line, 1, (size + 1) * SLOT)
end

for number = FROM, TO do
  local path, query = "/page/" .. number % 40, "q=" .. number % QUERIES
  if number <= QUERIES then  -- later ones hit: 40 divides 7000
    local key = path .. "?" .. query
    add(34, 1, text_bytes(#key))
    add(43, 1, text_bytes(8 * #("<td>" .. key .. "1</td>")))
    add(44, 2, TABLE + 2 * NODE)
  end
  if number % 10 == 0 then
    add(54, 2, CLOSURE + UPVALUE)
  end
  if number % 20 == 0 then
    add(61, 1, text_bytes(#("bad request #" .. number)))
  end
end
add_array(54, TO / 10)
add_array(61, TO / 20)

local list = {}
for _, s in pairs(sums) do list[#list + 1] = s end
table.sort(list, function(a, b) return a.bytes > b.bytes end)
for _, s in ipairs(list) do
  print(("leaky.lua:%d holds %dB, %d blocks"):format(s.line, s.bytes,
    s.blocks))
end

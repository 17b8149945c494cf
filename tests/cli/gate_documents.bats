# gate_documents.bats - what CI systems read: JUnit, and SARIF 2.1.0.
load common

# Any status that has a document.
document() {
  run --separate-stderr memparse "$@"
  [ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 3 ] ||
    wrong "memparse $*: status $status" "$stderr"
  printf '%s\n' "$output" > document
}

# json PATH WANTED: what a path of the document holds.
json() {
  local got
  got=$(sqlite3 :memory: "SELECT json_extract(readfile('document'), '$1')")
  [ "$got" = "$2" ] || wrong "$1 is $got" "wanted $2"
}

# sarif: the document has what the schema of SARIF 2.1.0 requires, and no
# property that it does not know where it allows no others; each row is a fault.
sarif() {
  local faults
  faults=$(sqlite3 :memory: <<'SQL'
CREATE TABLE d AS SELECT CAST(readfile('document') AS TEXT) AS j;
CREATE TABLE t AS SELECT fullkey, key, type, atom, path,
  -- The path without the numbers of elements.
  replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
    fullkey, '0', ''), '1', ''), '2', ''), '3', ''), '4', ''), '5', ''),
    '6', ''), '7', ''), '8', ''), '9', '') AS shape
FROM d, json_tree(d.j);
CREATE TABLE known (shape, type, required, parent);
INSERT INTO known VALUES
  ('$', 'object', 1, NULL),
  ('$.$schema', 'text', 0, '$'),
  ('$.version', 'text', 1, '$'),
  ('$.runs', 'array', 1, '$'),
  ('$.runs[]', 'object', 0, NULL),
  ('$.runs[].tool', 'object', 1, '$.runs[]'),
  ('$.runs[].tool.driver', 'object', 1, '$.runs[].tool'),
  ('$.runs[].tool.driver.name', 'text', 1, '$.runs[].tool.driver'),
  ('$.runs[].tool.driver.version', 'text', 0, NULL),
  ('$.runs[].tool.driver.rules', 'array', 0, NULL),
  ('$.runs[].tool.driver.rules[]', 'object', 0, NULL),
  ('$.runs[].tool.driver.rules[].id', 'text', 1, '$.runs[].tool.driver.rules[]'),
  ('$.runs[].tool.driver.rules[].name', 'text', 0, NULL),
  ('$.runs[].tool.driver.rules[].shortDescription', 'object', 0, NULL),
  ('$.runs[].tool.driver.rules[].shortDescription.text', 'text', 1,
    '$.runs[].tool.driver.rules[].shortDescription'),
  ('$.runs[].originalUriBaseIds', 'object', 0, NULL),
  ('$.runs[].originalUriBaseIds.SRCROOT', 'object', 0, NULL),
  ('$.runs[].originalUriBaseIds.SRCROOT.description', 'object', 0, NULL),
  ('$.runs[].originalUriBaseIds.SRCROOT.description.text', 'text', 1,
    '$.runs[].originalUriBaseIds.SRCROOT.description'),
  ('$.runs[].columnKind', 'text', 0, NULL),
  ('$.runs[].invocations', 'array', 0, NULL),
  ('$.runs[].invocations[]', 'object', 0, NULL),
  ('$.runs[].invocations[].executionSuccessful', 'boolean', 1,
    '$.runs[].invocations[]'),
  ('$.runs[].invocations[].toolExecutionNotifications', 'array', 0, NULL),
  ('$.runs[].invocations[].toolExecutionNotifications[]', 'object', 0, NULL),
  ('$.runs[].invocations[].toolExecutionNotifications[].level', 'text', 0, NULL),
  ('$.runs[].invocations[].toolExecutionNotifications[].message', 'object', 1,
    '$.runs[].invocations[].toolExecutionNotifications[]'),
  ('$.runs[].invocations[].toolExecutionNotifications[].message.text', 'text',
    1, '$.runs[].invocations[].toolExecutionNotifications[].message'),
  ('$.runs[].invocations[].properties', 'object', 0, NULL),
  ('$.runs[].invocations[].properties.subject', 'text', 0, NULL),
  ('$.runs[].results', 'array', 1, '$.runs[]'),
  ('$.runs[].results[]', 'object', 0, NULL),
  ('$.runs[].results[].ruleId', 'text', 1, '$.runs[].results[]'),
  ('$.runs[].results[].ruleIndex', 'integer', 0, NULL),
  ('$.runs[].results[].level', 'text', 0, NULL),
  ('$.runs[].results[].message', 'object', 1, '$.runs[].results[]'),
  ('$.runs[].results[].message.text', 'text', 1, '$.runs[].results[].message'),
  ('$.runs[].results[].locations', 'array', 0, NULL),
  ('$.runs[].results[].locations[]', 'object', 0, NULL),
  ('$.runs[].results[].locations[].physicalLocation', 'object', 0, NULL),
  ('$.runs[].results[].locations[].physicalLocation.artifactLocation',
    'object', 1, '$.runs[].results[].locations[].physicalLocation'),
  ('$.runs[].results[].locations[].physicalLocation.artifactLocation.uri',
    'text', 1,
    '$.runs[].results[].locations[].physicalLocation.artifactLocation'),
  ('$.runs[].results[].locations[].physicalLocation.artifactLocation.uriBaseId',
    'text', 0, NULL),
  ('$.runs[].results[].locations[].physicalLocation.region', 'object', 0, NULL),
  ('$.runs[].results[].locations[].physicalLocation.region.startLine',
    'integer', 1, '$.runs[].results[].locations[].physicalLocation.region'),
  ('$.runs[].results[].locations[].logicalLocations', 'array', 0, NULL),
  ('$.runs[].results[].locations[].logicalLocations[]', 'object', 0, NULL),
  ('$.runs[].results[].locations[].logicalLocations[].fullyQualifiedName',
    'text', 0, NULL),
  ('$.runs[].results[].suppressions', 'array', 0, NULL),
  ('$.runs[].results[].suppressions[]', 'object', 0, NULL),
  ('$.runs[].results[].suppressions[].kind', 'text', 1,
    '$.runs[].results[].suppressions[]'),
  ('$.runs[].results[].suppressions[].justification', 'text', 0, NULL),
  ('$.runs[].results[].properties', 'object', 0, NULL),
  ('$.runs[].results[].properties.bytes', 'integer', 0, NULL),
  ('$.runs[].results[].properties.blocks', 'integer', 0, NULL),
  ('$.runs[].results[].properties.suppressedBytes', 'integer', 0, NULL),
  ('$.runs[].results[].properties.suppressedBlocks', 'integer', 0, NULL);
UPDATE t SET shape = replace(replace(shape, '"', ''), '$.$', '$.$');
SELECT 'unknown', fullkey, type FROM t WHERE NOT EXISTS (
  SELECT * FROM known AS k WHERE k.shape = t.shape
    AND (k.type = t.type OR k.type = 'boolean' AND t.type IN ('true', 'false')));
SELECT 'missing', p.fullkey, k.shape FROM known AS k
JOIN t AS p ON p.shape = k.parent
WHERE k.required AND NOT EXISTS (
  SELECT * FROM t AS c WHERE c.shape = k.shape AND c.path = p.fullkey);
SELECT 'value', fullkey, atom FROM t
WHERE shape = '$.version' AND atom != '2.1.0'
  OR key = 'level' AND atom NOT IN ('none', 'note', 'warning', 'error')
  OR key = 'kind' AND atom NOT IN ('inSource', 'external')
  OR key = 'startLine' AND atom < 1
  OR key = 'uri' AND (atom GLOB '*[^-A-Za-z0-9._~/:%]*' OR atom = '')
  OR key = 'columnKind' AND atom NOT IN ('utf16CodeUnits', 'unicodeCodePoints')
  OR key = 'ruleIndex' AND atom NOT IN (0, 1);
SELECT 'rule', r.fullkey FROM t AS r JOIN t AS i
  ON i.path = r.path AND i.key = 'ruleIndex'
WHERE r.key = 'ruleId' AND r.atom != (SELECT atom FROM t
  WHERE fullkey = '$.runs[0].tool.driver.rules[' || i.atom || '].id');
SQL
  ) || wrong "not JSON"
  [ -z "$faults" ] || wrong "$faults"
}

# junit: well-formed, and the counts are those of the elements.
junit() {
  local count
  if command -v xmllint > /dev/null; then
    xmllint --noout document || wrong "not well-formed"
    for count in "tests testcase" "failures failure" "errors error" \
      "skipped skipped"; do
      set -- $count
      [ "$(xmllint --xpath "number(/testsuites/@$1)" document)" = \
        "$(xmllint --xpath "count(/testsuites/testsuite/testcase/descendant-or-self::$2)" document)" ] ||
        wrong "$1"
    done
  fi
  awk '
    NR == 1 { if ($0 !~ /^<\?xml version="1.0" encoding="UTF-8"\?>$/) exit 1; next }
    { gsub(/&(amp|lt|gt|quot);/, ""); if (/&/) exit 1
      n += gsub(/<[a-z-]+/, "&"); c += gsub(/<\/[a-z-]+>|\/>/, "&")
      if (gsub(/"/, "&") % 2) exit 1 }
    END { if (n != c) exit 1 }' document || wrong "not well-formed"
}

@test "SARIF: what is alive, on its line" {
  document app -f sarif
  [ "$status" -eq 0 ]
  sarif
  json '$.runs[0].results[0].level' note
  json '$.runs[0].results[1].locations[0].physicalLocation.artifactLocation.uri' app.lua
  json '$.runs[0].results[1].locations[0].physicalLocation.region.startLine' 5
  json '$.runs[0].results[1].properties.bytes' 121
  # A C function has no line.
  json '$.runs[0].results[0].locations[0].physicalLocation' ""
  json '$.runs[0].results[0].locations[0].logicalLocations[0].fullyQualifiedName' \
    buffer_new:0x2000
  json '$.runs[0].invocations[0].executionSuccessful' 1
  snapshot gate_sarif
}

@test "SARIF: what exceeds limits, and what is suppressed" {
  printf 'leak:buffer\n' > known
  document app -f sarif --max-leak=10 --max-leak-at='*:9=1' --suppressions=known
  [ "$status" -eq 1 ]
  sarif
  json '$.runs[0].results[0].ruleId' limit
  json '$.runs[0].results[0].message.text' \
    "203B are alive at the end, more than 10B"
  json '$.runs[0].results[1].level' warning
  json '$.runs[0].results[2].level' error
  json '$.runs[0].results[5].suppressions[0].justification' buffer
  json '$.runs[0].results[5].properties.suppressedBytes' 1000
  document cut -f sarif
  [ "$status" -eq 3 ]
  sarif
  json '$.runs[0].invocations[0].executionSuccessful' 0
}

@test "JUnit: a test for each line" {
  document app -f junit
  [ "$status" -eq 0 ]
  junit
  snapshot gate_junit
  printf 'leak:buffer\n' > known
  document app -f junit --max-leak=10 --max-leak-at='*:9=1' --suppressions=known
  [ "$status" -eq 1 ]
  junit
  grep -q 'tests="7" failures="2" errors="0" skipped="1"' document
  snapshot gate_junit_limits
  document cut -f junit
  [ "$status" -eq 3 ]
  junit
  grep -q '<error ' document
}

@test "of a database, and of what is stored" {
  document app -f sarif
  wanted=$(sed '/subject/d' document)
  memparse app -o db
  for how in db "app -o new" "new --leak-only"; do
    document $how -f sarif
    [ "$(sed '/subject/d; /partialFingerprints/d' document)" = "$wanted" ] || wrong "$how" "$output"
    document $how -f junit
    junit
  done
}

@test "paths are relative where they can be" {
  {
    printf 'ljs 3\n'
    i=0
    for name in "@$PWD/src/a.lua" @./b.lua @././c.lua @/elsewhere/d.lua \
      "@with space#?%:é.lua" =stdin @ @../e.lua "@${PWD}x/f.lua" \
      @.//g.lua @.//.///h.lua "@$PWD//i.lua"; do
      i=$((i + 1))
      printf 'lua 0x%d000 "%s" 1\n' $i "$name"
    done
    printf 'ljm 3\n'
    for ((; i > 0; i--)); do
      printf 'alloc lua 0x%d000:%d 0x%d0 %d\n' $i $((i - 1)) $i $((100 - i))
    done
    printf 'end\n'
  } > text
  "$ENCODE" text > paths
  document paths -f sarif
  sarif
  at() { json "\$.runs[0].results[$1].locations[0].physicalLocation.$2" "$3"; }
  at 0 artifactLocation.uri src/a.lua
  at 0 region ""
  at 1 artifactLocation.uri b.lua
  at 1 region.startLine 1
  at 2 artifactLocation.uri c.lua
  at 3 artifactLocation.uri file:///elsewhere/d.lua
  at 3 artifactLocation.uriBaseId ""
  at 4 artifactLocation.uri with%20space%23%3F%25%3A%C3%A9.lua
  at 5 artifactLocation ""
  at 6 artifactLocation ""
  at 7 artifactLocation.uri ../e.lua
  at 8 artifactLocation.uri "file://${PWD}x/f.lua"
  at 9 artifactLocation.uri g.lua
  at 10 artifactLocation.uri h.lua
  at 11 artifactLocation.uri i.lua
  document paths -f junit
  junit
}

@test "names of any bytes" {
  {
    printf 'ljs 3\n'
    for i in {1..255}; do
      printf 'lua 0x%x "@b\\x%02xe" 1\n' $((i * 4096)) "$i"
    done
    printf 'lua 0x%x "@]]>&amp;<!--\\xef\\xbf\\xbe\\xef\\xbf\\xbf\\xed\\xa0\\x80--\\xf0\\x9f\\xa6\\x84" 1\n' 1048576
    printf 'ljm 3\n'
    for i in {1..256}; do
      printf 'alloc lua 0x%x:%d 0x%x %d\n' $((i * 4096)) $i $((i * 16)) $i
    done
    printf 'end\n'
  } > text
  "$ENCODE" text > 'str<e>&"am'
  for stream in 'str<e>&"am' hostile; do
    document "$stream" -f sarif
    sarif
    document "$stream" -f sarif --max-leak-at='*=3'
    sarif
    document "$stream" -f junit
    junit
    document "$stream" -f junit --max-leak-at='*=3'
    junit
  done
  mv 'str<e>&"am' $'\xff\x1b\n'
  document $'\xff\x1b\n' -f sarif
  sarif
  document $'\xff\x1b\n' -f junit
  junit
}

@test "what they do not go with" {
  fails 2 "-f junit and sarif tell of the leaks*" app -f junit -q leaks
  fails 2 "*" app -f sarif --export=dot:-
  fails 2 "*" app -f sarif --human-readable
  fails 2 "unknown format 'xml'*" app -f xml
  # The last one counts.
  works app -f junit -f csv
  [[ "$output" == "site,"* ]]
  printf 'leak:x\n' > known
  document app -f sarif --suppressions=known
  fails 4 "missing: *" missing -f sarif
  [ -z "$output" ]
}

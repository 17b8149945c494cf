# hostile_names.bats - any bytes as a name: each format stays what it is, and
# gives the names back to a reader of its own.
load common

# Names of every byte, characters that steer terminals, quotes of all kinds.
names() {
  local i
  printf 'ljs 3\n'
  for i in {1..255}; do
    printf 'lua 0x%x "b\\x%02xe" 1\n' $((i * 4096)) "$i"
  done
  while read -r name; do
    printf 'lua 0x%x "%s" 1\n' $((i++ * 4096)) "$name"
  done <<'NAMES'
\xc2\x80\xc2\x85\xc2\x9b31m\xc2\x9f
\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f
\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae
\xe2\x81\xa6\xe2\x81\xa9\xef\xbb\xbf
\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xf8\x88\x80\x80\x80\xe2\x80
\x1b]0;title\x07\x1b[2J
'); DROP TABLE profile_data; --
\",\"x\":1},{\"
a\x0d\x0ab
| --- | **b** `c` <i>d</i> [e](f) ~~g~~ $h$ &amp;
=1+1
\\
\\x1b
,
\xf0\x9f\xa6\x84 \xe6\xbc\xa2 \xc3\xa9 e\xcc\x81

NAMES
  printf 'lua 0x%x "" 1\n' $((i++ * 4096))
  printf 'ljm 3\n'
  for ((n = 1; n < i; n++)); do
    printf 'alloc lua 0x%x:%d 0x%x %d\n' $((n * 4096)) $n $((n * 16)) $n
  done
  # The collector frees at the end: no warning.
  printf 'alloc int 0x99999 1\nfree int 0x99999 1\nend\n'
}

# harmless FILE: UTF-8 without a character that steers.
harmless() {
  iconv -f UTF-8 -t UTF-8 "$1" > /dev/null || wrong "$1: not UTF-8"
  ! LC_ALL=C grep -anE $'[\x01-\x08\x0b-\x1f\x7f]' "$1" || wrong "$1: control"
  ! LC_ALL=C grep -anE $'\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]' \
    "$1" || wrong "$1: control"
  ! LC_ALL=C grep -anE $'\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf' "$1" ||
    wrong "$1: control"
}

setup_hostile() {
  names | "$ENCODE" > all
  works all -o db
  sqlite3 db "SELECT name, live_bytes FROM site WHERE live_blocks > 0
    ORDER BY live_bytes" > wanted
  [ "$(wc -l < wanted)" -eq 271 ] || wrong "$(wc -l < wanted)"
  echo "SELECT name, live_bytes FROM site WHERE live_blocks > 0
    ORDER BY live_bytes" > mine.sql
}

@test "no format has characters that steer" {
  setup_hostile
  for what in "" --leak-only --dump -fcsv -fjson -fbox -fmarkdown "-q leaks"; do
    for file in all db; do
      [ "$file$what" != db--dump ] || continue
      # shellcheck disable=SC2086 # words, or none
      memparse $file $what > out
      harmless out
    done
  done
  harmless wanted
  sqlite3 db "SELECT name, text FROM chunk; SELECT * FROM site;
    SELECT * FROM profile" \
    > out
  harmless out
}

@test "CSV comes back" {
  setup_hostile
  works all -q mine.sql -f csv
  printf '%s\n' "$output" > csv
  sqlite3 :memory: ".import --csv csv t" \
    "SELECT * FROM t ORDER BY 0 + live_bytes" > got
  cmp got wanted
}

@test "JSON comes back" {
  setup_hostile
  works all -q mine.sql -f json
  printf '%s\n' "$output" > json
  sqlite3 :memory: "SELECT json_valid(CAST(readfile('json') AS TEXT))" |
    grep -qx 1
  sqlite3 :memory: "SELECT value ->> 'name', value ->> 'live_bytes'
    FROM json_each(CAST(readfile('json') AS TEXT))" > got
  cmp got wanted
}

# Takes a table apart: a bar that no backslash precedes ends a cell.
@test "Markdown comes back" {
  setup_hostile
  works all -q mine.sql -f markdown
  tail -n +3 <<< "$output" | LC_ALL=C awk '{
    cell = ""; count = 0
    for (i = 1; i <= length($0); i++) {
      c = substr($0, i, 1)
      if (c == "\\") cell = cell substr($0, ++i, 1)
      else if (c == "|") { cells[count++] = cell; cell = "" }
      else cell = cell c
    }
    gsub(/^ | *$/, "", cells[1])
    gsub(/ /, "", cells[2])
    if (count == 3 && cell == "") print cells[1] "|" cells[2]
  }' > got
  diff got wanted
  # As many cells in every line, for those who do not know backslashes, too.
  works all -q mine.sql -f box
  [ "$(grep -c '^│.*│ .* │$' <<< "$output")" -eq 272 ]
}

@test "values of all kinds come back from CSV and JSON" {
  cat > mine.sql <<'SQL'
WITH t(a) AS (VALUES (char(10)), (char(13, 10) || '"'), (','), (''), ('""'),
  (' a '), (char(9, 27, 127)), (char(8238, 133, 65279)), ('NULL'), ('\'))
SELECT row_number() OVER () AS n, a FROM t
SQL
  memparse app -q mine.sql -f csv > csv
  memparse app -q mine.sql -f json > json
  sqlite3 :memory: "SELECT n, hex(a) FROM ($(cat mine.sql))" > wanted
  sqlite3 :memory: "SELECT value ->> 'n', hex(value ->> 'a')
    FROM json_each(CAST(readfile('json') AS TEXT))" > got
  diff got wanted
  sqlite3 :memory: ".import --csv csv t" "SELECT n, hex(a) FROM t" > got
  diff got wanted
}

@test "a name of a megabyte in every format" {
  {
    printf 'ljs\3\0\0\0\0\20\200\200\100'
    head -c 1048576 /dev/zero | tr '\0' '|'
    printf '\1\200ljm\3\0\0\0\11\20\1\40\10\200'
  } > long
  works long -o db
  for format in text box csv json markdown; do
    memparse db -q leaks -f $format > out
    harmless out
    [ "$(wc -l < out)" -le 6 ]
  done
  for what in "" --leak-only --dump; do
    # shellcheck disable=SC2086 # words, or none
    memparse long $what > out
    harmless out
    [ "$(wc -c < out)" -gt 1048576 ]
  done
  sql db "SELECT length(text), raw IS NULL FROM chunk" "1048576|1"
}

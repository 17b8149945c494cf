# hostile_size.bats - a small stream must not make something large.
load common

# long_name SIZE LINES: a stream, long, of so many lines of one chunk.
long_name() {
  {
    printf 'ljs 3\nlua 0x1000 "@" 1\nljm 3\n'
    for ((i = 1; i <= $2; i++)); do
      printf 'alloc lua 0x1000:%d 0x%d0 8\n' "$i" "$i"
    done
    echo end
  } | "$ENCODE" > short
  # The name and its size stand behind 10 bytes of the symbol table.
  {
    head -c 10 short
    printf "\\x$(printf %x $(($1 & 127 | 128)))"
    printf "\\x$(printf %x $(($1 >> 7 & 127 | 128)))"
    printf "\\x$(printf %x $(($1 >> 14 & 127 | 128)))"
    printf "\\x$(printf %x $(($1 >> 21)))"
    head -c "$1" /dev/zero | tr '\0' x
    tail -c +13 short
  } > long
  rm short
}

@test "sites share the text of their chunk: in the report" {
  long_name 4194304 299
  # 299 copies of the name are 1.2 GB. (Sanitizers cannot do with so little.)
  if (ulimit -v 300000 && "$MEMPARSE" --version) > version 2>&1; then
    ulimit -v 300000
  fi
  [ "$("$MEMPARSE" --leak-only long | tail -n 2 | head -c 4194400 |
    tr -s x)" = "x:99 holds 8B: 1 allocs, 0 frees" ]
}

@test "sites share the text of their chunk: in the database" {
  long_name 4194304 299
  works long -o db
  [ "$(stat -c %s db)" -lt 10000000 ]
  sql db "SELECT count(*), count(DISTINCT site.name), max(length(text))
    FROM site JOIN chunk USING (profile_id)" "299|299|4194304"
  # 64 KiB and what stands for the rest, with the line.
  sql db "SELECT max(length(name)), max(length(chunk)) FROM site" \
    "65541|65537"
  works db -q leaks -f csv
  [ "${#lines[@]}" -eq 300 ]
}

@test "traces share the name of the C function where they start" {
  {
    printf 'ljs 3\nc 0x1000 "f"\nljm 3\n'
    for i in {1..50}; do
      printf 'trace %d 0x1000 0\nalloc trace:%d 0x%d0 8\n' "$i" "$i" "$i"
    done
    echo end
  } | "$ENCODE" > traces
  works traces -o db
  sql db "SELECT count(*) FROM name_data" 1
  works traces --leak-only
  text=$output
  works db --leak-only
  [ "$output" = "$text" ] || wrong "$output" "$text"
}

# Of a long name [a-z]+; would look at all pairs of letters.
@test "names are matched as stacks print them, without their middle" {
  awk 'BEGIN {
    x = "x"
    while (length(x) < 1024) x = x x
    print "ljs 3\nljm 131\nstart 0 1 9 \"\"\nstring \"@a.lua\""
    print "string \"begin" x "middle" x "end\""
    print "proto 1 1 2\nframe lua 1:7\ncallsite 0 1\nalloc @1 0x10 32\nend"
  }' | "$ENCODE" > stream
  for found in ^begin 'end \(@a\.lua:7\)$' x; do
    works stream --leak-only --focus "$found"
    [[ "$output" == *"@a.lua:7 holds 32B: 1 allocs"* ]] || wrong "$output"
  done
  for not in middle '[a-z]+;' '(x|xx)*y'; do
    run --separate-stderr memparse stream --leak-only --focus "$not"
    [ "$status" = 0 ]
    [ "$stderr" = "memparse: stream: warning: --focus=$not leaves nothing" ] ||
      wrong "$stderr"
    [ "$output" = "HEAP SUMMARY:" ] || wrong "$output"
  done
}

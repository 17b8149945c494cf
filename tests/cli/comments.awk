# comments.awk - fails unless every table, view, index and column has a comment
# of one sentence before it: a capital letter, a full stop, none in between.
function check(what) {
  if (comment !~ /^[A-Z0-9][^.]*(\.[^ ][^.]*)*\.$/) {
    print FILENAME ":" FNR ": " what " has the comment \"" comment "\""
    failed = 1
  }
}
/^ *--/ {
  sub(/^ *-- ?/, "")
  # After an empty comment line comes what is not the sentence.
  if ($0 == "") over = 1
  if (!over) comment = comment (comment == "" ? "" : " ") $0
  next
}
/^CREATE (TABLE|VIEW|INDEX)/ {
  check($3)
  inside = /\($/
  names++
}
inside && /^  [a-z]/ {
  check($1)
  columns++
}
/^\)/ { inside = 0 }
# The lines of a constraint that go on do not end what a comment is about.
{ comment = ""; over = 0 }
END {
  if (names < 20 || columns < 200) {
    print "only " names " names and " columns " columns were found"
    failed = 1
  }
  exit failed
}

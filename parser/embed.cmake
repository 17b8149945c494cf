# embed.cmake - writes a C file that holds the SQL files, byte for byte.
#
#   cmake -DOUT=embedded_sql.c -DSOURCE_DIR=. -P parser/embed.cmake
#
# The files travel as hexadecimal digits: neither a list separator nor a
# bracket in them means anything to CMake or to C. See embedded_sql.h.

# Appends to CODE an array of the bytes of the files, one after the other, and
# to ROWS a row of struct embedded_sql for them.
function(embed_text array name)
  foreach(file ${ARGN})
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
    string(APPEND bytes "${hex}")
  endforeach()
  string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))"
    "\\1\n" bytes "${bytes}")
  string(APPEND CODE "static const unsigned char ${array}_${name}[] = {\n${bytes}0};\n")
  string(APPEND ROWS "{\"${name}\", (const char *)${array}_${name}},\n")
  set(CODE "${CODE}" PARENT_SCOPE)
  set(ROWS "${ROWS}" PARENT_SCOPE)
endfunction()

# Appends to CODE the array that has the rows so far, and begins with none.
macro(embed_array array)
  string(APPEND CODE "\nconst struct embedded_sql ${array}[] = {\n\
${ROWS}{0, 0}};\n")
  set(ROWS "")
endmacro()

set(CODE "/* Made by parser/embed.cmake. */\n#include \"embedded_sql.h\"\n")
set(schema ${SOURCE_DIR}/sqlschema)
embed_text(embedded_schema tables ${schema}/tables.sql)
embed_text(embedded_schema views
  ${schema}/views_profile.sql ${schema}/views_site.sql
  ${schema}/views_time.sql ${schema}/views_block.sql)
embed_text(embedded_schema indexes ${schema}/indexes.sql)
embed_array(embedded_schema)
file(GLOB queries ${SOURCE_DIR}/queries/*.sql)
list(SORT queries)
foreach(query ${queries})
  get_filename_component(name ${query} NAME_WE)
  embed_text(embedded_queries ${name} ${query})
endforeach()
embed_array(embedded_queries)
file(WRITE ${OUT} "${CODE}")

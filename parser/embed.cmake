# embed.cmake - writes a C file that holds the SQL files, byte for byte.
#
#   cmake -DOUT=embedded_sql.c -DSOURCE_DIR=. -P parser/embed.cmake
#
# The files travel as hexadecimal digits: neither a list separator nor a
# bracket in them means anything to CMake or to C. See embedded_sql.h.

# Appends to CODE an array of struct embedded_sql with the files, in order.
function(embed array)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))"
      "\\1\n" bytes "${bytes}")
    string(APPEND code "static const unsigned char ${array}_${name}[] = {\n${bytes}0};\n")
    string(APPEND rows "{\"${name}\", (const char *)${array}_${name}},\n")
  endforeach()
  set(CODE "${CODE}\n${code}\nconst struct embedded_sql ${array}[] = {\n\
${rows}{0, 0}};\n" PARENT_SCOPE)
endfunction()

set(CODE "/* Made by parser/embed.cmake. */\n#include \"embedded_sql.h\"\n")
embed(embedded_schema ${SOURCE_DIR}/sqlschema/tables.sql
  ${SOURCE_DIR}/sqlschema/views.sql ${SOURCE_DIR}/sqlschema/indexes.sql)
file(GLOB queries ${SOURCE_DIR}/queries/*.sql)
list(SORT queries)
embed(embedded_queries ${queries})
file(WRITE ${OUT} "${CODE}")

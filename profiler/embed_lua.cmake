# embed_lua.cmake - writes a C file that holds check.lua, byte for byte.
#
#   cmake -DOUT=check_lua.c -DLUA=profiler/check.lua -P profiler/embed_lua.cmake
file(READ ${LUA} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n"
  bytes "${bytes}")
file(WRITE ${OUT} "/* Made by profiler/embed_lua.cmake. */
#include \"check.h\"
const char check_lua[] = {
${bytes}0};
const size_t check_lua_size = sizeof check_lua - 1;
")

#!/usr/bin/env bats
# Neovim, headless, with a plugin that never forgets what was edited.

load helpers

plugin() {
  mkdir -p config/lua config/plugin
  cat > config/lua/undo_history.lua <<'LUA'
local history = {}
local M = {}
function M.remember(buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
  history[#history + 1] = {
    tick = vim.api.nvim_buf_get_changedtick(buffer), first = lines[1]}
end
function M.count() return #history end
return M
LUA
  cat > config/plugin/undo_history.vim <<'VIM'
autocmd User Edited lua require("undo_history").remember(0)
VIM
  cat > edit.lua <<'LUA'
for i = 1, 400 do
  vim.cmd("normal! oline " .. i)
  vim.cmd("doautocmd User Edited")
end
io.stdout:write(require("undo_history").count(), "\n")
LUA
}

@test "a plugin's leak is found, by the lines of the plugin" {
  need nvim
  plugin
  MEMPROF_OUT="$PWD/nvim-%p.bin.zst" MEMPROF_AUTOSTART=1 preloaded \
    nvim --headless -u NORC -i NONE -n --cmd "set rtp^=$PWD/config" \
    -c "luafile edit.lua" -c "qall!" > out 2>&1 < /dev/null
  cat out
  grep -qx '400.*' out
  if grep ljmemprof out; then return 1; fi
  found=0
  for stream in nvim-*.bin.zst; do
    # The table and its hash part, 400 times, and the list.
    n=$(held "$stream" undo_history.lua 5)
    echo "$stream: $n"
    [ "$n" -lt 800 ] || found=1
  done
  [ $found = 1 ]
}

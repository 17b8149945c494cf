#!/usr/bin/env bats
# wrk: a VM in each of several threads, none of which is ever closed.

load helpers

teardown() {
  [ ! -e nginx.pid ] || kill -TERM "$(cat nginx.pid)" || true
}

serve() {
  find_nginx
  PORT=$((20000 + RANDOM % 12000))
  cat > nginx.conf <<CONF
$([ "$(id -u)" != 0 ] || echo "user root;")
pid nginx.pid;
error_log error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path tmp1; proxy_temp_path tmp2; fastcgi_temp_path tmp3;
  uwsgi_temp_path tmp4; scgi_temp_path tmp5;
  server { listen 127.0.0.1:$PORT; location / { return 200 "ok"; } }
}
CONF
  LD_LIBRARY_PATH=$LIBRARIES "$NGINX" -p "$PWD" -c nginx.conf -e error.log
  wait_for curl -sf "http://127.0.0.1:$PORT/"
}

@test "each thread's VM has a stream of its own" {
  need wrk
  serve
  cat > load.lua <<'LUA'
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
sent = 0
local kept = {}
function request()
  sent = sent + 1
  kept[sent] = {sent}
  return wrk.format("GET", "/")
end
function done()
  for _, thread in ipairs(threads) do print("sent", thread:get("sent")) end
end
LUA
  MEMPROF_OUT="$PWD/wrk.bin.zst" MEMPROF_AUTOSTART=1 preloaded \
    wrk -t 2 -c 4 -d 1 -s load.lua "http://127.0.0.1:$PORT/" > out 2>&1
  cat out
  if grep ljmemprof out; then return 1; fi
  # The first VM only looks at the script.
  awk '/^sent/ { print $2 }' out | sort -n > sent
  [ "$(wc -l < sent)" = 2 ]
  for stream in wrk.2.bin.zst wrk.3.bin.zst; do
    held $stream load.lua 7
  done | sort -n > kept
  paste sent kept | while read -r sent kept; do
    echo "$sent requests, $kept blocks"
    # Such a small table is one block; the list is another.
    [ "$kept" -ge "$sent" ]
    [ "$kept" -le $((sent + 5)) ]
  done
}

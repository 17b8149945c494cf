#!/usr/bin/env bats
# nginx with lua-nginx-module: two workers, a handler that leaks, requests.

load helpers

teardown() {
  [ ! -e nginx.pid ] || kill -TERM "$(cat nginx.pid)" || true
}

# configure [INIT]: INIT is Lua that runs before the workers are forked.
configure() {
  PORT=$((20000 + RANDOM % 12000))
  cat > nginx.conf <<CONF
load_module $MODULES/ndk_http_module.so;
load_module $MODULES/ngx_http_lua_module.so;
$([ "$(id -u)" != 0 ] || echo "user root;")
daemon off;
worker_processes 2;
pid nginx.pid;
error_log error.log info;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path tmp1; proxy_temp_path tmp2; fastcgi_temp_path tmp3;
  uwsgi_temp_path tmp4; scgi_temp_path tmp5;
  lua_package_path "$PWD/?.lua;$LUA/?.lua;;";
  init_by_lua_block { ${1-} require "sessions" }
  server {
    listen 127.0.0.1:$PORT reuseport;
    location / { content_by_lua_block { require("sessions").handle() } }
  }
}
CONF
  cat > sessions.lua <<'LUA'
local sessions, count = {}, 0
local M = {}
function M.handle()
  count = count + 1
  sessions[count] = {number = count, method = ngx.req.get_method()}
  ngx.say(ngx.worker.pid())
end
return M
LUA
}

start_nginx() {
  LD_LIBRARY_PATH=$LIBRARIES LD_PRELOAD="$BUILD/libljmemprof-preload.so" \
    "$NGINX" -p "$PWD" -c nginx.conf -e error.log > out 2>&1 &
  SERVER=$!
  wait_for curl -sf "http://127.0.0.1:$PORT/" || { cat out error.log; false; }
}

# requests N FILE: from N connections, some at once; the pids that answered,
# so that it is known what each worker has kept.
requests() {
  seq "$1" | xargs -P 4 -n 25 sh -c '
    for i; do echo "url = http://127.0.0.1:$0/user/$i"; done |
      curl -sf -H "Connection: close" -K -' "$PORT" > "$2"
  [ "$(wc -l < "$2")" = "$1" ]
}

# kept PID FILE...: requests that this worker answered.
kept() {
  local pid=$1
  shift
  cat "$@" | grep -cx "$pid"
}

stop_nginx() {
  kill -QUIT "$(cat nginx.pid)"
  wait $SERVER
  if grep -E 'signal [0-9]+ \(core|exited on signal|alert|emerg' error.log; then return 1; fi
}

@test "each worker records its own leak, to the request" {
  find_nginx
  configure 'jit.off()'
  export MEMPROF_OUT="$PWD/w-%p.bin.zst" MEMPROF_AUTOSTART=1
  start_nginx
  requests 600 pids
  curl -s "http://127.0.0.1:$PORT/" > /dev/null
  stop_nginx
  [ "$(sort -u pids | wc -l)" = 2 ]
  for pid in $(sort -u pids); do
    n=$(held w-$pid.bin.zst sessions.lua 5)
    asked=$(kept $pid pids)
    echo "worker $pid: $asked requests, $n blocks"
    # A table and its hash part; two more requests were not counted, and the
    # list grows.
    [ "$n" -ge $((2 * asked)) ]
    [ "$n" -le $((2 * asked + 5)) ]
    head -2 report | grep sessions.lua:5
  done
}

@test "the same with the JIT on" {
  find_nginx
  configure
  export MEMPROF_OUT="$PWD/w-%p.bin.zst" MEMPROF_AUTOSTART=1
  start_nginx
  requests 2000 pids
  stop_nginx
  for pid in $(sort -u pids); do
    n=$(held w-$pid.bin.zst sessions.lua 5)
    asked=$(kept $pid pids)
    echo "worker $pid: $asked requests, $n blocks"
    [ "$n" -ge $((2 * asked)) ]
    head -2 report | grep sessions.lua:
  done
}

@test "a signal to a worker opens its stream, another one closes it" {
  find_nginx
  configure 'jit.off()'
  # nginx has a use of its own for USR2 and many others, but none for these.
  export MEMPROF_OUT="$PWD/s-%p.bin" MEMPROF_SIGNAL=RTMIN+5
  start_nginx
  requests 100 before
  [ -z "$(ls s-* 2> /dev/null)" ]
  workers=$(sort -u before)
  kill -RTMIN+5 $workers
  requests 400 pids
  kill -RTMIN+5 $workers
  requests 100 after
  # Complete while the workers go on.
  for pid in $workers; do
    n=$(held s-$pid.bin sessions.lua 5)
    asked=$(kept $pid pids)
    echo "worker $pid: $asked requests, $n blocks"
    [ "$n" -ge $((2 * asked)) ]
    [ "$n" -le $((2 * asked + 2)) ]
    kill -0 $pid
  done
  kill -RTMIN+5 $workers
  requests 100 again
  stop_nginx
  for pid in $workers; do
    n=$(held s-$pid.2.bin sessions.lua 5)
    [ "$n" -ge $((2 * $(kept $pid again))) ]
  done
}

@test "workers of a reloaded configuration record, too" {
  find_nginx
  configure 'jit.off()'
  export MEMPROF_OUT="$PWD/r-%p.bin.zst" MEMPROF_AUTOSTART=1
  start_nginx
  requests 100 old
  kill -HUP "$(cat nginx.pid)"
  for pid in $(sort -u old); do wait_for eval "! kill -0 $pid"; done
  requests 200 new
  stop_nginx
  for pid in $(sort -u new); do
    asked=$(kept $pid new)
    n=$(held r-$pid.bin.zst sessions.lua 5)
    echo "worker $pid: $asked requests, $n blocks"
    [ "$n" -ge $((2 * asked)) ]
    [ "$n" -le $((2 * asked + 5)) ]
  done
}

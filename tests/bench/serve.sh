#!/bin/sh
# HTTPS beside nginx: the same files, certificate and cipher, in one run, turn and turn about.
# Prints one JSON object a line: what, ours, nginx, and the ratio (min, median, max over the rounds).
#
#   tests/bench/serve.sh <serve_folder program> [rounds]
#
# Needs nginx, curl, wrk, h2load (nghttp2-client), openssl. Large payloads: MiB a second, one
# connection (curl) and 64 (h2load). Small ones: 4 KiB, 64 connections kept alive (wrk).
set -eu
program=$(realpath "$1")
rounds=${2:-5}
size=${BENCH_MIB:-1024}
dir=$(mktemp -d)
ours=; nginx=
finish() {
    for pid in $ours $nginx; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT INT TERM

mkdir "$dir/www" "$dir/log"
chmod 755 "$dir"
head -c "${size}M" /dev/urandom > "$dir/www/large"
head -c 16M /dev/urandom > "$dir/www/part"
for i in $(seq 0 99); do head -c 4096 /dev/urandom > "$dir/www/small$i"; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null

"$program" "$dir/www" "$dir/cert.pem" "$dir/key.pem" 127.0.0.1:0 > "$dir/address" &
ours=$!
for _ in $(seq 600); do [ -s "$dir/address" ] && break; sleep 0.1; done
our_url=https://$(cat "$dir/address")/view/1/folder

# nginx cannot tell a free port, so it gets one that was free a moment ago.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$dir/nginx.conf" <<CONF
worker_processes auto;
daemon off;
pid $dir/nginx.pid;
error_log $dir/log/error.log;
user root;
events { worker_connections 4096; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 10000000;
    client_body_temp_path $dir/log; proxy_temp_path $dir/log; fastcgi_temp_path $dir/log;
    uwsgi_temp_path $dir/log; scgi_temp_path $dir/log;
    server {
        listen 127.0.0.1:$port ssl http2 backlog=1024;
        ssl_certificate $dir/cert.pem;
        ssl_certificate_key $dir/key.pem;
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        root $dir/www;
    }
}
CONF
nginx -p "$dir" -e "$dir/log/error.log" -c "$dir/nginx.conf" &
nginx=$!
nginx_url=https://127.0.0.1:$port
for _ in $(seq 100); do curl -ksf -o /dev/null "$nginx_url/small0" && break; sleep 0.1; done

rss() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
# CPU seconds that a process and its children have used.
cpu() {
    for pid in "$1" $(cat "/proc/$1/task/$1/children"); do cut -d' ' -f14,15 "/proc/$pid/stat"; done |
        awk -v hz="$(getconf CLK_TCK)" '{ t += $1 + $2 } END { print t / hz }'
}
idle=$(rss $ours)

cat > "$dir/many.lua" <<'LUA'
local i = 0
request = function()
    i = (i + 1) % 100
    return wrk.format("GET", wrk.path .. i)
end
LUA

# Each measure prints one number, more is better.
one() { curl -ksSf -o /dev/null -w '%{speed_download}\n' "$1/large"; }
many() {
    h2load --h1 -n 64 -c 64 -t 1 "$1/part" 2>/dev/null |
        awk '/^finished in/ { t = $3 + 0; if ($3 ~ /ms,/) t /= 1000; if ($3 ~ /us,/) t /= 1000000 }
            /^requests:/ { n = $8 } END { print n * 16777216 / t }'
}
small() { wrk -t1 -c64 -d"${BENCH_SECONDS:-5}"s -s "$dir/many.lua" "$1/small" | awk '/^Requests\/sec/ { print $2 }'; }

both() { # both <name> <measure> <unit divisor>
    : > "$dir/pairs"
    our_cpu=$(cpu $ours); nginx_cpu=$(cpu $nginx)
    for _ in $(seq "$rounds"); do
        a=$($2 "$our_url"); b=$($2 "$nginx_url")
        echo "$a $b" >> "$dir/pairs"
    done
    our_cpu=$(echo "$our_cpu $(cpu $ours)" | awk '{ print $2 - $1 }')
    nginx_cpu=$(echo "$nginx_cpu $(cpu $nginx)" | awk '{ print $2 - $1 }')
    awk -v name="$1" -v unit="$3" -v oc="$our_cpu" -v nc="$nginx_cpu" '
        { a[NR] = $1 / unit; b[NR] = $2 / unit; r[NR] = $1 / $2 }
        function sorted(v, i, j, t) {
            for (i = 2; i <= NR; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        }
        END {
            sorted(a); sorted(b); sorted(r); m = int((NR + 1) / 2)
            printf "{\"what\":\"%s\",\"ours\":%.1f,\"nginx\":%.1f,\"ratio\":{\"min\":%.2f,\"median\":%.2f,\"max\":%.2f},\"cpu_seconds\":{\"ours\":%.2f,\"nginx\":%.2f},\"rounds\":%d}\n",
                name, a[m], b[m], r[1], r[m], r[NR], oc, nc, NR
        }' "$dir/pairs"
}

small "$our_url" > /dev/null
both "large payload, 1 connection, MiB/s" one 1048576
both "large payload, 64 connections, MiB/s" many 1048576
both "4 KiB objects, 64 connections, requests/s" small 1
printf '{"what":"resident memory, KiB","idle":%s,"after":%s}\n' "$idle" "$(rss $ours)"

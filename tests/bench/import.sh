#!/usr/bin/env bash
# Import against copying the same medium and hashing the copy with `openssl dgst -sha256`, on this machine in one
# run, pair by pair, cold caches where that is allowed. Prints JSON lines; never fails by the clock.
#   tests/bench/import.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3}
patchkeep=$PWD/${CARGO_TARGET_DIR:-target}/release/patchkeep
[ -x "$patchkeep" ] || patchkeep=${CARGO_TARGET_DIR:-target}/release/patchkeep
cache=target/bench-cache
mkdir -p "$cache"
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

# Real payloads of the security suite: some large, many small; about half a gigabyte.
base=$(. /etc/os-release && echo "$VERSION_CODENAME")
suite=$base-security
printf '[[source]]\nvendor = "debian"\nsuite = "%s"\n' "$suite" >"$work/collect.toml"
printf '[[source]]\nvendor = "debian"\nsuite = "%s"\nsolve_only = true\n' "$base" >>"$work/collect.toml"
printf '%s\n' firefox-esr thunderbird chromium openssl libpcre2-8-0 perl linux-image-cloud-amd64 linux-image-amd64 \
  >"$work/packages"
"$patchkeep" collect --config "$work/collect.toml" --into "$cache/collected" --packages "$work/packages" >&2
"$patchkeep" keys ceremony --into "$work/keys" --source "debian-$suite" >&2
"$patchkeep" bundle build --keys "$work/keys" --publisher "$work/state" --collected "$cache/collected" \
  --into "$work/bundle" >&2
bytes=$(du -sb "$work/bundle" | cut -f1)
fingerprint=$("$patchkeep" keys fingerprint --keys "$work/keys")

cold() { sync; { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || true; }
seconds() { local begun; begun=$(date +%s.%N); "$@" >/dev/null; echo "$(date +%s.%N) $begun" | awk '{print $1 - $2}'; }
peer() { cp -r "$work/bundle" "$work/copy"; sync "$work/copy"; find "$work/copy" -type f -print0 | xargs -0 openssl dgst -sha256; }
used() { df --output=used -B1 "$work" | tail -n 1; }

for round in $(seq "$rounds"); do
  cold; copied=$(seconds peer); rm -rf "$work/copy"
  data=$work/data-$round
  "$patchkeep" init --data "$data" --site bench --publisher-root "$work/keys/metadata/1.root.json" \
    --root-fingerprint "$fingerprint" >&2
  cold; before=$(used); peak=0
  ("$patchkeep" import --data "$data" "$work/bundle" >/dev/null) & pid=$!
  begun=$(date +%s.%N)
  while kill -0 "$pid" 2>/dev/null; do now=$(used); [ "$now" -gt "$peak" ] && peak=$now; sleep 0.02; done
  wait "$pid"
  imported=$(echo "$(date +%s.%N) $begun" | awk '{print $1 - $2}')
  again=$(seconds "$patchkeep" import --data "$data" "$work/bundle")
  held=$(du -sb "$data/store" | cut -f1)
  awk -v b="$bytes" -v c="$copied" -v i="$imported" -v a="$again" -v p="$((peak - before))" -v h="$held" -v r="$round" 'BEGIN {
    printf "{\"bench\":\"import\",\"round\":%d,\"bytes\":%d,\"copy_and_openssl_s\":%.2f,\"import_s\":%.2f,\"ratio\":%.2f,\"no_change_s\":%.2f,\"peak_extra_disk_over_new_bytes\":%.3f}\n", r, b, c, i, c / i, a, p / h }'
  rm -rf "$data"
done

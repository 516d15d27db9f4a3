#!/usr/bin/env bash
# Fuzzes one parser: tests/fuzz/run.sh TARGET SECONDS. Without a target, lists them.
# No nightly and no cargo-fuzz: libFuzzer with the flags that cargo-fuzz would give.
set -euo pipefail
cd "$(dirname "$0")"

target=${1:-} seconds=${2:-60}
if [ ! -f "targets/$target.rs" ]; then
  echo "targets (just fuzz TARGET SECONDS):"
  for file in targets/*.rs; do
    printf '  %-18s%s\n' "$(basename "$file" .rs)" "$(head -n 1 "$file" | cut -c5-)"
  done
  [ -z "$target" ] || { echo "there is no target $target" >&2; exit 2; }
  exit 0
fi
command -v g++ >/dev/null || { echo "g++ builds libFuzzer: apt-get install g++" >&2; exit 1; }

export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=../../target/fuzz
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --quiet --target "$host" --bin "$target"

# What was found grows in target/; the small seeds beside the targets are only read.
found=../../target/fuzz/corpus/$target
mkdir -p "$found" "corpus/$target"
exec "$CARGO_TARGET_DIR/$host/release/$target" "$found" "corpus/$target" \
  -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="$found-"

#!/usr/bin/env bash
# Every figure, one after the other on a machine that does nothing else: tests/bench/run.sh [PART]...
# Parts: import, serve, ledger, applicable, agents, pages; all unless named.
set -euo pipefail
cd "$(dirname "$0")/../.."
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(import serve ledger applicable agents pages)

for part in "${parts[@]}"; do
  printf '\n== %s\n' "$part"
  case $part in
  import) tests/bench/import.sh ;;
  serve)
    cargo build --release --quiet --package server --example serve_folder
    tests/bench/serve.sh target/release/examples/serve_folder
    ;;
  ledger)
    cargo build --release --quiet --package ledger --example append_rate
    # On the disk of the clone: a folder in memory would answer another question.
    target/release/examples/append_rate target
    ;;
  applicable)
    cargo build --release --quiet --package vendor-apt --example applicable
    tests/bench/applicable.sh target/release/examples/applicable
    ;;
  agents)
    cargo build --release --quiet --package tests --example agents
    tests/bench/agents.sh target/release/examples/agents
    ;;
  pages)
    # By its folder: another crate has the console's name.
    PATCHKEEP_BENCH_SITE="50000 20000" \
      cargo test --release --quiet --manifest-path src/console/Cargo.toml --lib -- --nocapture speed
    ;;
  *)
    echo "there is no part $part: import, serve, ledger, applicable, agents, pages" >&2
    exit 2
    ;;
  esac
done

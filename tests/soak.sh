#!/usr/bin/env bash
# What takes longer than `just test`: every test with PATCHKEEP_SOAK set (many more kills, simulated worlds and
# random cases), licences and bans by cargo-deny, each fuzz target for a while. Results go to tests/SOAK.md,
# to be committed with what was tested.
#   FUZZ_SECONDS=5 (default) for each target
set -uo pipefail
cd "$(dirname "$0")/.."
results=tests/SOAK.md
rows=()
failed=0

# Runs one part, keeps its log, and notes a row.
part() {
  local name=$1 begun=$SECONDS verdict=passed log
  shift
  log=target/soak/$(tr -c 'a-z0-9\n' - <<<"$name").log
  mkdir -p target/soak
  echo "soak: $name"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    verdict="FAILED"
    failed=1
    tail -n 30 "$log"
  fi
  local facts
  facts=$(grep -E '^ +Summary|^stat::number_of_executed_units' "$log" | tail -n 1 | tr -s ' ' | sed 's/^ //; s/stat::number_of_executed_units: /inputs: /')
  rows+=("| $name | $verdict | $((SECONDS - begun)) s | ${facts//|/} |")
}

part "all tests, soaked" env PATCHKEEP_SOAK=1 cargo nextest run --release --workspace --profile soak
command -v cargo-deny >/dev/null || {
  echo "soak: installing cargo-deny (about five minutes)"
  cargo install --locked --quiet cargo-deny </dev/null
}
part "packages of the agent" bash -c 'just packages && tests/packages.sh'
part "cargo deny" cargo deny --offline check bans licenses sources
for target in tests/fuzz/targets/*.rs; do
  name=$(basename "$target" .rs)
  part "fuzz $name" tests/fuzz/run.sh "$name" "${FUZZ_SECONDS:-5}"
done

{
  echo "# The last soak"
  echo
  echo "Written by \`just soak\` on $(date -u +%F), on commit $(git rev-parse --short HEAD), $(nproc) cores."
  echo
  echo "| part | result | took | facts |"
  echo "|---|---|---|---|"
  printf '%s\n' "${rows[@]}"
} >"$results"
cat "$results"
exit $failed

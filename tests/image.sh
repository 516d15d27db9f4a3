#!/usr/bin/env bash
# Every test that boots the image (software emulation, a machine at a time), and what each printed. Results go to tests/IMAGE.md,
# to be committed with what was tested.
#   PATCHKEEP_IMAGE=FOLDER, target/image where it is not set, is the image's.
set -uo pipefail
cd "$(dirname "$0")/.."
results=tests/IMAGE.md
image=$(realpath "${PATCHKEEP_IMAGE:-target/image}")
about=$image/about.json
[ -f "$about" ] || { echo "image: $image has no image; just image builds one" >&2; exit 1; }
log=$image/tests.log

PATCHKEEP_IMAGE=$image cargo nextest run --release --workspace --test image --ignore-default-filter --no-capture --retries 0 \
  --no-fail-fast 2>&1 </dev/null | tee "$log"
failed=${PIPESTATUS[0]}

{
  echo "# The last run of the image's tests"
  echo
  echo "Written by \`just test-image\` on $(date -u +%F), on $(nproc) cores, with the image of commit $(sed 's/.*"commit":"\([^"]*\)".*/\1/' "$about"):"
  echo "its file has $(du --apparent-size --block-size=KiB "$image"/patchkeep-*.efi | cut -f 1). QEMU emulates the processor, so that times are for comparing."
  echo
  echo "| test | result | took | printed |"
  echo "|---|---|---|---|"
  # Between two results lies what the second one printed.
  awk '
    / (PASS|FAIL|TIMEOUT|SIGTERM) \[/ {
      line = $0
      sub(/^ */, "", line)
      result = line; sub(/ .*/, "", result)
      took = line; sub(/^[^[]*\[ */, "", took); sub(/\].*/, "", took)
      name = line; sub(/.* /, "", name); gsub(/_/, " ", name); sub(/::/, ": ", name)
      printf "| %s | %s | %s | %s |\n", name, result == "PASS" ? "passed" : "FAILED", took, facts
      facts = ""
      next
    }
    /Summary \[/ { exit }
    /[0-9] (s|MiB)([^a-z]|$)/ && !/^(off|Patchkeep|Data partition:|Memory:|\[| )/ {
      fact = $0; gsub(/\|/, "", fact); sub(/^test .* \.\.\. /, "", fact)
      facts = facts (facts == "" ? "" : "; ") fact
    }
  ' "$log"
} >"$results"
cat "$results"
exit "$failed"

#!/usr/bin/env bash
# What `patchkeep demo --until-done --dir DIR` must leave behind, judged with stock tools alone:
# tests/after-demo.sh DIR
set -euo pipefail
left=$1
fail() { echo "after the demo: $1" >&2; exit 1; }

[ -n "$(find "$left" -type d -name metadata -print -quit)" ] || fail "no bundle with a metadata folder under $left"
[ -f "$left/audit-bundle.zip" ] || fail "no $left/audit-bundle.zip"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unzip -q "$left/audit-bundle.zip" -d "$work/whole"
script=$(find "$work/whole" -name verify.sh -print -quit)
[ -n "$script" ] || fail "no verify.sh in the audit bundle"
top=$(dirname "$script")
[ "$(wc -l <"$script")" -le 60 ] || fail "verify.sh is longer than 60 lines"

# Nothing of ours on the path, no network, an empty environment: what an assessor's desk has.
verify() { (cd "$1" && env -i PATH=/usr/bin:/bin HOME=/nonexistent unshare --net sh ./verify.sh) >"$work/said" 2>&1; }
verify "$top" || { cat "$work/said" >&2; fail "verify.sh refuses an untouched audit bundle"; }

# One byte in each listed file in turn.
listed=0
while read -r _ name; do
  name=${name#\*}
  file=$top/${name#./}
  [ -s "$file" ] || continue
  listed=$((listed + 1))
  middle=$(($(stat -c %s "$file") / 2))
  old=$(xxd -s "$middle" -l 1 -p "$file")
  printf "\\x$(printf %02x $((0x$old ^ 1)))" | dd of="$file" bs=1 seek="$middle" conv=notrunc status=none
  ! verify "$top" || fail "verify.sh passes although $name has a byte changed"
  printf "\\x$old" | dd of="$file" bs=1 seek="$middle" conv=notrunc status=none
done <"$top/SHA256SUMS"
[ "$listed" -gt 0 ] || fail "SHA256SUMS lists nothing"
verify "$top" || fail "verify.sh no longer passes after every byte was put back"
echo "after the demo: verify.sh passes, and fails for a byte changed in any of $listed files"

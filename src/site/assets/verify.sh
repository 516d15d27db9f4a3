#!/bin/sh
# Checks a Patchkeep audit bundle with what a desk has: ssh-keygen (8.1+) or openssl (3.0+), sha256sum or shasum, awk, base64.
# Run it in the unpacked folder:  sh verify.sh [SHA256:fingerprint]   The fingerprint must reach you apart from this bundle.
# PROCEDURE.html says the same by hand. A copy of this file that you keep yourself is worth more than the one in the bundle.
# shellcheck disable=SC2059,SC2086,SC2013,SC2317
export LC_ALL=C; umask 077; [ -f manifest.json ] || cd "${0%/*}" || exit 2
t=$(mktemp -d) || exit 2; trap 'rm -rf "$t"' EXIT
total=0 held=0 bad='' signed='' sums=sha256sum; command -v sha256sum >"$t/out" || sums='shasum -a 256'
try() { total=$((total+1)); say=$1; shift                            # one check, one line
  if "$@" >"$t/out" 2>&1; then held=$((held+1)); echo "holds          $say"
  else bad="$bad$total "; echo "DOES NOT HOLD  $say"; awk 'NR<6{gsub(/[^ -~]/,"?"); print "               " $0}' "$t/out"; false; fi; }
pick() { awk -v p="$1" '$2~p{print $2}' "$t/list"; }                  # listed files whose plain names fit a pattern
cannot() { echo "not checked    $1"; }
hash() { $sums | awk '{print $1}'; }                                 # SHA-256 of the input, in hexadecimal
bin() { printf "$(echo "$1" | awk '{h="0123456789abcdef"; for(i=1;i<length($0);i+=2)
  printf "\\%03o",16*index(h,substr($0,i,1))+index(h,substr($0,i+1,1))-17}')"; }            # hexadecimal to bytes
walk() { for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do if [ -L "$f" ]; then echo "$f (a link)"
  elif [ -d "$f" ]; then walk "$f"; elif [ -e "$f" ]; then echo "$f"; fi; done; }
unlisted() { walk . | awk 'NR==FNR{ok["./" $2]=1; n++; next} {m++} !($0 in ok){print "not listed: " $0; x=1}
  END{if(m!=n)print n " files listed, " m " found"; exit x||m!=n}' "$t/all" -; }
proven() { # entry and proof lead to the root of the checkpoint (RFC 9162, 2.1.3.2)
  [ "$(awk 'b{print} $0==""{b=1}' "$1")" = "$(cat checkpoint)" ] || return 1
  i=$(awk 'NR==2{print $2}' "$1") n=$(awk 'NR==2' checkpoint); case $i$n in *[!0-9]*) return 1;; esac
  n=$((n-1)) r=$({ printf '\000'; cat "${1%.tlog-proof}.entry"; } | hash)
  for p in $(awk '$0==""{exit} NR>2' "$1"); do
    if [ $((i%2)) = 1 ] || [ "$i" = "$n" ]; then r=$({ printf '\001'; echo "$p" | base64 -d; bin "$r"; } | hash)
      while [ $((i%2)) = 0 ] && [ "$i" != 0 ]; do i=$((i/2)) n=$((n/2)); done
    else r=$({ printf '\001'; bin "$r"; echo "$p" | base64 -d; } | hash); fi; i=$((i/2)) n=$((n/2)); done
  [ "$n" = 0 ] && [ "$(bin "$r" | base64)" = "$(awk 'NR==3' checkpoint)" ]; }
vouched() { gpgv --status-fd 1 $rings "$1" | awk '{print} $2=="VALIDSIG"{g=1} $2=="BADSIG"{b=1} END{exit !g||b}'; }

awk '!/^-/' key.pub.pem | base64 -d | tail -c 32 >"$t/raw"; { printf '\000\000\000\013ssh-ed25519\000\000\000\040'; cat "$t/raw"; } >"$t/blob"
key=SHA256:$(bin "$(hash <"$t/blob")" | base64 | awk '{sub(/=*$/,""); print}')
if [ $# -gt 0 ]; then try "the key is the one that you named: $1" [ "${1#SHA256:}" = "${key#SHA256:}" ]
else cannot "whose key this is: you gave no fingerprint. Compare it with the appliance's screen or paper: $key"; fi
try "both forms of the signature name the same key" [ "$(awk '{print $NF}' allowed_signers)" = "$(base64 <"$t/blob")" ]
if ssh-keygen -Y none 2>&1 | awk '/-Y/{y=1} END{exit !y}'; then try "the key's SSH signature over manifest.json" ssh-keygen -Y verify \
    -f allowed_signers -I audit@patchkeep -n audit-bundle@patchkeep -s manifest.json.sig <manifest.json && signed=yes
else cannot "the SSH signature: this desk has no ssh-keygen 8.1 or newer"; fi
case $(openssl version 2>&1) in "OpenSSL "[3-9]*) ssl=yes; try "the key's Ed25519 signature over manifest.json" openssl pkeyutl -verify \
    -pubin -inkey key.pub.pem -rawin -in manifest.json -sigfile manifest.json.ed25519 && signed=yes;;
  *) ssl=; cannot "the Ed25519 signature: this desk has no openssl 3.0 or newer";; esac
awk -F'"' '$2=="sha256"{print $4 "  " $10}' manifest.json >"$t/list"
{ cat "$t/list"; echo "- manifest.json"; echo "- manifest.json.sig"; echo "- manifest.json.ed25519"; } >"$t/all"
try "every file that the manifest lists has the listed SHA-256" $sums -c "$t/list"
try "SHA256SUMS, which the manifest lists, says the same" $sums -c SHA256SUMS
try "no file is here that the manifest does not list" unlisted
if [ "$ssl" ]; then awk '$0==""{exit} {print}' checkpoint >"$t/body"; awk '$1=="—"{print $3; exit}' checkpoint | base64 -d | tail -c 64 >"$t/sig"
  try "the log's own signature on its checkpoint" openssl pkeyutl -verify -pubin -inkey log.pub.pem -rawin -in "$t/body" -sigfile "$t/sig"
else cannot "the log's own signature on its checkpoint: it needs openssl 3.0 or newer (the manifest covers the checkpoint's bytes)"; fi
for f in $(pick '^proofs/[0-9]+[.]tlog-proof$'); do try "entry $(awk 'NR==2{print $2+0}' "$f") is in the log, by $f" proven "$f"; done
rings=$(for f in $(pick '^vendor/keyrings/[a-zA-Z0-9._-]+[.]gpg$'); do printf ' --keyring ./%s' "$f"; done)
for f in $(pick '^vendor/[a-z0-9-]+/[0-9]+/InRelease$'); do
  if [ "$rings" ] && command -v gpgv >"$t/out"; then try "the vendor's signature on $f" vouched "$f"
  else cannot "$f: this desk has no gpgv, or the bundle no keyring in its format"; fi; done
cannot "acts that were never logged: no log can prove that there were none"; echo "$held of $total checks hold."
if [ "$signed" ] && [ -z "$bad" ] && [ "$held" = "$total" ]; then echo "Everything that this desk could check holds."; exit 0; fi
echo "Do not rely on this bundle: a check did not hold, or no signature could be checked."; exit 1

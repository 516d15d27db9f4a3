#!/usr/bin/env bash
# A folder that a collector mirrors as a source of images: the image, release.json, and its builder's OpenPGP signature.
#   image/release.sh KEY INTO IMAGE.efi [NOTES]
# KEY is a file with an OpenPGP secret key, or the id of one in the builder's own gpg. IMAGE.efi is patchkeep-<version>.efi as
# build.sh leaves it. NOTES is a line for people. INTO is made, or brought up to date: images that it has stay, and only
# the one that is given is offered from then on. key.asc in it is the public half, for the collector and for sites.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: release.sh KEY INTO IMAGE.efi [NOTES]" >&2; exit 2; }
key=$1 into=$2 image=$3 notes=${4:-}

name=${image##*/}
version=${name#patchkeep-}
version=${version%.efi}
[ "$name" = "patchkeep-$version.efi" ] || { echo "release: $name is not patchkeep-<version>.efi" >&2; exit 1; }
grep -aqF "VERSION_ID=$version" "$image" || { echo "release: $name does not say of itself that it is $version" >&2; exit 1; }

home=
trap '[ -z "$home" ] || { gpgconf --homedir "$home" --kill all; rm -rf "$home"; }' EXIT
sign=(gpg --batch --quiet --yes --pinentry-mode loopback)
if [ -f "$key" ]; then
  home=$(mktemp -d)
  sign+=(--homedir "$home" --passphrase "")
  "${sign[@]}" --import "$key" 2>/dev/null
  case $("${sign[@]}" --list-secret-keys 2>/dev/null) in
    *"DEVELOPMENT ONLY"*) echo "release: signed with the DEVELOPMENT key, which everybody has: for tests, and nothing else" >&2 ;;
  esac
  key=$("${sign[@]}" --with-colons --list-secret-keys | awk -F: '$1 == "fpr" { print $10; exit }')
fi
sign+=(--local-user "$key")

mkdir -p "$into"
[ "$image" -ef "$into/$name" ] || cp "$image" "$into/$name"
fresh=$(mktemp "$into/release.XXXXXX")
python3 - "$version" "$into/$name" "$notes" >"$fresh" <<'PYTHON'
import datetime, hashlib, json, os, sys
version, path, notes = sys.argv[1:]
data = open(path, "rb").read()
release = {
    "schema": 1,
    "image": "patchkeep",
    "version": version,
    "released": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "file": os.path.basename(path),
    "bytes": len(data),
    "sha256": hashlib.sha256(data).hexdigest(),
}
if notes:
    release["notes"] = notes
print(json.dumps(release, indent=1))
PYTHON
"${sign[@]}" --armor --detach-sign --output "$fresh.asc" "$fresh"
"${sign[@]}" --armor --export "$key" >"$into/key.asc"
chmod 644 "$fresh" "$fresh.asc"
mv "$fresh.asc" "$into/release.json.asc"
mv "$fresh" "$into/release.json"
echo "$into: image $version"

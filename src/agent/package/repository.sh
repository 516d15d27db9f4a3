#!/usr/bin/env bash
# Repositories of the agent's packages, signed by their builder: what a collector mirrors as any vendor's.
#   repository.sh KEY INTO PACKAGE.deb ... PACKAGE.rpm ...
# INTO is an apt repository of the .deb packages; of the .rpm packages, INTO/rpm is one for dnf. KEY is a file with an OpenPGP secret key, or the id of one in the builder's own gpg. INTO is made, or brought
# up to date: packages that it has stay, so that an older version can still be had. The indexes change place with
# the old ones only when they are whole and signed. Wants gpg, dpkg-scanpackages (dpkg-dev), and rpm and createrepo_c.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: repository.sh KEY INTO PACKAGE.deb ... PACKAGE.rpm ..." >&2; exit 2; }
key=$1 into=$2
shift 2

# Media take weeks, and an agent's releases come months apart: made anew at least twice a year.
valid_days=180
suite=stable
component=main
pool=pool/$component/p/patchkeep-agent
dists=dists/$suite

home=
trap '[ -z "$home" ] || { gpgconf --homedir "$home" --kill all; rm -rf "$home"; }' EXIT
sign=(gpg --batch --quiet --yes --pinentry-mode loopback)
rpmsign=(rpm --define "__gpg $(command -v gpg)")
if [ -f "$key" ]; then
  home=$(mktemp -d)
  sign+=(--homedir "$home" --passphrase "")
  rpmsign+=(--define "_gpg_path $home")
  "${sign[@]}" --import "$key" 2>/dev/null
  case $("${sign[@]}" --list-secret-keys 2>/dev/null) in
    *"DEVELOPMENT ONLY"*) echo "repository: signed with the DEVELOPMENT key, which everybody has: for tests, and nothing else" >&2 ;;
  esac
else
  sign+=(--local-user "$key")
fi

# The packages whose name ends so.
of_kind() { for package in "${packages[@]}"; do case $package in *."$1") echo "$package" ;; esac; done; }
packages=("$@")
mapfile -t debs < <(of_kind deb)
mapfile -t rpms < <(of_kind rpm)

if [ ${#rpms[@]} != 0 ]; then
  name=$("${sign[@]}" --with-colons --list-secret-keys | awk -F: '$1 == "fpr" { print $10; exit }')
  [ -f "$key" ] || name=$key
  mkdir -p "$into/rpm/packages"
  for package in "${rpms[@]}"; do
    cp "$package" "$into/rpm/packages/"
    "${rpmsign[@]}" --define "_gpg_name $name" --addsign "$into/rpm/packages/${package##*/}" >/dev/null
  done
  fresh=$(mktemp -d "$into/rpm/new.XXXXXX")
  createrepo_c --quiet --outputdir "$fresh" "$into/rpm"
  "${sign[@]}" --armor --detach-sign "$fresh/repodata/repomd.xml"
  "${sign[@]}" --armor --export "$name" >"$into/rpm/key.asc"
  rm -rf "$into/rpm/repodata.old"
  [ ! -e "$into/rpm/repodata" ] || mv "$into/rpm/repodata" "$into/rpm/repodata.old"
  mv "$fresh/repodata" "$into/rpm/repodata"
  rm -rf "$into/rpm/repodata.old" "$fresh"
  echo "$into/rpm: $(find "$into/rpm/packages" -name '*.rpm' | wc -l) packages"
fi
[ ${#debs[@]} != 0 ] || exit 0

mkdir -p "$into/$pool" "$into/$dists"
cp "${debs[@]}" "$into/$pool/"
cd "$into"
architectures=$(for deb in "$pool"/*.deb; do dpkg-deb --field "$deb" Architecture; done | sort -u | paste -sd ' ')
fresh=$dists.new
rm -rf "$fresh"
for architecture in $architectures; do
  folder=$fresh/$component/binary-$architecture
  mkdir -p "$folder"
  dpkg-scanpackages --multiversion --arch "$architecture" pool 2>/dev/null >"$folder/Packages"
  gzip --keep --best --no-name "$folder/Packages"
done
{
  echo "Origin: Patchkeep"
  echo "Label: Patchkeep agents"
  echo "Suite: $suite"
  echo "Codename: $suite"
  echo "Date: $(LC_ALL=C date --utc '+%a, %d %b %Y %H:%M:%S UTC')"
  echo "Valid-Until: $(LC_ALL=C date --utc --date "+$valid_days days" '+%a, %d %b %Y %H:%M:%S UTC')"
  echo "Architectures: $architectures"
  echo "Components: $component"
  echo "Description: packages of the Patchkeep agent"
  echo "SHA256:"
  (cd "$fresh" && find "$component" -type f | LC_ALL=C sort | while read -r file; do
    echo " $(sha256sum "$file" | cut -d ' ' -f 1) $(stat -c %s "$file") $file"
  done)
} >"$fresh/Release"
"${sign[@]}" --clearsign --output "$fresh/InRelease" "$fresh/Release"
rm -rf "$dists.old"
mv "$dists" "$dists.old"
mv "$fresh" "$dists"
rm -rf "$dists.old"
echo "$into: $(find pool -name '*.deb' | wc -l) packages for $architectures, valid for $valid_days days"

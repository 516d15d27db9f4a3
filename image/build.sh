#!/usr/bin/env bash
# Builds the firmware: target/image/patchkeep-<version>.efi, one signed unified kernel image whose initramfs is the
# whole root. Beside it: .files, a list of what is inside, and .cdx.json, the same as an SBOM (CycloneDX); .img, a disk
# that boots it; and the parts, for boots without firmware.
#   image/build.sh [KEY CERTIFICATE]    PEM; without them the DEVELOPMENT key that everybody has (keys/README.md)
# PATCHKEEP_IMAGE_PROFILE=release builds with the quicker profile and compresses quickly: into target/image/quick, for tries.
# PATCHKEEP_IMAGE_PROFILE=tests builds nothing: it takes the programs that tests use, with the libraries that they ask for, so that
# `just test` can start an image (on a machine that is no newer than the suite of image/lock).
# Exits with 75 where the mirror does not have what image/lock names.
# Two runs on one commit give the same bytes: times are the commit's, names are sorted, signing has a fixed time.
set -euo pipefail
cd "$(dirname "$0")/.."
key=${1:-keys/DEVELOPMENT-ONLY.secure-boot.key}
certificate=${2:-keys/DEVELOPMENT-ONLY.secure-boot.crt}

profile=${PATCHKEEP_IMAGE_PROFILE:-ship}
into=target/image level=19 programs=target/x86_64-unknown-linux-gnu/$profile
[ "$profile" = ship ] || into=target/image/quick level=3
[ "$profile" != tests ] || programs=target/release

image/fetch.sh
[ "$profile" = tests ] || image/binaries.sh

version=$(cargo metadata --no-deps --format-version 1 --offline | grep -o '"name":"init","version":"[^"]*"' | cut -d '"' -f 8)
commit=$(git rev-parse --short=12 HEAD)
git diff --quiet HEAD -- || commit=$commit-changed
seconds=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH=$seconds

debian=target/image/debian parts=$into/parts
work=$(mktemp -d "$PWD/target/image/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$parts"

unpack() { for name in "$@"; do dpkg -x "$(ls "$debian/$name"_*.deb)" "$work/$name"; done; }
kernel_package=$(awk '/^linux-image-/ { print $1 }' image/lock)
kernel=${kernel_package#linux-image-}
unpack $(awk '/^[a-z]/ { print $1 }' image/lock)

root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,data,media,lib/modules,lib64,etc/patchkeep,usr/share/keyrings}
install -m 755 $programs/init "$root/init"
install -m 755 $programs/patchkeep $programs/patchkeep-reader "$root/bin/"

# What makes, enlarges, opens and checks the data partition, with exactly the libraries that these ask for; those that systemd's tools
# load only where there is a TPM are named.
install -m 755 "$work/e2fsprogs/usr/sbin/mke2fs" "$work/e2fsprogs/usr/sbin/e2fsck" \
  "$work/e2fsprogs/usr/sbin/resize2fs" "$work/fdisk/usr/sbin/sfdisk" \
  "$work/cryptsetup-bin/usr/sbin/cryptsetup" "$work/systemd-cryptsetup/usr/bin/systemd-cryptsetup" \
  "$work/systemd-cryptsetup/usr/bin/systemd-cryptenroll" "$root/bin/"
loaded="libtss2-esys.so.0 libtss2-mu.so.0 libtss2-rc.so.0 libtss2-tcti-device.so.0"
wanted() { readelf --dynamic "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u; }
libraries="$(wanted "$root/init" "$root"/bin/*) $loaded"
while :; do
  for library in $libraries; do
    file=$(find "$work" -name "$library" -path '*x86_64-linux-gnu*' | head -n 1)
    [ -n "$file" ] || [ "$profile" != tests ] || file=$(gcc -print-file-name="$library")
    [ -n "$file" ] || { echo "image: no package of image/lock has $library" >&2; exit 1; }
    install -m 644 "$(readlink -f "$file")" "$root/lib/$library"
  done
  all=$(printf '%s\n' $libraries $(wanted "$root"/lib/*.so*) | sort -u)
  [ "$all" != "$libraries" ] || break
  libraries=$all
done
install -m 755 "$root/lib/ld-linux-x86-64.so.2" "$root/lib64/ld-linux-x86-64.so.2"
rm "$root/lib/ld-linux-x86-64.so.2"

# Modules: those of image/modules and what they need, unpacked (Debian's signature is inside), in one folder.
kmod=$work/$kernel_package/usr
mkdir -p "$work/tree/lib"
ln -s "$kmod/lib/modules" "$work/tree/lib/modules"
depmod -b "$work/tree" "$kernel"
sed -n 's/^\([a-z+].*\)/\1/p' image/modules | while read -r name; do
  modprobe -d "$work/tree" -S "$kernel" --show-depends "${name#+}" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u >"$work/modules"
modules=$work/closure/lib/modules/$kernel
mkdir -p "$modules"
while read -r file; do
  name=$(basename "$file" .xz)
  xz --decompress --stdout "$file" >"$modules/$name"
done <"$work/modules"
cp "$kmod/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$modules/"
depmod -b "$work/closure" "$kernel"
cp "$modules"/*.ko "$modules"/modules.{dep,alias,softdep} "$root/lib/modules/"
sed -n 's/^+//p' image/modules >"$root/lib/modules/load"

cp "$(readlink -f "$work/debian-archive-keyring/usr/share/keyrings/debian-archive-keyring.gpg")" \
  "$root/usr/share/keyrings/debian-archive-keyring.gpg"
printf '127.0.0.1 localhost patchkeep\n::1 localhost\n' >"$root/etc/hosts"
printf '{"version":"%s","commit":"%s","kernel":"%s","built_seconds":%s}\n' "$version" "$commit" "$kernel" "$seconds" \
  >"$root/etc/patchkeep/image.json"

chmod -R u=rwX,go=rX "$root"
find "$root" -exec touch --no-dereference --date "@$seconds" {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --create --format newc --reproducible --owner 0:0) |
  zstd --quiet "-$level" -T1 >"$parts/initramfs"
cp "$work/$kernel_package/boot/vmlinuz-$kernel" "$parts/vmlinuz"
cp image/cmdline "$parts/cmdline"

cp "$root/etc/patchkeep/image.json" "$into/about.json"
echo "$kernel" >"$parts/kernel"
echo "$seconds" >"$parts/seconds"
mkdir -p "$parts/tools"
cp "$work/systemd-ukify/usr/bin/ukify" "$work/systemd-boot-efi/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$parts/tools/"

efi=$into/patchkeep-$version.efi
image/uki.sh "$parts" "$version" "$efi" "$key" "$certificate"

{
  echo "# $efi, commit $commit"
  echo "# from Debian: package, version, architecture, SHA-256 (the boot stub and ukify are outside of the root)"
  grep '^[a-z]' image/lock
  echo "# in our own programs: crate, version, licence"
  cargo tree --offline --locked --package init --package cli --package reader --target x86_64-unknown-linux-gnu \
    --edges normal --prefix none --format '{p} {l}' |
    sed 's| (/[^)]*)||; s| (proc-macro)||; s| ([*])||' | grep . | LC_ALL=C sort -u
  echo "# in the root: SHA-256, file"
  (cd "$root" && find . -type f | LC_ALL=C sort | sed 's|^\./||' | xargs -d '\n' sha256sum)
} >"$efi.files"
/usr/bin/python3 image/sbom.py "$efi" "$version" "$seconds" >"$efi.cdx.json"
image/disk.sh "$efi" "${efi%.efi}.img"
case $key in *DEVELOPMENT-ONLY*) echo "image: signed with the DEVELOPMENT key, which everybody has: for tests, and nothing else" >&2 ;; esac
ls -l "$efi" "$parts/initramfs"

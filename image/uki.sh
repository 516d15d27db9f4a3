#!/usr/bin/env bash
# Makes one signed unified kernel image of a kernel, an initramfs and a command line.
#   image/uki.sh PARTS VERSION OUTPUT KEY CERTIFICATE [OVERLAY]
# PARTS is the folder that build.sh leaves: vmlinuz, initramfs, cmdline, kernel, seconds, and in tools/ what Debian has for it.
# OVERLAY is a second initramfs, unpacked over the first: tests make images of other versions, and bad ones, with it.
# The same parts give the same bytes: sbsign writes the time into its signature, so it is given one.
set -euo pipefail
[ $# -ge 5 ] || { echo "usage: uki.sh PARTS VERSION OUTPUT KEY CERTIFICATE [OVERLAY]" >&2; exit 2; }
parts=$1 version=$2 output=$3 key=$4 certificate=$5
work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The version is read out of this part before an image is tried (src/slots).
printf 'ID=patchkeep\nNAME=Patchkeep\nVERSION_ID=%s\nPRETTY_NAME="Patchkeep %s"\n' "$version" "$version" >"$work/os-release"
# ukify is one file; pefile is its only want.
faketime -f "$(date --utc --date "@$(cat "$parts/seconds")" '+%Y-%m-%d %H:%M:%S')" \
  /usr/bin/python3 "$parts/tools/ukify" build \
  --linux "$parts/vmlinuz" --initrd "$parts/initramfs" ${6:+--initrd "$6"} --cmdline "@$parts/cmdline" \
  --os-release "@$work/os-release" --uname "$(cat "$parts/kernel")" --stub "$parts/tools/linuxx64.efi.stub" \
  --signtool sbsign --secureboot-private-key "$key" --secureboot-certificate "$certificate" \
  --output "$work/image.efi" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work/image.efi" "$output"

#!/usr/bin/env bash
# A disk that boots the firmware: a GUID partition table, an EFI partition with the image where firmware looks for it
# by itself (EFI/BOOT/BOOTX64.EFI), and a data partition of zeros, which the first start makes into a file system.
#   image/disk.sh EFI-FILE DISK
# There is one slot yet. The same image gives the same bytes.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: disk.sh EFI-FILE DISK" >&2; exit 2; }
image=$1 disk=$2
esp_mib=256 data_mib=1024

rm -f "$disk"
truncate --size $((1 + esp_mib + data_mib + 1))M "$disk"
sfdisk --quiet "$disk" <<TABLE
label: gpt
label-id: 7A0C5C4E-5B1F-4E0B-9C55-0C1F0E4B6A01
start=1MiB, size=${esp_mib}MiB, type=uefi, uuid=7A0C5C4E-5B1F-4E0B-9C55-0C1F0E4B6A02, name=patchkeep-esp
start=$((1 + esp_mib))MiB, size=${data_mib}MiB, type=linux, uuid=7A0C5C4E-5B1F-4E0B-9C55-0C1F0E4B6A03, name=patchkeep-data
TABLE
esp=$(mktemp "$disk.esp.XXXXXX")
trap 'rm -f "$esp"' EXIT
truncate --size ${esp_mib}M "$esp"
mkfs.vfat -F 32 -i 50415443 -n PATCHKEEP --invariant "$esp" >/dev/null
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$image")}
export SOURCE_DATE_EPOCH MTOOLS_SKIP_CHECK=1
mmd -i "$esp" ::/EFI ::/EFI/BOOT
mcopy -i "$esp" "$image" ::/EFI/BOOT/BOOTX64.EFI
dd if="$esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
ls -ls "$disk"

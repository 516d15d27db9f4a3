#!/usr/bin/env bash
# A disk that boots the firmware: a GUID partition table, an EFI partition with two slots, and a data partition of zeros,
# which the first start makes into a file system.
#   image/disk.sh EFI-FILE DISK
# Both slots hold the same image at first (EFI/patchkeep/a.efi, b.efi), and so does the file that firmware looks for by
# itself (EFI/BOOT/BOOTX64.EFI): the first start gives firmware an entry for each slot. There is room for a fourth image,
# which is written while three lie there. The same image gives the same bytes.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: disk.sh EFI-FILE DISK" >&2; exit 2; }
image=$1 disk=$2
esp_mib=384 data_mib=1024

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
mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/EFI/patchkeep
for file in BOOT/BOOTX64.EFI patchkeep/a.efi patchkeep/b.efi; do
  mcopy -i "$esp" "$image" "::/EFI/$file"
done
dd if="$esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
ls -ls "$disk"

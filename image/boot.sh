#!/usr/bin/env bash
# Boots the image in QEMU with its screen on this terminal (Ctrl-A X ends it): the kernel directly, without firmware.
#   image/boot.sh [FOLDER]    FOLDER is plugged in as a FAT stick: patchkeep/network.toml on it sets the network (image/README.md)
# The console is at https://127.0.0.1:4443, for nobody but this machine. The disk stays: target/image/boot.qcow2; remove
# it to begin anew. Always software emulation: a KVM that looks usable may hang a stock kernel.
set -euo pipefail
stick=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
images=(target/image/patchkeep-*.img)
[ -f "${images[0]}" ] || { echo "there is no image: just image" >&2; exit 1; }
disk=target/image/boot.qcow2
[ -f $disk ] || qemu-img create -q -f qcow2 -F raw -b "$PWD/${images[0]}" $disk
medium=()
[ -z "$stick" ] || medium=(-blockdev "driver=vvfat,node-name=stick,read-only=on,dir=$stick" -device qemu-xhci,id=xhci
  -device usb-storage,bus=xhci.0,drive=stick)
exec qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 512 -nographic -no-reboot \
  -kernel target/image/parts/vmlinuz -initrd target/image/parts/initramfs \
  -append "$(cat target/image/parts/cmdline) patchkeep.address=10.0.2.15/24 patchkeep.gateway=10.0.2.2" \
  -blockdev "driver=qcow2,node-name=disk,file.driver=file,file.filename=$disk" -device virtio-blk-pci,drive=disk \
  -netdev user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:4443-:443 -device virtio-net-pci,netdev=n0,romfile= \
  -device i6300esb -action watchdog=reset "${medium[@]}"

#!/bin/sh
# A small real guest in the folder $1, made once: Debian's cloud kernel (`vmlinuz`), and an `initrd` with
# busybox, the QEMU guest agent and what both need. The agent never runs on this machine: only in the guest.
set -eu
out=$1
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
[ ! -e "$out/initrd" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
apt-get -q download "$kernel" qemu-guest-agent busybox-static >/dev/null 2>log || { cat log >&2; exit 1; }
for package in ./*.deb; do dpkg-deb -x "$package" all; done

mkdir -p root/bin root/proc root/sys root/dev root/mnt root/tmp root/run root/lib root/lib64 root/modules
cp all/bin/busybox root/bin/busybox
cp all/usr/sbin/qemu-ga root/bin/qemu-ga
ldd all/usr/sbin/qemu-ga | grep -q 'not found' && { ldd all/usr/sbin/qemu-ga >&2; exit 1; }
ldd all/usr/sbin/qemu-ga | awk '/=> \// { print $3 }' | while read -r library; do cp -L "$library" root/lib/; done
cp -L /lib64/ld-linux-x86-64.so.2 root/lib64/
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk virtio_console; do
  find all/lib/modules -name "$module.ko" -exec cp {} root/modules/ \;
done
cat >root/init <<'INIT'
#!/bin/busybox sh
export PATH=/bin LD_LIBRARY_PATH=/lib
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk virtio_console; do
  insmod /modules/$module.ko
done
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /mnt
# Something is always being written.
while :; do date >>/mnt/beats; sync; sleep 0.2; done &
for port in /sys/class/virtio-ports/*; do
  qemu-ga -m virtio-serial -p /dev/$(basename $port) -t /run -l /dev/console &
done
echo guest is up
wait
sleep 100000
INIT
chmod +x root/init
(cd root && find . | ../all/bin/busybox cpio -o -H newc) 2>/dev/null | gzip -1 >initrd
cp all/boot/vmlinuz-* "$out/vmlinuz"
mv initrd "$out/initrd.new"
mv "$out/initrd.new" "$out/initrd"

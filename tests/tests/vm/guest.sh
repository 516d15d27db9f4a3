#!/bin/sh
# What boots a Debian root in QEMU, in the folder $1, made once: Debian's cloud kernel (`vmlinuz`) and an
# `initrd` that brings up the disk and the network and goes on with the root's own `/sbin/init`.
set -eu
out=$1
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
[ ! "$out/initrd" -nt "$0" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
apt-get -q download "$kernel" busybox-static >/dev/null 2>log || { cat log >&2; exit 1; }
for package in ./*.deb; do dpkg-deb -x "$package" all; done

modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover virtio_net"
mkdir -p root/bin root/proc root/sys root/dev root/mnt root/modules
cp all/bin/busybox root/bin/busybox
for module in $modules; do
  find all/lib/modules -name "$module.ko" -exec cp {} root/modules/ \;
done
cat >root/init <<INIT
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $modules; do
  insmod /modules/\$module.ko
done
until [ -b /dev/vda ]; do sleep 0.1; done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
mount -t ext4 /dev/vda /mnt
for kind in proc sys dev; do mount --move /\$kind /mnt/\$kind; done
exec switch_root /mnt /sbin/init
INIT
chmod +x root/init
(cd root && find . | ../all/bin/busybox cpio -o -H newc) 2>/dev/null | gzip -1 >initrd
cp all/boot/vmlinuz-* "$out/vmlinuz"
mv initrd "$out/initrd.new"
mv "$out/initrd.new" "$out/initrd"

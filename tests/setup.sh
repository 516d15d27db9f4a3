#!/usr/bin/env bash
# What the demo and the tests need on a Debian machine with Rust and Node; `just setup` runs it.
# Quick when nothing is missing, safe to run again, and it says what it installs and why.
#   tests/setup.sh          what demo, test and check need
#   tests/setup.sh bench    also the peers that `just bench` measures against
#   tests/setup.sh agent    also what links the agent into one static file
#   tests/setup.sh packages also what makes packages of it
#   tests/setup.sh image    also what the appliance's image is built with
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
# A program, the Debian package that has it, and what we want it for.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  missing+=("$2")
  echo "setup: $1 is missing (package $2): $3"
}

need gcc gcc "to link, and to build the C parts of aws-lc and zstd"
need make make "to build the C parts of dependencies"
need mmdebstrap mmdebstrap "to make a real Debian machine to patch"
need faketime faketime "to see what a machine does 40 and 60 days later"
need gpg gpg "to sign as a vendor of a test's own would"
need dpkg-scanpackages dpkg-dev "to index a repository of the agent's packages"
need dnf dnf "a real dnf to patch from the appliance"
need rpmbuild rpm "to make packages as an RPM vendor would"
need createrepo_c createrepo-c "to index them as an RPM vendor would"
need gpgv gpgv "to check vendors' signatures as any desk can"
need openssl openssl "to check the raw signature of an audit bundle, and certificates"
need ssh-keygen openssh-client "to check the SSH signature of an audit bundle"
need clamd clamav-daemon "a real malware scanner for imports to ask in a test"
need xxd xxd "to read bytes as hex in verify.sh"
need zip zip "to cut and join zip files in tests"
need unzip unzip "to open an audit bundle as any desk can"
need ip iproute2 "for networks with no way out"
need tinyproxy tinyproxy "a real proxy for the collector to go through in a test"
need curl curl "to speak HTTPS to the appliance as a stranger would"
need mkfs.ext4 e2fsprogs "a small file system, for a machine whose disk is full"
need mkfs.btrfs btrfs-progs "a file system with snapshots, for a machine to go back to one"
need unshare util-linux "for namespaces of a test's own"
need node nodejs "to build what the console's pages load"
need npm npm "to fetch what that is built with"
need chromium chromium "a real browser to look at the console's pages"
need qemu-system-x86_64 qemu-system-x86 "real virtual machines to make snapshots of"
need qemu-img qemu-utils "to look into a virtual machine's disks"
need virsh libvirt-clients "to ask libvirt for snapshots"
need libvirtd libvirt-daemon-system "a real libvirt to ask"
compgen -G "/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so" >/dev/null || {
  missing+=(libvirt-daemon-driver-qemu)
  echo "setup: libvirt's QEMU driver is missing (package libvirt-daemon-driver-qemu): a real libvirt to ask"
}
# A qemu-utils of another suite (backports) would be taken away by qemu-system-x86: both from the machine's own.
qemu=
for package in "${missing[@]}"; do
  case $package in qemu-system-x86 | qemu-utils) qemu=1 ;; esac
done
if [ -n "$qemu" ]; then
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  missing+=("qemu-utils${suite:+/$suite}")
fi
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || {
  missing+=(debian-archive-keyring)
  echo "setup: Debian's archive keys are missing (package debian-archive-keyring): they judge Debian's signatures"
}
[ "${1:-}" != agent ] || need musl-gcc musl-tools "to link the agent into one file for any Linux"
if [ "${1:-}" = image ]; then
  need cpio cpio "to make the image's initramfs"
  need depmod kmod "to find which kernel modules need which"
  need zstd zstd "to compress the initramfs"
  need xz xz-utils "to unpack kernel modules"
  need readelf binutils "to see that our programs are static"
  need sbsign sbsigntool "to sign the image for Secure Boot"
  need sfdisk fdisk "to partition the image's disk"
  need mkfs.vfat dosfstools "to make its EFI partition"
  need mcopy mtools "to put the image on it"
  need genisoimage genisoimage "discs to import from"
  need swtpm swtpm "a TPM for the machines that boot it"
  [ -f /usr/share/OVMF/OVMF_CODE_4M.secboot.fd ] || {
    missing+=(ovmf)
    echo "setup: OVMF is missing (package ovmf): firmware with Secure Boot for virtual machines"
  }
  /usr/bin/python3 -c 'import pefile' 2>/dev/null || {
    missing+=(python3-pefile)
    echo "setup: pefile is missing (package python3-pefile): ukify makes the image with it"
  }
fi
if [ "${1:-}" = bench ]; then
  need nginx nginx-light "the web server to be measured against"
  need wrk wrk "to load a server"
  need h2load nghttp2-client "to load a server with HTTP/2"
fi

# python-tuf, the second opinion on our bundles, wants Python 3.10 or newer with venv.
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || {
  missing+=(python3-venv)
  echo "setup: Python 3.10 with venv is missing (package python3-venv): python-tuf and schemathesis run in it"
}

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "setup: please run:  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  { apt-get -q update && apt-get -q install --yes --no-install-recommends --allow-downgrades "${missing[@]}"; } >"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    echo "setup: apt-get could not install ${missing[*]}; the lines above say why" >&2
    exit 1
  }
  rm -f "$log"
fi

# What the console's pages load. Quick when no source of it changed.
tests/web.sh

if ! cargo nextest --version >/dev/null 2>&1; then
  echo "setup: cargo-nextest is missing: it runs the tests, each in a process of its own (some minutes to build)"
  cargo install --locked --quiet cargo-nextest --version 0.9.143 </dev/null
fi

if [ "${1:-}" = packages ]; then
  for made in cargo-deb:3.8.0 cargo-generate-rpm:0.21.1; do
    command -v "${made%:*}" >/dev/null 2>&1 && continue
    echo "setup: ${made%:*} is missing: it makes packages of the agent (some minutes to build)"
    cargo install --locked --quiet "${made%:*}" --version "${made#*:}" </dev/null
  done
fi

if [ "${1:-}" = image ] && [ ! -x target/image/venv/bin/virt-fw-vars ]; then
  echo "setup: virt-firmware into target/image/venv: it writes keys for Secure Boot into a virtual machine's firmware"
  "${python:-/usr/bin/python3}" -m venv target/image/venv
  target/image/venv/bin/pip install --quiet --disable-pip-version-check virt-firmware==26.10 </dev/null
fi

# The marker is the requirements files themselves: a changed pin makes the venv anew.
requirements=$(cat tests/python-tuf/requirements.txt tests/schemathesis/requirements.txt)
if [ "$requirements" != "$(cat target/venv/installed.txt 2>/dev/null)" ]; then
  echo "setup: python-tuf into target/venv, which opens our bundles in a test, and schemathesis, which asks our API"
  rm -rf target/venv
  "${python:-/usr/bin/python3}" -m venv target/venv
  target/venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/python-tuf/requirements.txt \
    --requirement tests/schemathesis/requirements.txt </dev/null
  printf '%s\n' "$requirements" >target/venv/installed.txt
fi

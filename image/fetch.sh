#!/usr/bin/env bash
# Fetches what the image takes from Debian, exactly as image/lock names it, into target/image/debian.
#   image/fetch.sh           what the lock names; anything else fails (exit code 75: the mirror does not have it)
#   image/fetch.sh --renew   writes the lock anew, with the newest that the suite has
# The mirror is the machine's own, as its apt is configured; packages are vouched for by Debian's archive keys,
# and held to the lock's SHA-256 besides. Debian takes old versions off its mirrors, so that a lock may have to be
# renewed: then the firmware is another one, and the change of the lock says which.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=trixie
keys=/usr/share/keyrings/debian-archive-keyring.gpg
into=target/image/debian
# The kernel's package is known by its own name only: linux-image-amd64 depends on it.
packages=(linux-image-amd64 systemd-ukify systemd-boot-efi debian-archive-keyring
  e2fsprogs libext2fs2t64 libcom-err2 libblkid1 libuuid1 libc6
  cryptsetup-bin systemd-cryptsetup libsystemd-shared libcryptsetup12 libssl3t64 libdevmapper1.02.1 libjson-c5 libpopt0
  libselinux1 libpcre2-8-0 libudev1 libcap2 libmount1 libacl1 libcrypt1 libseccomp2 libpam0g libaudit1 libcap-ng0 libzstd1 zlib1g
  fdisk libfdisk1 libsmartcols1 libreadline8t64 libtinfo6
  libtss2-esys-3.0.2-0t64 libtss2-mu-4.0.1-0t64 libtss2-rc0t64 libtss2-sys1t64 libtss2-tcti-device0t64)

# An apt of our own, so that this machine's lists and keys stay as they are. Once a run.
apt=target/image/apt
prepare() {
  [ -z "${APT_CONFIG:-}" ] || return 0
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$2 == own { print $1; exit }')
  [ -n "$mirror" ] || { echo "image: this machine's apt knows no Debian mirror: the image's kernel comes from one" >&2; exit 1; }
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts} "$into"
  echo "deb [arch=amd64 signed-by=$keys] $mirror $suite main" >"$apt/sources.list"
  : >"$apt/status"
  cat >"$apt/conf" <<CONF
Dir::Etc::SourceList "$PWD/$apt/sources.list";
Dir::Etc::SourceParts "$PWD/$apt/parts";
Dir::State::Lists "$PWD/$apt/lists";
Dir::State::Status "$PWD/$apt/status";
Dir::Cache "$PWD/$apt/cache";
APT::Architecture "amd64";
APT::Update::Error-Mode "any";
APT::Sandbox::User "";
Acquire::Languages "none";
CONF
  export APT_CONFIG=$PWD/$apt/conf
  apt-get -q update >"$apt/log" 2>&1 || {
    tail -n 5 "$apt/log" >&2
    echo "image: the mirror does not give $suite" >&2
    exit 75
  }
}

# The file of a package as apt-get download names it: epochs and all.
file_of() { echo "$into/$1_${2//:/%3a}_$3.deb"; }

held() { # package version architecture sha256
  local file
  file=$(file_of "$1" "$2" "$3")
  [ -f "$file" ] && echo "$4  $file" | sha256sum --check --status
}

if [ "${1:-}" = --renew ]; then
  prepare
  kernel=$(apt-cache depends "${packages[0]}" | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
  {
    echo "# What the image takes from Debian's $suite: package, version, architecture, SHA-256."
    echo "# image/fetch.sh holds to it, and writes it anew with --renew."
    for package in "$kernel" "${packages[@]:1}"; do
      apt-cache show --no-all-versions "$package" | awk -v package="$package" '
        $1 == "Version:" { version = $2 } $1 == "Architecture:" { arch = $2 } $1 == "SHA256:" { sum = $2 }
        END { print package, version, arch, sum }'
    done
  } >image/lock
  cat image/lock
fi

missing=()
while read -r package version arch sum; do
  case $package in '' | '#'*) continue ;; esac
  held "$package" "$version" "$arch" "$sum" || missing+=("$package $version $arch $sum")
done <image/lock
[ ${#missing[@]} -gt 0 ] || exit 0

prepare
log=$PWD/$apt/log
for line in "${missing[@]}"; do
  read -r package version arch sum <<<"$line"
  (cd "$into" && apt-get -q download "$package=$version") >"$log" 2>&1 || {
    tail -n 3 "$log" >&2
    echo "image: the mirror no longer has $package $version; image/fetch.sh --renew takes what it has now" >&2
    exit 75
  }
  held "$package" "$version" "$arch" "$sum" || { echo "image: $package $version is not the file that image/lock names" >&2; exit 1; }
done
echo "image: fetched ${#missing[@]} packages, as image/lock names them"

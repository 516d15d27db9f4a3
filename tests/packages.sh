#!/usr/bin/env bash
# The agent's packages on a real Debian machine: installed, upgraded, removed and purged; the unit is sound;
# what the administrator wrote stays. The rpm is installed there by rpm itself, beside Debian's own packages.
# `just packages` makes them first.
set -euo pipefail
cd "$(dirname "$0")/.."
deb=$(ls target/packages/patchkeep-agent_*.deb)
rpm=$(ls target/packages/patchkeep-agent-*.rpm)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

say() { printf '== %s\n' "$1"; }
fail() { printf 'packages: %s\n' "$1" >&2; exit 1; }
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }

say "a Debian machine with systemd"
sources=$(sed -n 's/^URIs: *//p; s/^deb \(\[.*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true)
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --quiet --variant=apt --mode=root --include=systemd,systemd-sysv "$codename" "$root" "${sources%%$'\n'*}"

say "install"
cp "$deb" "$root/tmp/agent.deb"
inside apt-get -qq --yes install /tmp/agent.deb
inside patchkeep-agent --version
inside systemctl is-enabled patchkeep-agent
for folder in /etc/patchkeep/hooks/before.d /etc/patchkeep/hooks/after.d; do
  [ "$(stat -c '%U %a' "$root$folder")" = "root 755" ] || fail "$folder is not root's alone"
done
[ -z "$(inside dpkg --audit)" ] || fail "dpkg is not in order"
inside dpkg --verify patchkeep-agent
cmp "$root/usr/share/keyrings/patchkeep-agent.gpg" keys/patchkeep-agent.gpg

say "the unit is sound"
inside systemd-analyze verify --man=no patchkeep-agent.service
inside systemd-analyze security --offline=true patchkeep-agent.service | tail -n 1

say "what is not enrolled says so"
code=0
said=$(inside patchkeep-agent run --once 2>&1) || code=$?
[ "$code" = 3 ] || fail "exit code $code: $said"
grep -q "not enrolled" <<<"$said" || fail "$said"

say "an upgrade keeps what the administrator wrote"
echo 'kind = "workstation"' >"$root/etc/patchkeep/conduct.toml"
inside apt-get -qq --yes --reinstall install /tmp/agent.deb
grep -q workstation "$root/etc/patchkeep/conduct.toml" || fail "conduct.toml was overwritten"

say "removed, then purged"
inside apt-get -qq --yes remove patchkeep-agent
[ -e "$root/etc/patchkeep/conduct.toml" ] || fail "remove took settings along"
inside apt-get -qq --yes purge patchkeep-agent
[ ! -e "$root/etc/patchkeep" ] || fail "purge left something"

say "the rpm, by rpm itself"
echo "left out: a whole RPM distribution, which cannot be had from Debian's packages. The scriptlets run with"
echo "Debian's shell and systemctl, which a package made here claims; nothing is installed with --nodeps."
folder=$root/tmp/rpm
mkdir -p "$folder"
cat >"$folder/debians.spec" <<SPEC
Name: debians-own
Version: 1
Release: 1
Summary: What Debian has installed
License: none
BuildArch: noarch
Provides: /bin/sh tar util-linux
%description
What Debian has installed.
%files
SPEC
rpmbuild --quiet --define "_topdir $folder" -bb "$folder/debians.spec"
# A rebuild with another release is what an upgrade brings.
cargo generate-rpm --package src/agent --auto-req disabled --set-metadata 'release = "2"' --output "$folder/newer.rpm"
[ -z "$(rpm --query --package --requires "$rpm" | grep -vE '^(/bin/sh|tar|util-linux|rpmlib\(.*|config\(.*)( |$)' || true)" ] ||
  fail "the rpm requires what RPM distributions may not have"
by_rpm() { rpm --root "$root" --dbpath /var/lib/rpm "$@" 2> >(grep -v '^rpm: ' >&2); }
by_rpm --install "$folder"/RPMS/noarch/debians-own-*.rpm
cp "$rpm" "$folder/agent.rpm"
by_rpm --install "$folder/agent.rpm"
inside patchkeep-agent --version
[ "$(inside systemctl is-enabled patchkeep-agent)" = enabled ] || fail "the rpm's unit is not enabled"
by_rpm --verify patchkeep-agent || fail "rpm --verify"
while read -r mode owner path; do
  [ "$(stat -c '%a %U:%G' "$root$path")" = "$mode $owner" ] || fail "$path is not $mode $owner: $(stat -c '%a %U:%G' "$root$path")"
done <<LIST
755 root:root /usr/bin/patchkeep-agent
644 root:root /usr/lib/systemd/system/patchkeep-agent.service
644 root:root /usr/lib/systemd/system-preset/80-patchkeep-agent.preset
644 root:root /etc/patchkeep/conduct.toml
755 root:root /etc/patchkeep/hooks/before.d
755 root:root /etc/patchkeep/hooks/after.d
LIST
[ "$(by_rpm --query --configfiles patchkeep-agent)" = /etc/patchkeep/conduct.toml ] || fail "conduct.toml is no config file"

say "an rpm upgrade keeps what the administrator wrote, and whether the unit is enabled"
echo 'kind = "workstation"' >"$root/etc/patchkeep/conduct.toml"
[ -n "$(by_rpm --verify patchkeep-agent)" ] || fail "rpm --verify does not see that conduct.toml was changed"
inside systemctl --quiet disable patchkeep-agent 2>/dev/null
by_rpm --upgrade "$folder/newer.rpm"
[ "$(by_rpm --query --qf '%{RELEASE}' patchkeep-agent)" = 2 ] || fail "it is not upgraded"
grep -q workstation "$root/etc/patchkeep/conduct.toml" || fail "conduct.toml was overwritten"
[ "$(inside systemctl is-enabled patchkeep-agent)" = disabled ] || fail "an upgrade enabled what was disabled"

say "the rpm is removed"
inside systemctl --quiet enable patchkeep-agent 2>/dev/null
by_rpm --erase patchkeep-agent
[ ! -e "$root/usr/bin/patchkeep-agent" ] || fail "the program stayed"
[ -z "$(find "$root/etc/systemd/system" -name 'patchkeep-agent*')" ] || fail "the unit stayed enabled"
grep -q workstation "$root/etc/patchkeep/conduct.toml.rpmsave" || fail "removal took settings along"
[ ! -e "$root/etc/patchkeep/hooks" ] || fail "removal left empty folders"

say "a site's own preset counts"
rm -rf "$root/etc/patchkeep"
mkdir -p "$root/etc/systemd/system-preset"
echo "disable patchkeep-agent.service" >"$root/etc/systemd/system-preset/10-site.preset"
by_rpm --install "$folder/agent.rpm"
[ "$(inside systemctl is-enabled patchkeep-agent)" = disabled ] || fail "the site's preset was passed over"
by_rpm --erase patchkeep-agent
[ ! -e "$root/etc/patchkeep" ] || fail "removal left something of a machine where nobody wrote anything"
say "all of it holds"

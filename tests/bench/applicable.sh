#!/usr/bin/env bash
# What applies to one inventory, against `apt list --upgradable` with a warm cache on the same lists:
# tests/bench/applicable.sh EXAMPLE. Everything of apt is in a folder of its own but its sources, which
# are this machine's; every third package of this machine counts as an older one.
set -euo pipefail
example=$(realpath "$1")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{etc/{apt.conf,preferences,trusted.gpg}.d,state/lists/partial,cache/archives/partial,log}
cp -r /etc/apt/sources.list* "$root/etc/"
awk '/^Version: / && ++n % 3 == 0 { $0 = $0 "~" } { print }' /var/lib/dpkg/status >"$root/status"
cat >"$root/apt.conf" <<END
Dir "$root/"; Dir::State "$root/state/"; Dir::State::status "$root/status"; Dir::Cache "$root/cache/";
Dir::Etc "$root/etc/"; Dir::Log "$root/log/"; Acquire::Languages "none"; APT::Sandbox::User "root";
APT::Architectures:: "$(dpkg --print-architecture)";
END
export APT_CONFIG=$root/apt.conf LC_ALL=C
apt-get -qq update
apt list --upgradable >/dev/null 2>&1
apt-get indextargets --format '$(FILENAME) $(SITE) $(COMPONENT) $(ARCHITECTURE)' 'Created-By: Packages' |
  "$example" "$root/status"

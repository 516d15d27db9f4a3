#!/usr/bin/env bash
# The agent's packages on a real Debian machine: installed, upgraded, removed and purged; the unit is sound;
# what the administrator wrote stays. `just packages` makes them first.
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

say "the rpm holds the same program"
python3 - "$rpm" <<'PYTHON'
import sys
lead = open(sys.argv[1], "rb").read(4)
sys.exit(0 if lead == bytes.fromhex("edabeedb") else "it is no rpm")
PYTHON
say "all of it holds"

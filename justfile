# Everything that is done with Patchkeep from a clone. `just` lists it.

[private]
default:
    @just --list --unsorted

# All of it on real updates: collect, bundle, import, serve, patch a real Debian root, prove
demo *ARGS: setup build
    target/release/patchkeep demo {{ARGS}}

# Every test that fits in half an hour: units, attacks, kills, real apt in a real Debian root, a start of the image
test *ARGS: (setup-for "image") build
    #!/usr/bin/env bash
    set -euo pipefail
    PATCHKEEP_IMAGE_PROFILE=tests image/build.sh || [ $? = 75 ] # then the tests that boot it say that they are skipped
    [ ! -f target/image/quick/about.json ] || export PATCHKEEP_IMAGE=$PWD/target/image/quick
    cargo nextest run --release --workspace {{ARGS}}

# Before a commit: format, clippy, the tidy test and the unit tests
check: setup
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    # Sites that unit tests open look for their reader. One build of the whole: a crate alone would have other features.
    cargo build --release --workspace --bins
    # Pages in a real browser take two minutes: `just test` has them.
    cargo nextest run --release --workspace --lib --bins --test tidy -E 'not test(browser)'

# Figures, as ratios in one run against nginx and plain copying; they never fail by the clock
bench *ARGS: build
    tests/setup.sh bench
    tests/bench/run.sh {{ARGS}}

# The agent as one static file for any Linux on this kind of processor: target/agent/patchkeep-agent
agent:
    tests/setup.sh agent
    rustup target add {{arch()}}-unknown-linux-musl
    CC_{{arch()}}_unknown_linux_musl=musl-gcc cargo build --profile ship --target {{arch()}}-unknown-linux-musl --package agent
    install -D target/{{arch()}}-unknown-linux-musl/ship/patchkeep-agent target/agent/patchkeep-agent
    ! ldd target/agent/patchkeep-agent 2>/dev/null | grep '=>'
    ls -l target/agent/patchkeep-agent

# The agent as packages, from the static one: target/packages/*.deb and *.rpm (minutes on two cores)
packages: agent
    tests/setup.sh packages
    rm -rf target/packages
    mkdir -p target/packages
    cargo deb --quiet --package agent --no-build --no-strip --deb-revision "" --output target/packages/
    cargo generate-rpm --package src/agent --auto-req disabled --output target/packages/
    ls -l target/packages

# The packages as repositories for apt and dnf, signed with KEY: a file, or the id of one in your own gpg (keys/README.md)
agents-repository KEY DIR="target/agents-repository": setup
    src/agent/package/repository.sh "{{KEY}}" "{{DIR}}" target/packages/*.deb target/packages/*.rpm

# KEY and CERTIFICATE are the builder's own for Secure Boot (PEM); without them, the key that everybody has (keys/README.md).
# The appliance's firmware, one signed file: target/image/patchkeep-<version>.efi; and .img, a disk that boots it
image KEY="" CERTIFICATE="": (setup-for "image")
    image/build.sh {{KEY}} {{CERTIFICATE}}

# KEY is a file with an OpenPGP secret key or the id of one in gpg; keys/README.md has one that everybody has, for development.
# The image that `just image` built as a source for a collector: release.json, signed, and the image beside it
image-release KEY NOTES="" DIR="target/image-release":
    image/release.sh "{{KEY}}" "{{DIR}}" target/image/patchkeep-*.efi "{{NOTES}}"

# The appliance in QEMU, without firmware, on a disk of its own that stays: target/image/boot.qcow2
boot *ARGS: (setup-for "image")
    image/boot.sh {{ARGS}}

# Boots the image and looks at what it does, and writes tests/IMAGE.md (half an hour: software emulation always)
test-image: image build
    tests/image.sh

# What takes longer than `just test`: many more kills, licences, each fuzz target; writes tests/SOAK.md
soak: setup build
    tests/soak.sh

# What the console's pages load, into web/dist
web:
    tests/web.sh

# A picture of each page of the console, and of each page on the way of the whole job: target/screens/*.png
screens: setup build
    mkdir -p target/screens
    SCREENS={{justfile_directory()}}/target/screens cargo nextest run --release --workspace -E '(package(console) and test(browser)) or test(the_whole_job_is_done_with_a_mouse)'

# Fuzz one parser for some seconds; without a target, list the targets
fuzz TARGET="" SECONDS="60":
    tests/fuzz/run.sh "{{TARGET}}" "{{SECONDS}}"

# Install what is missing: system packages, the test runner, python-tuf
setup:
    @tests/setup.sh

# A simulated site from a seed: hundreds of endpoints, weeks, crashes, failing disks; without a seed, a new one
sim SEED="": setup
    cargo build --release --workspace --bins
    PATCHKEEP_SIM_SEED={{ if SEED == "" { "$(date +%s)" } else { SEED } }} cargo test --release --workspace --test sim -- --nocapture worlds_of_other_seeds_hold

# What CI runs on a fresh clone
ci:
    bash .ci/run

[private]
setup-for WHAT:
    tests/setup.sh {{WHAT}}

[private]
build: web
    cargo build --release --workspace --bins

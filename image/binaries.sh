#!/usr/bin/env bash
# Builds the image's own programs: target/x86_64-unknown-linux-gnu/ship/{init,patchkeep,patchkeep-reader}. With
# PATCHKEEP_IMAGE_PROFILE=release they are those that tests use, so that nothing is built twice. All programs are static
# (.cargo/config.toml).
set -euo pipefail
cd "$(dirname "$0")/.."
tests/web.sh
target=x86_64-unknown-linux-gnu
profile=${PATCHKEEP_IMAGE_PROFILE:-ship}
if [ "$profile" = ship ]; then
  # Where sources lie does not get into what ships.
  export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="\
--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/patchkeep"
  cargo build --locked --profile ship --target $target --package init --package cli --package reader --bins
else
  cargo build --locked --profile "$profile" --target $target --workspace --bins
fi
for program in init patchkeep patchkeep-reader; do
  # A program that needs others' libraries would not start in the image.
  if readelf --program-headers "target/$target/$profile/$program" | grep -q INTERP; then
    echo "image: $program is not static" >&2
    exit 1
  fi
done

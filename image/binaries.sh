#!/usr/bin/env bash
# Builds the image's own programs as static files: target/x86_64-unknown-linux-gnu/ship/{init,patchkeep,patchkeep-reader}.
# PATCHKEEP_IMAGE_PROFILE=release builds with the quicker profile instead, for tries: the image is larger, the same checks hold.
# A target of its own, named explicitly, so that build scripts and macros are not linked statically as well.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/web.sh
target=x86_64-unknown-linux-gnu
profile=${PATCHKEEP_IMAGE_PROFILE:-ship}
# Where sources lie does not get into the programs.
flags="-C target-feature=+crt-static --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/patchkeep"
CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$flags \
  cargo build --locked --profile "$profile" --target $target --package init --package cli --package reader --bins
for program in init patchkeep patchkeep-reader; do
  # A program that needs others' libraries would not start in the image.
  if readelf --program-headers "target/$target/$profile/$program" | grep -q INTERP; then
    echo "image: $program is not static" >&2
    exit 1
  fi
done

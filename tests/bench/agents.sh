#!/bin/sh
# Agents: check-ins a second, each with a full TLS 1.3 handshake and certificates on both sides, beside an nginx
# that checks the same certificates and sends a file of the same length; then what 10,000 endpoints weigh.
# Prints JSON lines; nothing is asserted. The client shares the processors with whom it asks: the processor's time
# of each server beside the rates is theirs alone.
#
#   tests/bench/agents.sh <agents program> [rounds] [seconds]
set -eu
program=$(realpath "$1")
# The confined reader stands beside the other programs, not beside this one.
PATCHKEEP_READER=$(dirname "$program")/../patchkeep-reader
export PATCHKEEP_READER
"$program" rate "${2:-5}" "${3:-5}"
# Both with the same key exchange: an older OpenSSL has no ML-KEM.
"$program" rate "${2:-5}" "${3:-5}" --x25519
# A hundred thousand small files: in memory where there is some, for their weight on a disk is not asked here.
[ -d /dev/shm ] && export TMPDIR=/dev/shm
"$program" memory "${BENCH_ENDPOINTS:-10000}"
"$program" run "${BENCH_ENDPOINTS:-10000}"

#!/usr/bin/env bash
# Builds web/dist, which the console carries, where its sources changed since; `just web` runs it.
set -euo pipefail
cd "$(dirname "$0")/../web"

sources=$(cat package-lock.json .npmrc build.mjs tsconfig.json images/* scripts/* styles/* templates/* | sha256sum)
[ "$sources" != "$(cat dist/.sources 2>/dev/null)" ] || exit 0

# npm writes a lock file of what it installed; another one means another set.
lock=$(sha256sum <package-lock.json)
if [ "$lock" != "$(cat node_modules/.installed 2>/dev/null)" ]; then
  log=$(mktemp)
  npm ci --ignore-scripts --no-audit --no-fund >"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    echo "web: npm could not install what the console is built with; the lines above say why" >&2
    exit 1
  }
  rm -f "$log"
  echo "$lock" >node_modules/.installed
fi
node_modules/.bin/tsc -p .
node build.mjs
echo "$sources" >dist/.sources
echo "web: built what the console's pages load"

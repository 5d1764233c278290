#!/usr/bin/env bash
# Opens the chat in Chromium: two users chat, join rooms, attack, lose their connections. Then Microsoft's own client,
# unchanged, connects from another origin. Needs node, npm, cargo and chromium (CHROMIUM names another program).
#
# Screenshots are written to target/chat; with --accept they replace those of the README.
set -euo pipefail
cd "$(dirname "$0")"
export CHROMIUM=${CHROMIUM:-$(command -v chromium)}
npm ci --no-audit --no-fund --loglevel=error
npm ls --depth=0
cd ../../../..
export SCREENSHOTS=$PWD/target/chat
mkdir -p "$SCREENSHOTS"
.ci/at_least 1 cargo test --locked --package chat --test browser -- --ignored --nocapture
if [ "${1-}" = --accept ]; then
    cp "$SCREENSHOTS"/{light,dark,phone}.png examples/chat/docs/
fi

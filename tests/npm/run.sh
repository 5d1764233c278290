#!/usr/bin/env bash
# Checks the SignalR side of the crate with Microsoft's own client: fetches @microsoft/signalr and its
# MessagePack protocol from npm, lets them write invocations, answers these with the crate, and lets them
# read the answers. Needs node, npm and cargo.
set -euo pipefail
cd "$(dirname "$0")"
npm install --no-audit --no-fund --loglevel=error
npm ls --depth=0
cd ../..
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --locked --test it -- npm:: --ignored --nocapture "$@" | tee "$log"
# To cargo, a filter that fits no test is a success.
grep -q 'test result: ok. [1-9]' "$log" || { echo "no test has run" >&2; exit 1; }

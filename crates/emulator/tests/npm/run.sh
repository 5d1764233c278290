#!/usr/bin/env bash
# Runs Microsoft's own client, unchanged, against the emulator: fetches @microsoft/signalr and its MessagePack protocol
# from npm and lets them negotiate, connect, invoke, receive, reconnect. Needs node, npm and cargo.
set -euo pipefail
cd "$(dirname "$0")"
npm install --no-audit --no-fund --loglevel=error
npm ls --depth=0
cd ../..
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --locked --test foreign_clients -- --ignored --nocapture microsofts_client | tee "$log"
# To cargo, a filter that fits no test is a success.
grep -q 'test result: ok. [1-9]' "$log" || { echo "no test has run" >&2; exit 1; }

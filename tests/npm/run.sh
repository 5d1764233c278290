#!/bin/sh
# Judges the SignalR side of the crate with Microsoft's own client: fetches @microsoft/signalr and its
# MessagePack protocol from npm, lets them write invocations, answers these with the crate, and lets them
# read the answers. Needs node, npm and cargo.
set -eu
cd "$(dirname "$0")"
npm install --no-audit --no-fund --loglevel=error
npm ls --depth=0
cd ../..
exec cargo test --locked --test npm -- --ignored --nocapture "$@"

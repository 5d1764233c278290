#!/usr/bin/env bash
# Fetches PyJWT and jose into target/ and has both verify client tokens.
set -euo pipefail
cd "$(dirname "$0")/../../../.."

folder=$PWD/target/differential
if [ ! -x "$folder/venv/bin/python3" ]; then
    mkdir -p "$folder"
    python3 -m venv "$folder/venv"
fi
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pyjwt[crypto]==2.15.1"
npm install --silent --no-fund --no-audit --no-save --prefix "$folder" jose@6

DIFFERENTIAL_PYTHON3=$folder/venv/bin/python3 DIFFERENTIAL_MODULES=$folder \
    .ci/at_least 1 cargo test --locked -p signalr-serverless --test differential -- --ignored --nocapture

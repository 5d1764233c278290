//! See `crates/serverless/src/fuzzing/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalr_serverless::fuzzing::settings(data));

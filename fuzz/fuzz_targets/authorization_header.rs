//! See `src/fuzzing/replay/steps/authorization_header.rs`.

#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::steps::authorization_header::run(data));

//! See `src/fuzzing/replay/steps/compact_token.rs`.

#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::steps::compact_token::run(data));

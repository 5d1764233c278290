//! See `src/fuzzing/replay/steps/claims.rs`.

#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::steps::claims::run(data));

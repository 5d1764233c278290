//! See `src/fuzzing/replay/steps/discovery_document.rs`.

#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::steps::discovery_document::run(data));

//! What every fuzz target asserts, as plain functions of bytes: the targets in `fuzz/` call them with what the
//! fuzzer makes up, `tests/fuzz_corpus.rs` with its seeds and what it found worth keeping.

#![allow(dead_code, unreachable_pub, reason = "shared by targets, each of which needs a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    reason = "a broken assumption should stop the run"
)]

pub mod claims_text;
pub mod key_document;
pub mod plain_json;
pub mod reference;
pub mod service;
#[cfg(fuzzing)]
pub mod steps;
pub mod upstream;

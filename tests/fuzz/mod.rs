//! The assertions of every fuzz target as functions of bytes. The targets in `fuzz/` call them with generated input,
//! `tests/properties/replay.rs` with the seeds.

#![allow(dead_code, unreachable_pub, reason = "shared by targets, each of which needs a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    reason = "a broken assumption should stop the run"
)]

#[path = "../../src/fuzzing/replay/claims_text.rs"]
pub mod claims_text;
pub mod key_document;
#[path = "../../src/fuzzing/replay/plain_json.rs"]
pub mod plain_json;
#[path = "../../src/fuzzing/replay/reference.rs"]
pub mod reference;
pub mod service;
#[cfg(fuzzing)]
#[path = "../../src/fuzzing/replay/steps/mod.rs"]
pub mod steps;
pub mod upstream;

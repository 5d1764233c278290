//! The assertions of every fuzz target as functions of bytes. The targets in `fuzz/` call them with generated input,
//! `tests/properties/replay.rs` with the seeds.

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

//! What every fuzz target asserts, as plain functions of bytes: the targets in `fuzz/` call them with what the
//! fuzzer makes up, `tests/fuzz_corpus.rs` with its seeds and what it found worth keeping.

#![allow(dead_code, unreachable_pub, reason = "shared by targets, each of which needs a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    reason = "a broken assumption should stop the run"
)]

pub mod authorization_header;
pub mod claims;
pub mod compact_token;
pub mod discovery_document;
pub mod jose_header;
pub mod key_document;
pub mod plain_json;
pub mod referee;
pub mod service;
pub mod upstream;

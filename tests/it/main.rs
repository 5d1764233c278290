//! Every test that may share a process with others, one module for each part of the crate.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod calls;
mod capacity;
mod differential;
mod entra_tokens;
mod events;
mod explain;
mod explanations;
mod guide;
mod log;
mod meter;
mod middleware;
mod npm;
mod other_frameworks;
mod rejections;
mod samples;
mod serving;
mod setup_guide;
mod token_cache;
mod unverified_fields;
mod upstream;

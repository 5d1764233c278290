//! The mock as its users see it: over connections, and through its public API.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod clients;
mod connection;
mod demo;
mod faults;
mod keys;
mod setup;
mod wire;

//! The library against a service that decides by its own code.

#![allow(clippy::disallowed_methods, reason = "tests may block")]
#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

mod access_keys;
mod clock;
#[cfg(feature = "metrics")]
mod counting;
mod credential;
mod endpoints;
mod faults;
mod harness;
#[cfg(feature = "axum")]
mod negotiate_handler;
mod negotiation;
mod operations;
mod secrets;
mod service;
mod wire;

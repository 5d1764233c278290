//! The SignalR side from outside: what Microsoft's own receiver and its tests expect, the rules where
//! this crate differs, and the edges nobody tests.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod completions;
mod dispatcher;
mod headers;
mod properties;
mod service;
mod signature;
mod support;

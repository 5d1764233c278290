//! The module `upstream` from outside: the cases of Microsoft's Azure Functions trigger and its tests, the rules where
//! this crate differs, and further edge cases.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod clients;
mod completions;
mod dispatcher;
mod headers;
mod log;
mod properties;
mod service;
mod signature;
mod support;

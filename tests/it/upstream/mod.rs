//! The SignalR side from outside: what Microsoft's own receiver and its tests expect, the rules where
//! this crate differs, and the edges nobody tests.

mod bodies;
mod completions;
mod dispatcher;
mod headers;
mod properties;
mod service;
mod signature;
mod support;

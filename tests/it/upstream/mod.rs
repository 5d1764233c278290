//! The SignalR side from outside: what Microsoft's own receiver and its tests expect, and the rules where this crate
//! differs.

mod bodies;
mod completions;
mod dispatcher;
mod headers;
mod properties;
mod service;
mod signature;
mod support;

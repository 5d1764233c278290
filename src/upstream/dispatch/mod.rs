//! Handlers as axum extractors, and the dispatcher that calls them.

pub(crate) mod dispatcher;
pub(crate) mod extract;
pub(crate) mod handler;

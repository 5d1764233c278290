//! The dispatcher and its handlers, whose parameters are axum extractors.

pub(crate) mod dispatcher;
pub(crate) mod extract;
pub(crate) mod handler;
mod routes;

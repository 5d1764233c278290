//! The tower layer, its service, and the responses to rejected requests.

mod authorization;
pub(crate) mod future;
pub(crate) mod layer;
pub(crate) mod response;
pub(crate) mod service;

//! A call of the service: its headers and the bodies of connection events.

pub(crate) mod client_query;
pub(crate) mod connection;
pub(crate) mod context;
pub(crate) mod headers;
pub(crate) mod signature;
pub(crate) mod user_claims;

//! The targets of this crate's `tracing` events and spans. They are fixed, so that filters go on working
//! when files move. What is logged under each is listed in the guide, page `events`.

/// What becomes of requests.
pub(crate) const REQUESTS: &str = "signalr_upstream_auth::requests";

/// What becomes of the keys.
#[cfg(feature = "remote")]
pub(crate) const KEYS: &str = "signalr_upstream_auth::keys";

//! The targets of this crate's `tracing` events and spans. They are fixed, so that filters go on working
//! when files move. What is logged under each is listed in the guide, page `events`.

/// Mistakes of the developer that only a request brings to light.
#[cfg(feature = "axum")]
pub(crate) const AXUM: &str = "signalr_upstream_auth::axum";

/// What becomes of the keys.
#[cfg(feature = "remote")]
pub(crate) const KEYS: &str = "signalr_upstream_auth::keys";

/// What becomes of requests.
pub(crate) const REQUESTS: &str = "signalr_upstream_auth::requests";

/// What is odd about the configuration.
#[cfg(feature = "remote")]
pub(crate) const SETTINGS: &str = "signalr_upstream_auth::settings";

/// What becomes of calls after the check.
#[cfg(feature = "upstream")]
pub(crate) const UPSTREAM: &str = "signalr_upstream_auth::upstream";

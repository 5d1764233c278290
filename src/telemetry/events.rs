//! The targets of this crate's `tracing` events and spans. They are fixed, so that filters keep working when files
//! move. The guide's page `events` lists what each target logs.

/// Mistakes in your program that only a request reveals.
#[cfg(feature = "axum")]
pub(crate) const AXUM: &str = "signalr_upstream_auth::axum";

/// Fetches and changes of keys.
#[cfg(feature = "remote")]
pub(crate) const KEYS: &str = "signalr_upstream_auth::keys";

/// Requests.
pub(crate) const REQUESTS: &str = "signalr_upstream_auth::requests";

/// Suspicious configuration.
#[cfg(feature = "remote")]
pub(crate) const SETTINGS: &str = "signalr_upstream_auth::settings";

/// Calls after the check.
#[cfg(feature = "upstream")]
pub(crate) const UPSTREAM: &str = "signalr_upstream_auth::upstream";

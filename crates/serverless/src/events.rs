//! The targets of this crate's `tracing` events. They are fixed, so that filters go on working when files move.

/// Calls to the service, and their repetition.
pub(crate) const CALLS: &str = "signalr_serverless::calls";

/// Health of several endpoints, and where clients are sent.
pub(crate) const ENDPOINTS: &str = "signalr_serverless::endpoints";

/// Entra tokens and temporary access keys.
pub(crate) const RENEWAL: &str = "signalr_serverless::renewal";

/// Settings that are ignored.
pub(crate) const SETTINGS: &str = "signalr_serverless::settings";

/// Which credential the default chain uses.
#[cfg(feature = "identity")]
pub(crate) const CREDENTIAL: &str = "signalr_serverless::credential";

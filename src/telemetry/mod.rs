//! What is logged and counted.

pub(crate) mod escape;
pub(crate) mod events;
#[cfg(feature = "metrics")]
pub mod meter;
#[cfg(not(feature = "metrics"))]
pub(crate) mod meter;
pub(crate) mod rejection_log;
pub(crate) mod throttle;
pub(crate) mod unverified;

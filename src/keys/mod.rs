//! Verification keys: how a document of them is read, where they come from and how they are kept current.

pub(crate) mod fixed;
pub(crate) mod jwks;
pub(crate) mod source;

#[cfg(feature = "remote")]
mod demand;
#[cfg(feature = "remote")]
pub(crate) mod discovery;
#[cfg(feature = "remote")]
mod endpoint;
#[cfg(feature = "remote")]
mod held;
#[cfg(feature = "remote")]
mod moment;
#[cfg(feature = "remote")]
pub(crate) mod remote;
#[cfg(feature = "remote")]
mod schedule;
#[cfg(feature = "remote")]
pub(crate) mod status;
#[cfg(feature = "remote")]
mod store;
#[cfg(feature = "remote")]
mod sync;
#[cfg(feature = "remote")]
pub(crate) mod timing;

#[cfg(test)]
#[cfg(feature = "remote")]
mod model;
#[cfg(test)]
#[cfg(feature = "remote")]
mod sample;
#[cfg(test)]
#[cfg(feature = "remote")]
mod scenarios;

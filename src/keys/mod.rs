//! Verification keys: what one is, how a document of them is read, and where they come from.

pub(crate) mod fixed;
pub(crate) mod jwks;
pub(crate) mod key;
pub(crate) mod source;
#[cfg(feature = "remote")]
pub(crate) mod timing;

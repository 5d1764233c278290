//! Verification keys: how a key document is parsed and where keys come from.

pub(crate) mod fixed;
pub(crate) mod jwks;
#[cfg(feature = "remote")]
pub(crate) mod remote;
pub(crate) mod source;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod vectors;

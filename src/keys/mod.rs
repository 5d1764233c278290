//! Verification keys: key sets, and the sources that find a key for a token.
//!
//! [`RemoteKeys`] fetches the keys of Entra, [`FixedKeys`] holds a key set that never changes. Implement
//! [`KeySource`] for keys from elsewhere.

pub(crate) mod fixed;
pub(crate) mod jwk;
pub(crate) mod jwks;
#[cfg(feature = "remote")]
pub(crate) mod remote;
pub(crate) mod source;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod vectors;

pub use fixed::FixedKeys;
pub use jwks::KeySet;
#[cfg(feature = "remote")]
pub use remote::status::{KeyState, KeyStatus};
#[cfg(feature = "remote")]
pub use remote::{RemoteKeys, RemoteKeysBuilder};
/// The HTTP client of [`RemoteKeysBuilder::configure_client`].
#[cfg(feature = "remote")]
#[doc(no_inline)]
pub use reqwest;
pub use source::{KeyFuture, KeySource, Lookup};

pub use crate::error::{KeyError, KeyErrorKind};
pub use crate::ids::KeyId;
pub use crate::signature::key::VerificationKey;

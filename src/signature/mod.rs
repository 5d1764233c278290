//! Public keys and the verification of signatures: the only room that calls the cryptography.

pub(crate) mod key;
pub(crate) mod rs256;

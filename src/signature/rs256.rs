//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), the one algorithm of Entra's tokens.
//!
//! The only file that calls jsonwebtoken, and only through the aws-lc provider's own table: its
//! `decode` and `verify` go through a process-wide default that panics when another crate of the
//! build has switched on a second provider.

use std::fmt;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::telemetry::events;

/// An RSA public key that verifies RS256 and nothing else.
pub(crate) struct Rs256Key(DecodingKey);

impl Rs256Key {
    /// A key from modulus and exponent, big-endian. The key set has checked both.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Self {
        Self(DecodingKey::from_rsa_raw_components(modulus, exponent))
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        tracing::trace!(target: events::REQUESTS, "verifying a signature");
        (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::RS256, &self.0)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

impl fmt::Debug for Rs256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rs256Key")
    }
}

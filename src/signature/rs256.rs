//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), the one algorithm of Entra's tokens.
//!
//! The only file that calls jsonwebtoken, and only through the aws-lc provider's own table: its
//! `decode` and `verify` go through a process-wide default that panics when another crate of the
//! build has switched on a second provider.

use std::fmt;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};

/// An RSA public key that verifies RS256 and nothing else.
pub(crate) struct Rs256Key(DecodingKey);

impl Rs256Key {
    /// A key from modulus and exponent, big-endian. Whether they are acceptable is not judged here.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Self {
        Self(DecodingKey::from_rsa_raw_components(modulus, exponent))
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        #[cfg(feature = "test-util")]
        count::one_more();
        (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::RS256, &self.0)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

impl fmt::Debug for Rs256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rs256Key")
    }
}

/// How many signatures a thread has checked, for tests that bound the work a stranger can cause.
#[cfg(feature = "test-util")]
pub(crate) mod count {
    use std::cell::Cell;

    thread_local! {
        static CHECKED: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn one_more() {
        CHECKED.set(CHECKED.get() + 1);
    }

    pub(crate) fn so_far() -> u64 {
        CHECKED.get()
    }
}

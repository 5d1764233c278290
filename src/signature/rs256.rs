//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), the one algorithm of Entra's tokens.
//!
//! The only file that calls jsonwebtoken and, for tokens, aws-lc. The key is a [`JwtVerifier`] of its own: jsonwebtoken's
//! verifier builds the RSA key from modulus and exponent for each signature. Its `decode` and `verify` take no verifier,
//! and go through a process-wide default that panics when another crate of the build has switched on a second provider.

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::signature::{Error, Verifier};

use crate::telemetry::events;

/// An RSA public key that verifies RS256 and nothing else, parsed once for all tokens.
pub(crate) struct Rs256Key(ParsedPublicKey);

impl Rs256Key {
    /// The sizes of a modulus, and so of a signature: 2048, 3072 or 4096 bits.
    pub(crate) const MODULUS_BYTES: [usize; 3] = [256, 384, 512];

    /// A key from modulus and exponent, big-endian and without leading zeros. `None` if they form no key.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok().map(Self)
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        tracing::trace!(target: events::REQUESTS, "verifying a signature");
        self.verify(message, signature).is_ok()
    }
}

impl Verifier<Vec<u8>> for Rs256Key {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        self.0.verify_sig(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Rs256Key {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

impl fmt::Debug for Rs256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rs256Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_rs256_and_print_no_modulus() {
        let modulus = [&[0x80][..], &[1; 255]].concat();
        let key = Rs256Key::new(&modulus, &[1, 0, 1]).unwrap();
        assert_eq!((key.algorithm(), format!("{key:?}").as_str()), (Algorithm::RS256, "Rs256Key"));
    }
}

//! The self-signed certificate that Entra publishes beside each key (RFC 5280 section 4.1).
//!
//! Only its bytes matter: their SHA-1 is the key id, and validators of other languages read the key from it.

use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, error::Unspecified};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Error, PKCS_RSA_SHA256, PublicKeyData, SerialNumber,
    SignatureAlgorithm, SigningKey, date_time_ymd,
};

/// A certificate for the pair in DER, with a random serial number: two for the same pair have different thumbprints.
pub(crate) fn self_signed(pair: &KeyPair) -> Result<Vec<u8>, Error> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(unspecified)?;
    // Neither the sign nor a leading zero, so that every certificate is of the same length.
    serial[0] = serial[0] & 0x3f | 0x40;

    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, SUBJECT);
    // No test ever meets an expired certificate.
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
    Ok(params.self_signed(&Signer(pair))?.der().to_vec())
}

/// The SHA-1 of a certificate: Entra's `x5t` (RFC 7517 section 4.8) and `kid`.
pub(crate) fn thumbprint(certificate: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate)
}

/// The pair as rcgen wants it.
struct Signer<'a>(&'a KeyPair);

impl PublicKeyData for Signer<'_> {
    /// `RSAPublicKey` (RFC 8017 appendix A.1.1).
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), message, &mut signature).map_err(unspecified)?;
        Ok(signature)
    }
}

fn unspecified(_: Unspecified) -> Error {
    Error::RemoteKeyError
}

/// The common name in the certificates of Entra's keys for work and school accounts.
const SUBJECT: &str = "accounts.accesscontrol.windows.net";

//! A self-signed certificate as Entra publishes beside each key, in DER (RFC 5280 section 4.1).
//!
//! Only its bytes matter here: their SHA-1 names the key, and validators of other stacks read the key from it.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, rand};

/// A certificate for the pair with a fresh serial number, so that two for the same pair have different thumbprints.
pub(super) fn self_signed(pair: &KeyPair) -> Result<Vec<u8>, Unspecified> {
    let to_be_signed = to_be_signed(pair)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), &to_be_signed, &mut signature)?;
    Ok(sequence(&[&to_be_signed, &sha256_with_rsa(), &bit_string(&signature)]))
}

/// The SHA-1 of a certificate, which Entra uses as `x5t` (RFC 7517 section 4.8) and as `kid`.
pub(super) fn thumbprint(certificate: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate)
}

fn to_be_signed(pair: &KeyPair) -> Result<Vec<u8>, Unspecified> {
    let mut serial = [0; 8];
    rand::fill(&mut serial)?;
    // The first bit is the sign, and a number does not begin with a zero byte.
    serial[0] = serial[0] & 0x3f | 0x40;

    let public_key: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    let version_3 = der(0xa0, &der(INTEGER, &[2]));
    let validity = sequence(&[&der(UTC_TIME, NOT_BEFORE), &der(UTC_TIME, NOT_AFTER)]);
    let serial = der(INTEGER, &serial);
    Ok(sequence(&[&version_3, &serial, &sha256_with_rsa(), &name(), &validity, &name(), public_key.as_ref()]))
}

/// The distinguished name that consists of the common name alone.
fn name() -> Vec<u8> {
    let common_name = sequence(&[&der(OBJECT_IDENTIFIER, ID_AT_COMMON_NAME), &der(PRINTABLE_STRING, SUBJECT)]);
    sequence(&[&der(SET, &common_name)])
}

fn sha256_with_rsa() -> Vec<u8> {
    sequence(&[&der(OBJECT_IDENTIFIER, SHA256_WITH_RSA_ENCRYPTION), &der(NULL, &[])])
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    let no_unused_bits: &[u8] = &[0];
    der(BIT_STRING, &[no_unused_bits, bytes].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(SEQUENCE, &parts.concat())
}

/// One value: tag, length, content (X.690 section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = match length.iter().position(|digit| *digit != 0) {
        Some(first) => &length[first..],
        None => &[0],
    };
    let mut value = vec![tag];
    if content.len() >= 0x80 {
        // Never more than the eight bytes of a length, so the number fits beside the flag.
        value.push(0x80 | u8::try_from(digits.len()).unwrap_or(u8::MAX));
    }
    value.extend_from_slice(digits);
    value.extend_from_slice(content);
    value
}

const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const PRINTABLE_STRING: u8 = 0x13;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;

/// 2.5.4.3
const ID_AT_COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 1.2.840.113549.1.1.11
const SHA256_WITH_RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];

/// The common name in the certificates of Entra's keys for work and school accounts.
const SUBJECT: &[u8] = b"accounts.accesscontrol.windows.net";
/// The longest time that this form of date can tell, so that no test ever meets an expired certificate.
const NOT_BEFORE: &[u8] = b"200101000000Z";
const NOT_AFTER: &[u8] = b"491231235959Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(der(NULL, &[]), [5, 0]);
        assert_eq!(der(SEQUENCE, &[7; 127])[..2], [0x30, 127]);
        assert_eq!(der(SEQUENCE, &[7; 128])[..3], [0x30, 0x81, 128]);
        assert_eq!(der(SEQUENCE, &[7; 256])[..4], [0x30, 0x82, 1, 0]);
    }
}

//! The keys that sign tokens.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{self, KeyPair as _, RsaSignatureEncoding};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::certificate;
use signalr_upstream_auth::keys::KeyId;

/// An RSA key of 2048 bits with a key id and a certificate as Entra's have. Cheap to clone.
///
/// The certificate is self-signed. The key id is its SHA-1 in base64url, 27 characters long.
#[derive(Clone)]
pub struct SigningKey {
    id: KeyId,
    pair: Arc<KeyPair>,
    thumbprint: Arc<str>,
    certificate: Arc<str>,
}

impl SigningKey {
    /// A new key pair.
    ///
    /// This takes about a tenth of a second, with or without optimizations. Most tests need none: the keys of a
    /// [`MockEntra`](crate::MockEntra) come from a small pool of the process, and [`stranger`](Self::stranger) is a key
    /// that nobody published.
    #[must_use]
    pub fn generate() -> Self {
        Self::of(Arc::new(generate()))
    }

    /// A key that no [`MockEntra`](crate::MockEntra) publishes or signs with unless you tell it to.
    ///
    /// All strangers of a process share one key pair; each has an id of its own.
    #[must_use]
    pub fn stranger() -> Self {
        static PAIR: OnceLock<Arc<KeyPair>> = OnceLock::new();
        Self::of(Arc::clone(PAIR.get_or_init(|| Arc::new(generate()))))
    }

    /// A key from the pool of the process. The same number gives the same key pair, with a new id each time.
    pub(crate) fn pooled(number: usize) -> Self {
        static POOL: Mutex<Vec<Arc<KeyPair>>> = Mutex::new(Vec::new());
        let number = number % POOL_SIZE;
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        while pool.len() <= number {
            pool.push(Arc::new(generate()));
        }
        Self::of(Arc::clone(&pool[number]))
    }

    /// The same key with another id. Its certificate and thumbprint stay the same.
    #[must_use]
    pub fn with_key_id(self, id: impl Into<KeyId>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// The key id, `kid`.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// The SHA-1 of the certificate in base64url, `x5t` (RFC 7517 section 4.8).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The certificate in base64, the only entry of `x5c` (RFC 7517 section 4.7).
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The modulus: 256 bytes, the most significant first.
    #[must_use]
    pub fn modulus(&self) -> Vec<u8> {
        self.components().n
    }

    /// The public exponent, 65537: the bytes 1, 0, 1.
    #[must_use]
    pub fn exponent(&self) -> Vec<u8> {
        self.components().e
    }

    /// The signature over a message by an algorithm of RFC 7518 section 3.1.
    ///
    /// - `RS256`, `RS384`, `RS512`, `PS256`, `PS384` and `PS512` sign with the private key.
    /// - `HS256`, `HS384` and `HS512` use the *public* key (`SubjectPublicKeyInfo`, DER) as the secret. This is the
    ///   algorithm confusion attack on a verifier that lets the token choose.
    /// - `none` gives no bytes.
    /// - Any other name gives an `RS256` signature.
    #[must_use]
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match algorithm {
            "none" => Vec::new(),
            "HS256" => self.sign_with_public_key(hmac::HMAC_SHA256, message),
            "HS384" => self.sign_with_public_key(hmac::HMAC_SHA384, message),
            "HS512" => self.sign_with_public_key(hmac::HMAC_SHA512, message),
            "PS256" => self.sign_rsa(&signature::RSA_PSS_SHA256, message),
            "PS384" => self.sign_rsa(&signature::RSA_PSS_SHA384, message),
            "PS512" => self.sign_rsa(&signature::RSA_PSS_SHA512, message),
            "RS384" => self.sign_rsa(&signature::RSA_PKCS1_SHA384, message),
            "RS512" => self.sign_rsa(&signature::RSA_PKCS1_SHA512, message),
            _ => self.sign_rsa(&signature::RSA_PKCS1_SHA256, message),
        }
    }

    #[expect(clippy::expect_used, reason = "it fails only if the buffer is not as long as the modulus, which it is")]
    fn sign_rsa(&self, encoding: &'static RsaSignatureEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &rand::SystemRandom::new(), message, &mut signature)
            .expect("a generated RSA key signs");
        signature
    }

    #[expect(clippy::expect_used, reason = "the same library generated the key")]
    fn sign_with_public_key(&self, algorithm: hmac::Algorithm, message: &[u8]) -> Vec<u8> {
        let public: PublicKeyX509Der<'_> = self.pair.public_key().as_der().expect("a generated key has a DER form");
        hmac::sign(&hmac::Key::new(algorithm, public.as_ref()), message).as_ref().to_vec()
    }

    fn components(&self) -> PublicKeyComponents<Vec<u8>> {
        PublicKeyComponents::from(self.pair.public_key())
    }

    #[expect(clippy::expect_used, reason = "the same library generated the pair, and the names are constants")]
    fn of(pair: Arc<KeyPair>) -> Self {
        let certificate = certificate::self_signed(&pair).expect("a generated RSA key signs its certificate");
        let thumbprint: Arc<str> = URL_SAFE_NO_PAD.encode(certificate::thumbprint(&certificate)).into();
        Self { id: KeyId::new(&thumbprint), pair, thumbprint, certificate: STANDARD.encode(certificate).into() }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.id).finish_non_exhaustive()
    }
}

#[expect(
    clippy::expect_used,
    reason = "it fails only where the system has no random numbers, and then no test can run"
)]
fn generate() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).expect("the system gives random numbers")
}

/// The number of key pairs that the mocks of a process share. A mock that rotates more often gets its first pair again.
const POOL_SIZE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_is_thumbprint_of_certificate() {
        let key = SigningKey::stranger();
        let certificate = STANDARD.decode(key.certificate()).unwrap();
        assert_eq!(key.key_id().as_str(), URL_SAFE_NO_PAD.encode(certificate::thumbprint(&certificate)));
        assert_eq!(key.key_id().as_str(), key.thumbprint());
        assert_eq!(key.thumbprint().len(), 27);
    }

    #[test]
    fn certificate_contains_public_key_and_verifies_with_it() {
        let key = SigningKey::stranger();
        let certificate = STANDARD.decode(key.certificate()).unwrap();
        let public: PublicKeyX509Der<'_> = key.pair.public_key().as_der().unwrap();
        assert!(certificate.windows(public.as_ref().len()).any(|window| window == public.as_ref()));

        // A sequence with two length bytes; its first part, another such sequence, is what is signed.
        let signed_length = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
        let signed = &certificate[4..8 + signed_length];
        let signature = &certificate[certificate.len() - 256..];
        signature::RsaPublicKeyComponents { n: key.modulus(), e: key.exponent() }
            .verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, signature)
            .unwrap();
    }

    #[test]
    fn keys_have_2048_bits_and_exponent_65537() {
        let key = SigningKey::stranger();
        assert_eq!(key.modulus().len(), 256);
        assert!(key.modulus()[0] >= 0x80);
        assert_eq!(key.exponent(), [1, 0, 1]);
    }

    #[test]
    fn pooled_keys_share_pairs_but_not_ids() {
        let (first, again, other) = (SigningKey::pooled(0), SigningKey::pooled(0), SigningKey::pooled(1));
        assert_eq!(first.modulus(), again.modulus());
        assert_ne!(first.key_id(), again.key_id());
        assert_ne!(first.modulus(), other.modulus());
        assert_eq!(SigningKey::pooled(POOL_SIZE).modulus(), first.modulus());
    }

    #[test]
    fn strangers_are_not_in_pool() {
        let stranger = SigningKey::stranger();
        assert_eq!(stranger.modulus(), SigningKey::stranger().modulus());
        assert!((0..POOL_SIZE).all(|number| SigningKey::pooled(number).modulus() != stranger.modulus()));
    }

    #[test]
    fn key_with_another_id_is_same_key() {
        let key = SigningKey::stranger();
        let renamed = key.clone().with_key_id("other");
        assert_eq!(renamed.key_id().as_str(), "other");
        assert_eq!(renamed.modulus(), key.modulus());
    }

    #[test]
    fn hmac_signatures_use_public_key_as_secret() {
        let key = SigningKey::stranger();
        let public: PublicKeyX509Der<'_> = key.pair.public_key().as_der().unwrap();
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_ref()), b"message");
        assert_eq!(key.sign("HS256", b"message"), expected.as_ref());
        assert!(key.sign("none", b"message").is_empty());
    }
}

//! Key documents for tests: any name makes a key of its own, sound in form but without a private half.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::jwks::KeySet;
use crate::ids::KeyId;

/// The set that a document with keys of these names makes.
pub(crate) fn set(names: &[impl AsRef<str>]) -> KeySet {
    read(&document(&names.iter().map(|name| key(name.as_ref())).collect::<Vec<_>>()))
}

/// What a good document is read as.
pub(crate) fn read(document: &str) -> KeySet {
    KeySet::from_json(document.as_bytes()).unwrap()
}

/// A document with these entries.
pub(crate) fn document(entries: &[String]) -> String {
    format!("{{\"keys\":[{}]}}", entries.join(","))
}

/// The key of this name.
pub(crate) fn key(name: &str) -> String {
    another_key(name, 0)
}

/// Another key under the same name, a different one for each number.
pub(crate) fn another_key(name: &str, number: u64) -> String {
    let n = URL_SAFE_NO_PAD.encode(modulus(name, number));
    format!(r#"{{"kty":"RSA","use":"sig","kid":"{name}","n":"{n}","e":"AQAB"}}"#)
}

/// An entry of this name that is a key, but not one that verifies RS256.
pub(crate) fn unusable(name: &str) -> String {
    format!(r#"{{"kty":"EC","use":"sig","kid":"{name}","crv":"P-256","x":"AA","y":"AA"}}"#)
}

/// The key of this name with its private half.
pub(crate) fn published(name: &str) -> String {
    key(name).replacen('{', r#"{"d":"AQ","#, 1)
}

/// An entry of this name that cannot be read as a key.
pub(crate) fn malformed(name: &str) -> String {
    format!(r#"{{"kty":"RSA","use":"sig","kid":"{name}","n":7,"e":"AQAB"}}"#)
}

pub(crate) fn id(name: &str) -> KeyId {
    KeyId::new(name)
}

fn modulus(name: &str, number: u64) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    (name, number).hash(&mut hasher);
    let mut modulus = hasher.finish().to_be_bytes().repeat(32);
    modulus[0] |= 0x80;
    modulus[255] |= 1;
    modulus
}

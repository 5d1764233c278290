//! Entries of a key document.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::authority::Authority;
use crate::members::{Edit, Members, json};
use crate::signing::SigningKey;
use signalr_upstream_auth::TokenVersion;
use signalr_upstream_auth::keys::KeyId;

/// One entry of a key document (RFC 7517 section 4), as Entra writes it until you change it.
///
/// The members are in Entra's order: `kty`, `use`, `kid`, `x5t`, `n`, `e`, `x5c`. v2 documents add
/// `cloud_instance_name` and `issuer` of the [`MockEntra`](crate::MockEntra) that publishes the entry.
///
/// ```
/// use mock_entra::{Jwk, SigningKey};
///
/// // A key for encryption, and one that belongs to personal accounts.
/// let wrong_use = Jwk::from(SigningKey::stranger()).member("use", "enc");
/// let personal = Jwk::from(SigningKey::stranger())
///     .member("issuer", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0");
/// ```
#[derive(Clone, Debug)]
#[must_use = "an entry has no effect until you publish it"]
pub struct Jwk {
    source: Source,
    edits: Vec<Edit>,
}

#[derive(Clone, Debug)]
enum Source {
    Key(SigningKey),
    Raw(String),
}

impl Jwk {
    /// An entry that is this value as JSON, without any member added. It need not be an object.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn raw(value: impl Serialize) -> Self {
        Self { source: Source::Raw(json(&value)), edits: Vec::new() }
    }

    /// Gives a member another value, or adds it at the end. Has no effect on a [raw](Self::raw) entry.
    ///
    /// `cloud_instance_name` and `issuer` are in v2 documents only.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn member(mut self, name: &str, value: impl Serialize) -> Self {
        self.edits.push(Edit::set(name, value));
        self
    }

    /// Leaves a member out. Has no effect on a [raw](Self::raw) entry.
    pub fn without_member(mut self, name: &str) -> Self {
        self.edits.push(Edit::remove(name));
        self
    }

    /// The `kid` of the entry, if it is a string.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        let entry: serde_json::Value = serde_json::from_str(&self.shared_members()).ok()?;
        Some(KeyId::new(entry.get("kid")?.as_str()?))
    }

    /// The JSON text of the entry in a document of a version.
    pub(crate) fn text(&self, authority: &Authority, version: TokenVersion) -> String {
        let key = match &self.source {
            Source::Key(key) => key,
            Source::Raw(text) => return text.clone(),
        };
        match version {
            TokenVersion::V1 => self.shared_members(),
            TokenVersion::V2 => members(key)
                .with_some("cloud_instance_name", authority.cloud_instance_name.as_deref())
                .with("issuer", authority.issuer_template(TokenVersion::V2))
                .edited(&self.edits)
                .to_string(),
        }
    }

    /// The JSON text of the entry without the members that only v2 documents have.
    fn shared_members(&self) -> String {
        match &self.source {
            Source::Key(key) => {
                let edits = self.edits.iter().filter(|edit| !ONLY_IN_V2.contains(&edit.name()));
                members(key).edited(edits).to_string()
            }
            Source::Raw(text) => text.clone(),
        }
    }
}

impl From<SigningKey> for Jwk {
    fn from(key: SigningKey) -> Self {
        Self { source: Source::Key(key), edits: Vec::new() }
    }
}

impl From<&SigningKey> for Jwk {
    fn from(key: &SigningKey) -> Self {
        key.clone().into()
    }
}

fn members(key: &SigningKey) -> Members {
    Members::default()
        .with("kty", "RSA")
        .with("use", "sig")
        .with("kid", key.key_id().as_str())
        .with("x5t", key.thumbprint())
        .with("n", URL_SAFE_NO_PAD.encode(key.modulus()))
        .with("e", URL_SAFE_NO_PAD.encode(key.exponent()))
        .with("x5c", [key.certificate()])
}

const ONLY_IN_V2: [&str; 2] = ["cloud_instance_name", "issuer"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edited_entry_keeps_entras_order() {
        let key = SigningKey::stranger();
        let entry =
            Jwk::from(&key).member("use", "enc").member("issuer", "https://elsewhere.test").member("alg", "RS256");
        let text = entry.without_member("x5c").text(&Authority::public(), TokenVersion::V2);
        let n = URL_SAFE_NO_PAD.encode(key.modulus());
        let kid = key.key_id();
        assert_eq!(
            text,
            format!(r#"{{"kty":"RSA","use":"enc","kid":"{kid}","x5t":"{kid}","n":"{n}","e":"AQAB","#)
                + r#""cloud_instance_name":"microsoftonline.com","issuer":"https://elsewhere.test","alg":"RS256"}"#
        );
    }

    #[test]
    fn v1_entry_has_neither_issuer_nor_label_even_if_set() {
        let entry = Jwk::from(SigningKey::stranger()).member("issuer", "x").member("cloud_instance_name", "y");
        let text = entry.text(&Authority::public(), TokenVersion::V1);
        assert!(!text.contains("issuer") && !text.contains("cloud_instance_name"), "{text}");
    }

    #[test]
    fn key_id_follows_members() {
        let key = SigningKey::stranger();
        assert_eq!(Jwk::from(&key).key_id().as_ref(), Some(key.key_id()));
        assert_eq!(Jwk::from(&key).member("kid", "other").key_id(), Some("other".into()));
        assert_eq!(Jwk::from(&key).without_member("kid").key_id(), None);
        assert_eq!(Jwk::from(&key).member("kid", 1).key_id(), None);
        assert_eq!(Jwk::raw(serde_json::json!({"kid": "raw"})).key_id(), Some("raw".into()));
        assert_eq!(Jwk::raw("no object").key_id(), None);
    }
}

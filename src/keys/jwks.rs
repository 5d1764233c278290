//! A key document (JWK Set, RFC 7517 section 5) as Entra publishes it. Every entry is read by itself, so that an odd
//! one spoils nothing but itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::KeyError;
use crate::ids::KeyId;
use crate::json::{self, Known, Members, Text, read_into};
use crate::signature::key::{Parts, VerificationKey};
use crate::signature::rs256::Rs256Key;

/// The keys of one document by `kid`, usable or not.
///
/// An entry is usable when `kty` is `RSA`, the modulus has exactly 2048, 3072 or 4096 bits, `e` is
/// 65537, `use` is absent or `sig`, `key_ops` is absent or has `verify`, and `alg` is absent or `RS256`
/// (RFC 7517 section 4, RFC 7518 sections 3.3 and 6.3). Of other entries only the `kid` is kept: a token that names
/// one is rejected without a fetch. Two usable entries of one `kid` that differ in modulus, issuer or cloud make that
/// `kid` unusable.
#[derive(Clone, Debug)]
pub struct KeySet {
    entries: HashMap<KeyId, KeyEntry>,
    unusable: usize,
}

/// What a document lists under one `kid`.
#[derive(Clone, Debug)]
pub(crate) enum KeyEntry {
    Usable(VerificationKey),
    Unusable(Unusable),
}

/// Why an entry is unusable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unusable {
    /// It cannot be read as a key.
    Malformed,
    /// It is a key, but not one that verifies RS256.
    NotForRs256,
    /// The `kid` names two different keys.
    Ambiguous,
}

impl KeySet {
    /// Reads a key document: a JSON object whose member `keys` is an array.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Malformed`](crate::keys::KeyErrorKind::Malformed) when the text is not such an object,
    /// or when it has no usable key.
    pub fn from_json(document: &[u8]) -> Result<Self, KeyError> {
        Self::from_document(document, None)
    }

    /// The same for a document whose address comes from a discovery document of the cloud named.
    pub(crate) fn from_document(document: &[u8], cloud: Option<&str>) -> Result<Self, KeyError> {
        let document: Document<'_> = json::object(document)
            .map_err(|_| KeyError::malformed("the key document is not a JSON object with an array `keys`"))?;
        let entries = document.keys.ok_or_else(|| KeyError::malformed("the key document has no member `keys`"))?;
        let mut unusable = entries.nameless;
        let mut read: HashMap<KeyId, Listed> = HashMap::new();
        for (id, jwk) in entries.named {
            let entry = jwk.as_ref().ok_or(Unusable::Malformed).and_then(|jwk| jwk.classify(&id, cloud));
            unusable += usize::from(entry.is_err());
            let public_key = jwk.and_then(|jwk| jwk.public_key());
            let new = Listed { public_key, entry: entry.map_or_else(KeyEntry::Unusable, KeyEntry::Usable) };
            let merged = match read.remove(&id) {
                Some(earlier) => new.beside(earlier),
                None => new,
            };
            read.insert(id, merged);
        }
        let entries = read.into_iter().map(|(id, listed)| (id, listed.entry)).collect();
        let set = Self { entries, unusable };
        if set.usable().next().is_none() {
            return Err(KeyError::malformed("the key document has no usable key"));
        }
        Ok(set)
    }

    /// The usable key of this `kid`.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&VerificationKey> {
        match self.entries.get(id) {
            Some(KeyEntry::Usable(key)) => Some(key),
            Some(KeyEntry::Unusable(_)) | None => None,
        }
    }

    /// The usable keys, in no order.
    pub fn usable(&self) -> impl Iterator<Item = &VerificationKey> {
        self.entries.values().filter_map(|entry| match entry {
            KeyEntry::Usable(key) => Some(key),
            KeyEntry::Unusable(_) => None,
        })
    }

    /// How many entries of the document are unusable.
    #[must_use]
    pub fn unusable_count(&self) -> usize {
        self.unusable
    }

    pub(crate) fn entry(&self, id: &KeyId) -> Option<&KeyEntry> {
        self.entries.get(id)
    }

    #[cfg(feature = "remote")]
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (KeyId, KeyEntry)> {
        self.entries.into_iter()
    }
}

/// An entry with what tells one key from another, as far as it can be read.
struct Listed {
    public_key: Option<Vec<u8>>,
    entry: KeyEntry,
}

impl Listed {
    /// Two entries of one `kid`. The same key may be listed for two uses, and a malformed entry takes nothing away. But
    /// with two keys of one `kid`, or one key for two issuers, it is open which is meant. Their order does not matter.
    fn beside(self, earlier: Self) -> Self {
        let entry = match (&self.public_key, &earlier.public_key) {
            (Some(later), Some(earlier)) if later != earlier => KeyEntry::Unusable(Unusable::Ambiguous),
            _ => match (earlier.entry, self.entry) {
                (KeyEntry::Unusable(Unusable::Ambiguous), _) => KeyEntry::Unusable(Unusable::Ambiguous),
                (KeyEntry::Unusable(_), later) => later,
                (KeyEntry::Usable(earlier), KeyEntry::Usable(later)) if earlier != later => {
                    KeyEntry::Unusable(Unusable::Ambiguous)
                }
                (usable, _) => usable,
            },
        };
        Self { public_key: earlier.public_key.or(self.public_key), entry }
    }
}

/// The document's one member that matters.
#[derive(Debug, Default)]
struct Document<'de> {
    keys: Option<Entries<'de>>,
}

impl<'de> Members<'de> for Document<'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        if name == "keys" { read_into(&mut self.keys, map) } else { Ok(Known::No) }
    }
}

/// What the array lists. Of an entry without a `kid` nothing is kept: no token can name it, and half a million of them
/// fit into a document.
#[derive(Debug, Default)]
struct Entries<'de> {
    /// `None` stands for an entry of which only the `kid` can be read.
    named: Vec<(KeyId, Option<Jwk<'de>>)>,
    nameless: usize,
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of keys")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Entries::default();
                while let Some(entry) = seq.next_element()? {
                    match named(entry) {
                        Some(named) => entries.named.push(named),
                        None => entries.nameless += 1,
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(EntriesVisitor)
    }
}

/// Reads an entry that has a `kid`.
fn named(entry: &RawValue) -> Option<(KeyId, Option<Jwk<'_>>)> {
    // A derived struct would take an array for its members in their order.
    if !entry.get().starts_with('{') {
        return None;
    }
    let jwk: Option<Jwk<'_>> = serde_json::from_str(entry.get()).ok();
    let kid = match &jwk {
        Some(jwk) => jwk.kid,
        None => serde_json::from_str::<Named<'_>>(entry.get()).ok()?.kid,
    };
    let kid = text(kid?).ok()?;
    KeyId::fits(&kid).then(|| (KeyId::new(&kid), jwk))
}

/// The members of an entry that matter (RFC 7517 section 4, RFC 7518 section 6.3.1), each as it is written: a member of
/// the wrong type must not hide the others. It is an error if one of them comes twice.
#[derive(Debug, Deserialize)]
struct Jwk<'d> {
    #[serde(borrow, default, deserialize_with = "present")]
    kty: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    kid: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present", rename = "use")]
    usage: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    key_ops: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    alg: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    n: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    e: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    issuer: Option<&'d RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    cloud_instance_name: Option<&'d RawValue>,
}

/// The `kid` of an entry that is malformed otherwise.
#[derive(Deserialize)]
struct Named<'d> {
    #[serde(borrow, default, deserialize_with = "present")]
    kid: Option<&'d RawValue>,
}

/// A member that is there. `null` is a value like any other: only what is not there is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn text(member: &RawValue) -> Result<Cow<'_, str>, Unusable> {
    serde_json::from_str(member.get()).map(|Text(text)| text).map_err(|_| Unusable::Malformed)
}

fn required(member: Option<&RawValue>) -> Result<Cow<'_, str>, Unusable> {
    text(member.ok_or(Unusable::Malformed)?)
}

fn optional(member: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, Unusable> {
    member.map(text).transpose()
}

impl Jwk<'_> {
    /// The modulus; for a key of another kind its kind, which no modulus equals.
    fn public_key(&self) -> Option<Vec<u8>> {
        let kind = required(self.kty).ok()?;
        if kind != "RSA" {
            return Some(kind.into_owned().into());
        }
        URL_SAFE_NO_PAD.decode(&*required(self.n).ok()?).ok()
    }

    fn classify(&self, id: &KeyId, cloud: Option<&str>) -> Result<VerificationKey, Unusable> {
        if required(self.kty)? != "RSA" {
            return Err(Unusable::NotForRs256);
        }
        let modulus = URL_SAFE_NO_PAD.decode(&*required(self.n)?).map_err(|_| Unusable::Malformed)?;
        let exponent = URL_SAFE_NO_PAD.decode(&*required(self.e)?).map_err(|_| Unusable::Malformed)?;
        let issuer = optional(self.issuer)?;
        let cloud_instance_name = optional(self.cloud_instance_name)?;
        let is_for_signatures = optional(self.usage)?.is_none_or(|usage| usage == "sig")
            && optional(self.alg)?.is_none_or(|alg| alg == "RS256")
            && self.may_verify()?;
        if !is_for_signatures || !is_acceptable_modulus(&modulus) || exponent != EXPONENT {
            return Err(Unusable::NotForRs256);
        }
        Ok(VerificationKey::new(Parts {
            rs256: Rs256Key::new(&modulus, &exponent),
            id: id.clone(),
            modulus,
            issuer: issuer.as_deref().and_then(non_blank),
            cloud_instance_name: cloud_instance_name.as_deref().and_then(non_blank),
            document_cloud: cloud.and_then(non_blank),
        }))
    }

    /// `key_ops` (RFC 7517 section 4.3) is an array; what is no text in it is skipped.
    fn may_verify(&self) -> Result<bool, Unusable> {
        let Some(key_ops) = self.key_ops else { return Ok(true) };
        let operations: Vec<&RawValue> = serde_json::from_str(key_ops.get()).map_err(|_| Unusable::Malformed)?;
        Ok(operations.into_iter().any(|operation| text(operation).is_ok_and(|operation| operation == "verify")))
    }
}

/// An exact size means that the topmost bit is set, which also rules out a leading zero byte
/// (RFC 7518 section 6.3.1.1). No product of two odd primes is even.
fn is_acceptable_modulus(modulus: &[u8]) -> bool {
    matches!(modulus.len(), 256 | 384 | 512)
        && modulus.first().is_some_and(|first| first & 0x80 != 0)
        && modulus.last().is_some_and(|last| last & 1 == 1)
}

fn non_blank(text: &str) -> Option<Box<str>> {
    (!text.trim().is_empty()).then(|| text.into())
}

const EXPONENT: [u8; 3] = [1, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::KeyErrorKind;

    fn modulus(bytes: usize) -> Vec<u8> {
        let mut modulus = vec![0xab; bytes];
        modulus[0] |= 0x80;
        modulus[bytes - 1] |= 1;
        modulus
    }

    fn encoded(modulus: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(modulus)
    }

    /// A key as text, with members that replace or extend those of a good one.
    fn key(kid: &str, changes: &[(&str, &str)]) -> String {
        let n = format!("\"{}\"", encoded(&modulus(256)));
        let kid = format!("\"{kid}\"");
        let mut members = vec![("kty", "\"RSA\""), ("use", "\"sig\""), ("kid", &kid), ("n", &n), ("e", "\"AQAB\"")];
        for (name, value) in changes {
            members.retain(|(known, _)| known != name);
            if !value.is_empty() {
                members.push((name, value));
            }
        }
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    fn set(keys: &[String]) -> Result<KeySet, KeyError> {
        KeySet::from_json(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    /// The members of a key without their names, in the order of the fields that are read.
    fn as_array(key: &str) -> String {
        let key: serde_json::Value = serde_json::from_str(key).unwrap();
        let members = ["kty", "kid", "use", "key_ops", "alg", "n", "e"].map(|name| &key[name]);
        serde_json::json!(members).to_string()
    }

    /// What becomes of a key beside a good one.
    fn classified(changed: String) -> Option<Unusable> {
        let set = set(&[key("good", &[]), changed]).unwrap();
        match set.entry(&KeyId::new("odd")) {
            Some(KeyEntry::Unusable(reason)) => Some(*reason),
            Some(KeyEntry::Usable(_)) => None,
            None => panic!("not listed"),
        }
    }

    #[test]
    fn entra_keys_without_alg_are_usable() {
        let issuer = ("issuer", r#""https://login.microsoftonline.com/{tenantid}/v2.0""#);
        let set = set(&[key("a", &[issuer, ("x5c", r#"["MII"]"#), ("x5t", "\"a\"")])]).unwrap();
        let found = set.usable().next().unwrap();
        assert_eq!((found.id().as_str(), found.bits()), ("a", 2048));
        assert_eq!(found.issuer(), Some("https://login.microsoftonline.com/{tenantid}/v2.0"));
        assert_eq!((found.cloud_instance_name(), set.unusable_count()), (None, 0));
        assert_eq!(format!("{found:?}"), r#"VerificationKey { id: KeyId("a"), bits: 2048, .. }"#);
        assert_eq!(format!("{:?}", found.rs256()), "Rs256Key");
    }

    #[test]
    fn keys_carry_the_cloud_of_their_discovery_document() {
        let document = format!("{{\"keys\":[{}]}}", key("a", &[]));
        for (label, expected) in [(Some("cloud.example"), Some("cloud.example")), (Some(" "), None), (None, None)] {
            let set = KeySet::from_document(document.as_bytes(), label).unwrap();
            assert_eq!(set.usable().next().unwrap().document_cloud(), expected);
        }
    }

    #[test]
    fn accepts_three_sizes_and_one_exponent() {
        let sized = |modulus: Vec<u8>| classified(key("odd", &[("n", &format!("\"{}\"", encoded(&modulus)))]));
        for bytes in [256, 384, 512] {
            assert_eq!(sized(modulus(bytes)), None, "{bytes}");
        }
        for bytes in [1, 128, 255, 257, 383, 511, 513, 1024] {
            assert_eq!(sized(modulus(bytes)), Some(Unusable::NotForRs256), "{bytes}");
        }
        let mut short = modulus(256);
        short[0] = 0x7f;
        assert_eq!(sized(short), Some(Unusable::NotForRs256));
        let mut padded = modulus(256);
        padded.insert(0, 0);
        assert_eq!(sized(padded), Some(Unusable::NotForRs256));
        let mut even = modulus(256);
        even[255] = 2;
        assert_eq!(sized(even), Some(Unusable::NotForRs256));
        for exponent in ["Aw", "AQ", "AAEAAQ", "AQAC", ""] {
            assert_eq!(
                classified(key("odd", &[("e", &format!("\"{exponent}\""))])),
                Some(Unusable::NotForRs256),
                "{exponent}"
            );
        }
    }

    #[test]
    fn keys_for_another_use_are_unusable() {
        for change in [
            ("kty", r#""EC""#),
            ("kty", r#""rsa""#),
            ("kty", r#""oct""#),
            ("use", r#""enc""#),
            ("use", r#""""#),
            ("alg", r#""RS512""#),
            ("alg", r#""PS256""#),
            ("key_ops", r#"["sign"]"#),
            ("key_ops", "[]"),
            ("key_ops", "[1e999,null]"),
        ] {
            assert_eq!(classified(key("odd", &[change])), Some(Unusable::NotForRs256), "{change:?}");
        }
        for change in [
            ("use", ""),
            ("kty", r#""\u0052SA""#),
            ("alg", r#""RS256""#),
            ("key_ops", r#"["sign","verify"]"#),
            ("key_ops", r#"[1e999,"\ud800","verif\u0079"]"#),
        ] {
            assert_eq!(classified(key("odd", &[change])), None, "{change:?}");
        }
    }

    #[test]
    fn malformed_entry_spoils_nothing_but_itself() {
        let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
        for change in [
            ("kty", ""),
            ("kty", "1"),
            ("n", ""),
            ("n", "7"),
            ("n", r#""a b""#),
            ("n", &deep),
            ("e", ""),
            ("e", "65537"),
            ("use", "null"),
            ("use", "true"),
            ("use", "1"),
            ("alg", "-1"),
            ("alg", "1.5"),
            ("alg", r#"["RS256"]"#),
            ("key_ops", r#""verify""#),
            ("issuer", "{}"),
            ("cloud_instance_name", "1.5"),
            ("n\":\"AQAB\",\"n", r#""AQAB""#),
            ("n", "1e999"),
            ("issuer", r#""\ud800""#),
            ("use", r#""\udc00""#),
            ("key_ops", "{}"),
        ] {
            assert_eq!(classified(key("odd", &[change])), Some(Unusable::Malformed), "{change:?}");
        }
        for odd in [
            "null",
            "1",
            "-1",
            "1.5",
            "true",
            "\"key\"",
            "[1,[2]]",
            "{}",
            "1e999",
            r#"{"kid":"\ud800"}"#,
            r#"{"\ud800":1}"#,
            r#"{"kid":"a","kid":"a"}"#,
            &key("", &[]),
            &key("x", &[("kid", "1")]),
            &as_array(&key("x", &[])),
        ] {
            let set = set(&[key("good", &[]), odd.to_owned()]).unwrap();
            assert_eq!((set.usable().count(), set.unusable_count()), (1, 1), "{odd}");
        }
    }

    #[test]
    fn kid_of_two_keys_is_unusable() {
        let other = format!("\"{}\"", encoded(&[&modulus(255)[..], &[0xcd]].concat()));
        assert_eq!(classified([key("odd", &[]), key("odd", &[("n", &other)])].join(",")), Some(Unusable::Ambiguous));
        assert_eq!(
            classified([key("odd", &[]), key("odd", &[("kty", "\"EC\"")])].join(",")),
            Some(Unusable::Ambiguous)
        );
        let three = [key("odd", &[("n", &other)]), key("odd", &[]), key("odd", &[])].join(",");
        assert_eq!(classified(three), Some(Unusable::Ambiguous));
        let encrypts = key("odd", &[("use", "\"enc\""), ("n", &other)]);
        assert_eq!(classified([key("odd", &[]), encrypts].join(",")), Some(Unusable::Ambiguous));
        // One key for two issuers or two clouds, in either order.
        for name in ["issuer", "cloud_instance_name"] {
            let (one, other) = (key("odd", &[(name, "\"one\"")]), key("odd", &[(name, "\"other\"")]));
            for pair in [[one.clone(), other.clone()], [other, one]] {
                assert_eq!(classified(pair.join(",")), Some(Unusable::Ambiguous), "{pair:?}");
            }
        }
        // The same key twice, for two uses, and beside an entry that cannot be read.
        for twice in [key("odd", &[]), key("odd", &[("use", "\"enc\"")]), key("odd", &[("n", "1")])] {
            assert_eq!(classified([key("odd", &[]), twice.clone()].join(",")), None, "{twice}");
            assert_eq!(classified([twice.clone(), key("odd", &[])].join(",")), None, "{twice}");
        }
    }

    #[test]
    fn rejects_document_without_usable_key() {
        for document in
            ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[]}"#, r#"{"keys":[{}]}"#]
        {
            let error = KeySet::from_json(document.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), KeyErrorKind::Malformed, "{document}");
        }
        let twice = format!("{{\"keys\":[{0}],\"keys\":[{0}]}}", key("a", &[]));
        assert!(KeySet::from_json(twice.as_bytes()).is_err());
        assert!(KeySet::from_json(format!("{{\"keys\":[{}]}} x", key("a", &[])).as_bytes()).is_err());
    }

    #[test]
    fn get_returns_usable_keys_only() {
        let set = set(&[key("a", &[]), key("b", &[("use", "\"enc\"")])]).unwrap();
        assert_eq!(set.get(&KeyId::new("a")), set.usable().next());
        assert_eq!((set.get(&KeyId::new("b")), set.get(&KeyId::new("c"))), (None, None));
    }

    #[test]
    fn blank_issuer_and_cloud_count_as_absent() {
        let set = set(&[key("a", &[("issuer", "\" \""), ("cloud_instance_name", "\"\"")])]).unwrap();
        let key = set.usable().next().unwrap();
        assert_eq!((key.issuer(), key.cloud_instance_name()), (None, None));
    }

    #[test]
    #[ignore = "reads the recorded documents from the folder named by UPSTREAM_AUTH_VECTORS"]
    fn reads_every_key_of_the_recorded_documents() {
        let folder = std::env::var("UPSTREAM_AUTH_VECTORS").unwrap();
        let read = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(format!("{folder}/entra/{name}.json")).unwrap()).unwrap()
        };
        let mut documents = Vec::new();
        for directory in ["common", "organizations"] {
            documents.push(read(&format!("entra-{directory}-keys")));
            let recording = read(&format!("entra-{directory}-recording"));
            for answer in recording["reads"].as_array().unwrap() {
                let keys = answer["kids"].as_array().unwrap().iter().map(|id| &recording["keys"][id.as_str().unwrap()]);
                documents.push(serde_json::json!({ "keys": keys.collect::<Vec<_>>() }));
            }
        }
        assert_eq!(documents.len(), 235 + 98 + 2);
        for document in &documents {
            let set = KeySet::from_json(document.to_string().as_bytes()).unwrap();
            let listed = document["keys"].as_array().unwrap();
            assert_eq!((set.usable().count(), set.unusable_count()), (listed.len(), 0));
            for key in listed {
                let id = KeyId::new(key["kid"].as_str().unwrap());
                let found = set.usable().find(|usable| *usable.id() == id).unwrap();
                assert_eq!(found.bits(), 2048);
                assert_eq!(found.issuer(), key["issuer"].as_str());
                assert_eq!(found.cloud_instance_name(), key["cloud_instance_name"].as_str());
            }
        }
    }
}

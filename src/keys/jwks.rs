//! A key document (JWK set, RFC 7517 section 5) as Entra publishes it: every entry is judged by
//! itself, so that an odd one spoils nothing but itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::KeyError;
use crate::ids::KeyId;
use crate::json::{self, Known, Members, Text, read_into};
use crate::signature::key::{Parts, VerificationKey};
use crate::signature::rs256::Rs256Key;

/// The keys of one document by `kid`, usable or not.
///
/// An entry is usable when `kty` is `RSA`, the modulus has exactly 2048, 3072 or 4096 bits, `e` is
/// 65537, `use` is absent or `sig`, `key_ops` is absent or has `verify`, and `alg` is absent or `RS256`
/// (RFC 7517 section 4, RFC 7518 sections 3.3 and 6.3). Other entries are kept by name only: a token
/// that names one is rejected without a search for its key. Two usable entries with one `kid` that differ in
/// modulus, issuer or cloud make that `kid` unusable.
#[derive(Clone, Debug)]
pub struct KeySet {
    entries: HashMap<KeyId, KeyEntry>,
    rejected: usize,
}

/// What a document says under one `kid`.
#[derive(Clone, Debug)]
pub(crate) enum KeyEntry {
    Usable(VerificationKey),
    Unusable(Unusable),
}

/// Why an entry is not usable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unusable {
    /// It cannot be read as a key.
    Malformed,
    /// It is a key, but not one that may verify RS256.
    Unfit,
    /// The `kid` stands for two different keys.
    Ambiguous,
}

impl KeySet {
    /// Reads a key document: a JSON object whose member `keys` is an array.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Malformed`](crate::keys::KeyErrorKind::Malformed) when the text is not such an object,
    /// or when it holds no usable key.
    pub fn from_json(document: &[u8]) -> Result<Self, KeyError> {
        Self::from_document(document, None)
    }

    /// The same for a document that was found through a discovery document of the cloud named.
    pub(crate) fn from_document(document: &[u8], cloud: Option<&str>) -> Result<Self, KeyError> {
        let document: Document<'_> = json::object(document)
            .map_err(|_| KeyError::malformed("the key document is not a JSON object with an array `keys`"))?;
        let entries = document.keys.ok_or_else(|| KeyError::malformed("the key document has no member `keys`"))?;
        let mut read = HashMap::new();
        let mut rejected = entries.nameless;
        for (id, entry) in entries.named {
            let judged = entry.classify(&id, cloud);
            rejected += usize::from(judged.is_err());
            let new =
                Listed { material: entry.material(), entry: judged.map_or_else(KeyEntry::Unusable, KeyEntry::Usable) };
            let merged = match read.remove(&id) {
                Some(earlier) => new.beside(earlier),
                None => new,
            };
            read.insert(id, merged);
        }
        let entries = read.into_iter().map(|(id, listed)| (id, listed.entry)).collect();
        let set = Self { entries, rejected };
        if set.usable().next().is_none() {
            return Err(KeyError::malformed("the key document holds no usable key"));
        }
        Ok(set)
    }

    /// The usable keys, in no order.
    pub fn usable(&self) -> impl Iterator<Item = &VerificationKey> {
        self.entries.values().filter_map(|entry| match entry {
            KeyEntry::Usable(key) => Some(key),
            KeyEntry::Unusable(_) => None,
        })
    }

    /// How many entries of the document were not usable.
    #[must_use]
    pub fn unusable_count(&self) -> usize {
        self.rejected
    }

    pub(crate) fn entry(&self, id: &KeyId) -> Option<&KeyEntry> {
        self.entries.get(id)
    }

    #[cfg(feature = "remote")]
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (KeyId, KeyEntry)> {
        self.entries.into_iter()
    }
}

/// An entry with what tells one key from another, as far as it could be read.
struct Listed {
    material: Option<Vec<u8>>,
    entry: KeyEntry,
}

impl Listed {
    /// Two entries with one `kid`: the same key twice may be listed for two uses, an unreadable entry
    /// takes nothing away, but two keys of one name, or one key for two issuers, leave it open which is
    /// meant. The order of the entries has no say.
    fn beside(self, earlier: Self) -> Self {
        let entry = match (&self.material, &earlier.material) {
            (Some(later), Some(earlier)) if later != earlier => KeyEntry::Unusable(Unusable::Ambiguous),
            _ => match (earlier.entry, self.entry) {
                (KeyEntry::Unusable(Unusable::Ambiguous), _) => KeyEntry::Unusable(Unusable::Ambiguous),
                (KeyEntry::Unusable(_), later) => later,
                (KeyEntry::Usable(earlier), KeyEntry::Usable(later)) if !earlier.is_same(&later) => {
                    KeyEntry::Unusable(Unusable::Ambiguous)
                }
                (usable, _) => usable,
            },
        };
        Self { material: earlier.material.or(self.material), entry }
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

/// Makes a visitor take `null`, numbers, truth values, and what is named besides, for one and the same value.
macro_rules! visit_plain {
    ($type:ty, $value:expr $(, $visit:ident($argument:ty))*) => {
        visit_plain!(@each $type, $value, visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) $($visit($argument))*);

        fn visit_unit<E: de::Error>(self) -> Result<$type, E> {
            Ok($value)
        }
    };
    (@each $type:ty, $value:expr, $($visit:ident($argument:ty))*) => {
        $(fn $visit<E: de::Error>(self, _: $argument) -> Result<$type, E> {
            Ok($value)
        })*
    };
}

/// What the array holds. Of an entry without a name nothing is kept: no token can ask for it, and half a
/// million of them find room in a document.
#[derive(Debug, Default)]
struct Entries<'de> {
    named: Vec<(KeyId, Entry<'de>)>,
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
                while let Some(entry) = seq.next_element::<Entry<'de>>()? {
                    match entry.id() {
                        Some(id) => entries.named.push((id, entry)),
                        None => entries.nameless += 1,
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(EntriesVisitor)
    }
}

/// One entry as it stands. What is no object at all is one without members.
#[derive(Debug, Default)]
struct Entry<'de> {
    has_a_name_twice: bool,
    kty: Member<'de>,
    kid: Member<'de>,
    usage: Member<'de>,
    key_ops: Member<'de>,
    alg: Member<'de>,
    n: Member<'de>,
    e: Member<'de>,
    issuer: Member<'de>,
    cloud_instance_name: Member<'de>,
}

impl Entry<'_> {
    fn id(&self) -> Option<KeyId> {
        match &self.kid {
            Member::Text(id) if KeyId::fits(id) => Some(KeyId::new(id)),
            _ => None,
        }
    }

    /// The modulus; for a key of another kind its kind, which no modulus equals.
    fn material(&self) -> Option<Vec<u8>> {
        let kind = self.kty.required().ok()?;
        if kind != "RSA" {
            return Some(kind.into());
        }
        URL_SAFE_NO_PAD.decode(self.n.required().ok()?).ok()
    }

    fn classify(&self, id: &KeyId, cloud: Option<&str>) -> Result<VerificationKey, Unusable> {
        if self.has_a_name_twice {
            return Err(Unusable::Malformed);
        }
        if self.kty.required()? != "RSA" {
            return Err(Unusable::Unfit);
        }
        let modulus = URL_SAFE_NO_PAD.decode(self.n.required()?).map_err(|_| Unusable::Malformed)?;
        let exponent = URL_SAFE_NO_PAD.decode(self.e.required()?).map_err(|_| Unusable::Malformed)?;
        let issuer = self.issuer.optional()?;
        let cloud_instance_name = self.cloud_instance_name.optional()?;
        let is_for_signatures = self.usage.optional()?.is_none_or(|usage| usage == "sig")
            && self.alg.optional()?.is_none_or(|alg| alg == "RS256")
            && match &self.key_ops {
                Member::Absent => true,
                Member::List(operations) => operations.iter().any(|operation| operation == "verify"),
                Member::Text(_) | Member::Other => return Err(Unusable::Malformed),
            };
        if !is_for_signatures || !is_acceptable_modulus(&modulus) || exponent != EXPONENT {
            return Err(Unusable::Unfit);
        }
        Ok(VerificationKey::new(Parts {
            rs256: Rs256Key::new(&modulus, &exponent),
            id: id.clone(),
            modulus,
            issuer: issuer.and_then(non_blank),
            cloud_instance_name: cloud_instance_name.and_then(non_blank),
            document_cloud: cloud.and_then(non_blank),
        }))
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

impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry<'de>, A::Error> {
        let mut entry = Entry::default();
        while let Some(Text(name)) = map.next_key()? {
            let member = match &*name {
                "kty" => &mut entry.kty,
                "kid" => &mut entry.kid,
                "use" => &mut entry.usage,
                "key_ops" => &mut entry.key_ops,
                "alg" => &mut entry.alg,
                "n" => &mut entry.n,
                "e" => &mut entry.e,
                "issuer" => &mut entry.issuer,
                "cloud_instance_name" => &mut entry.cloud_instance_name,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            entry.has_a_name_twice |= !matches!(member, Member::Absent);
            *member = map.next_value()?;
        }
        Ok(entry)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::default())
    }

    visit_plain!(Entry<'de>, Entry::default(), visit_str(&str));
}

/// A member of an entry, of whatever type.
#[derive(Debug, Default)]
enum Member<'de> {
    #[default]
    Absent,
    Text(Cow<'de, str>),
    /// An array of strings; anything else in it is left out.
    List(Vec<Cow<'de, str>>),
    Other,
}

impl Member<'_> {
    fn required(&self) -> Result<&str, Unusable> {
        self.optional()?.ok_or(Unusable::Malformed)
    }

    fn optional(&self) -> Result<Option<&str>, Unusable> {
        match self {
            Member::Absent => Ok(None),
            Member::Text(text) => Ok(Some(text)),
            Member::List(_) | Member::Other => Err(Unusable::Malformed),
        }
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MemberVisitor { is_nested: false }.deserialize(deserializer)
    }
}

/// Reads a value of any type; of what is nested deeper than a list nothing is kept, and no depth of
/// nesting is too deep.
#[derive(Clone, Copy)]
struct MemberVisitor {
    is_nested: bool,
}

impl<'de> DeserializeSeed<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member<'de>, A::Error> {
        if self.is_nested {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Member::Other);
        }
        let mut list = Vec::new();
        while let Some(member) = seq.next_element_seed(Self { is_nested: true })? {
            if let Member::Text(text) = member {
                list.push(text);
            }
        }
        Ok(Member::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    visit_plain!(Member<'de>, Member::Other);
}

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

    /// What becomes of a key beside a good one.
    fn judged(changed: String) -> Option<Unusable> {
        let set = set(&[key("good", &[]), changed]).unwrap();
        match set.entry(&KeyId::new("odd")) {
            Some(KeyEntry::Unusable(reason)) => Some(*reason),
            Some(KeyEntry::Usable(_)) => None,
            None => panic!("not remembered"),
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
    fn keys_remember_the_cloud_of_the_document_that_led_to_them() {
        let document = format!("{{\"keys\":[{}]}}", key("a", &[]));
        for (label, expected) in [(Some("cloud.example"), Some("cloud.example")), (Some(" "), None), (None, None)] {
            let set = KeySet::from_document(document.as_bytes(), label).unwrap();
            assert_eq!(set.usable().next().unwrap().document_cloud(), expected);
        }
    }

    #[test]
    fn three_sizes_and_one_exponent() {
        let sized = |modulus: Vec<u8>| judged(key("odd", &[("n", &format!("\"{}\"", encoded(&modulus)))]));
        for bytes in [256, 384, 512] {
            assert_eq!(sized(modulus(bytes)), None, "{bytes}");
        }
        for bytes in [1, 128, 255, 257, 383, 511, 513, 1024] {
            assert_eq!(sized(modulus(bytes)), Some(Unusable::Unfit), "{bytes}");
        }
        let mut short = modulus(256);
        short[0] = 0x7f;
        assert_eq!(sized(short), Some(Unusable::Unfit));
        let mut padded = modulus(256);
        padded.insert(0, 0);
        assert_eq!(sized(padded), Some(Unusable::Unfit));
        let mut even = modulus(256);
        even[255] = 2;
        assert_eq!(sized(even), Some(Unusable::Unfit));
        for exponent in ["Aw", "AQ", "AAEAAQ", "AQAC", ""] {
            assert_eq!(judged(key("odd", &[("e", &format!("\"{exponent}\""))])), Some(Unusable::Unfit), "{exponent}");
        }
    }

    #[test]
    fn keys_for_something_else_are_remembered_but_not_used() {
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
        ] {
            assert_eq!(judged(key("odd", &[change])), Some(Unusable::Unfit), "{change:?}");
        }
        for change in
            [("use", ""), ("kty", r#""\u0052SA""#), ("alg", r#""RS256""#), ("key_ops", r#"["sign","verify"]"#)]
        {
            assert_eq!(judged(key("odd", &[change])), None, "{change:?}");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_read_spoils_nothing_but_itself() {
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
        ] {
            assert_eq!(judged(key("odd", &[change])), Some(Unusable::Malformed), "{change:?}");
        }
        for odd in
            ["null", "1", "-1", "1.5", "true", "\"key\"", "[1,[2]]", "{}", &key("", &[]), &key("x", &[("kid", "1")])]
        {
            let set = set(&[key("good", &[]), odd.to_owned()]).unwrap();
            assert_eq!((set.usable().count(), set.unusable_count()), (1, 1), "{odd}");
        }
    }

    #[test]
    fn one_name_for_two_keys_is_used_for_neither() {
        let other = format!("\"{}\"", encoded(&[&modulus(255)[..], &[0xcd]].concat()));
        assert_eq!(judged([key("odd", &[]), key("odd", &[("n", &other)])].join(",")), Some(Unusable::Ambiguous));
        assert_eq!(judged([key("odd", &[]), key("odd", &[("kty", "\"EC\"")])].join(",")), Some(Unusable::Ambiguous));
        let three = [key("odd", &[("n", &other)]), key("odd", &[]), key("odd", &[])].join(",");
        assert_eq!(judged(three), Some(Unusable::Ambiguous));
        let unfit = key("odd", &[("use", "\"enc\""), ("n", &other)]);
        assert_eq!(judged([key("odd", &[]), unfit].join(",")), Some(Unusable::Ambiguous));
        // One key for two issuers or two clouds, in either order.
        for name in ["issuer", "cloud_instance_name"] {
            let (one, other) = (key("odd", &[(name, "\"one\"")]), key("odd", &[(name, "\"other\"")]));
            for pair in [[one.clone(), other.clone()], [other, one]] {
                assert_eq!(judged(pair.join(",")), Some(Unusable::Ambiguous), "{pair:?}");
            }
        }
        // The same key twice, for two uses, and beside an entry that cannot be read.
        for twice in [key("odd", &[]), key("odd", &[("use", "\"enc\"")]), key("odd", &[("n", "1")])] {
            assert_eq!(judged([key("odd", &[]), twice.clone()].join(",")), None, "{twice}");
            assert_eq!(judged([twice.clone(), key("odd", &[])].join(",")), None, "{twice}");
        }
    }

    #[test]
    fn what_is_no_key_document_or_holds_no_usable_key_is_rejected_whole() {
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
    fn blank_labels_count_as_absent() {
        let set = set(&[key("a", &[("issuer", "\" \""), ("cloud_instance_name", "\"\"")])]).unwrap();
        let key = set.usable().next().unwrap();
        assert_eq!((key.issuer(), key.cloud_instance_name()), (None, None));
    }

    #[test]
    #[ignore = "reads the recorded documents from the folder named by UPSTREAM_AUTH_VECTORS"]
    fn no_key_of_the_recorded_documents_is_lost() {
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

//! A key document (JWK Set, RFC 7517 section 5) as Entra publishes it. Every entry is read by itself, so that an odd
//! one spoils nothing but itself.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::jwk::{Jwk, Unusable};
use crate::error::KeyError;
use crate::ids::KeyId;
use crate::json::{self, Known, Members, read_into};
use crate::signature::key::VerificationKey;

/// The keys of one document by `kid`, usable or not.
///
/// An entry is usable when `kty` is `RSA`, the modulus has exactly 2048, 3072 or 4096 bits, `e` is
/// 65537, `use` is absent or `sig`, `key_ops` is absent or has `verify`, and `alg` is absent or `RS256`
/// (RFC 7517 section 4, RFC 7518 sections 3.3 and 6.3). A member that is `null` counts as absent. Of other entries only
/// the `kid` is kept: a token that names one is rejected without a fetch. Two usable entries of one `kid` that differ in
/// modulus, issuer or cloud make that `kid` unusable.
///
/// An entry that publishes private material (`d`, `p`, `q`, `dp`, `dq`, `qi`, `oth` or `k`, RFC 7518 sections 6.2.2 and
/// 6.3.2) is unusable: anybody can sign with such a key. So is each other entry with the same modulus.
#[derive(Clone, Debug)]
pub struct KeySet {
    entries: HashMap<KeyId, KeyEntry>,
    unusable: usize,
    compromised: Compromised,
}

/// What a document lists under one `kid`.
#[derive(Clone, Debug)]
pub(crate) enum KeyEntry {
    Usable(VerificationKey),
    Unusable(Unusable),
}

/// The keys whose private half a document publishes.
#[derive(Clone, Default)]
pub(crate) struct Compromised {
    pub(crate) ids: HashSet<KeyId>,
    pub(crate) moduli: HashSet<Vec<u8>>,
}

impl Compromised {
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.moduli.is_empty()
    }

    fn insert(&mut self, id: Option<&KeyId>, jwk: &Jwk<'_>) {
        self.ids.extend(id.cloned());
        self.moduli.extend(jwk.modulus());
    }
}

impl fmt::Debug for Compromised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Compromised").field(&self.ids).finish()
    }
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
        let set = Self::parse(document, cloud)?;
        match set.lacks_usable_keys() {
            Some(error) => Err(error),
            None => Ok(set),
        }
    }

    /// The same, but a set without a usable key is returned: it may tell of keys that are compromised.
    pub(crate) fn parse(document: &[u8], cloud: Option<&str>) -> Result<Self, KeyError> {
        let document: KeyDocument<'_> = json::object(document)
            .map_err(|_| KeyError::malformed("the key document is not a JSON object with an array `keys`"))?;
        let entries = document.keys.ok_or_else(|| KeyError::malformed("the key document has no member `keys`"))?;
        let Entries { named, nameless, compromised } = entries;
        let mut read: HashMap<KeyId, ListedKey> = HashMap::new();
        for (id, jwk) in named {
            let is_usable = |key: &VerificationKey| !compromised.moduli.contains(key.modulus());
            let entry = jwk
                .classify(&id, cloud)
                .and_then(|key| if is_usable(&key) { Ok(key) } else { Err(Unusable::Compromised) });
            let (public_key, unusable) = (jwk.public_key(), usize::from(entry.is_err()));
            let entry = entry.map_or_else(KeyEntry::Unusable, KeyEntry::Usable);
            let new = ListedKey { public_key, entry, entries: 1, unusable };
            let merged = match read.remove(&id) {
                Some(earlier) => new.beside(earlier),
                None => new,
            };
            read.insert(id, merged);
        }
        let unusable = nameless + read.values().map(ListedKey::unusable).sum::<usize>();
        let entries = read.into_iter().map(|(id, listed)| (id, listed.entry)).collect();
        Ok(Self { entries, unusable, compromised })
    }

    /// The error of a document without a usable key.
    pub(crate) fn lacks_usable_keys(&self) -> Option<KeyError> {
        if self.usable().next().is_some() {
            return None;
        }
        Some(KeyError::malformed(if self.compromised.is_empty() {
            "the key document has no usable key"
        } else {
            "the key document has no usable key, and publishes the private half of a key"
        }))
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

    /// How many entries of the document are unusable: by themselves, or since another entry has their `kid` or publishes
    /// their private half.
    #[must_use]
    pub fn unusable_count(&self) -> usize {
        self.unusable
    }

    pub(crate) fn entry(&self, id: &KeyId) -> Option<&KeyEntry> {
        self.entries.get(id)
    }

    /// The keys whose private half the document publishes.
    #[cfg(feature = "remote")]
    pub(crate) fn into_compromised(self) -> Compromised {
        self.compromised
    }

    #[cfg(feature = "remote")]
    pub(crate) fn into_parts(self) -> (HashMap<KeyId, KeyEntry>, Compromised) {
        (self.entries, self.compromised)
    }
}

/// The entries of one `kid`, with what tells one key from another, as far as it can be read.
struct ListedKey {
    public_key: Option<Vec<u8>>,
    entry: KeyEntry,
    /// How many entries there are, and how many of them are unusable by themselves.
    entries: usize,
    unusable: usize,
}

impl ListedKey {
    /// How many of its entries no token can use.
    fn unusable(&self) -> usize {
        match self.entry {
            KeyEntry::Usable(_) => self.unusable,
            KeyEntry::Unusable(_) => self.entries,
        }
    }

    /// Two entries of one `kid`. The same key may be listed for two uses, and a malformed entry takes nothing away. But
    /// with two keys of one `kid`, or one key for two issuers, it is open which is meant. Their order does not matter.
    fn beside(self, earlier: Self) -> Self {
        let (entries, unusable) = (self.entries + earlier.entries, self.unusable + earlier.unusable);
        let is_compromised = |listed: &Self| matches!(listed.entry, KeyEntry::Unusable(Unusable::Compromised));
        let entry = match (&self.public_key, &earlier.public_key) {
            _ if is_compromised(&self) || is_compromised(&earlier) => KeyEntry::Unusable(Unusable::Compromised),
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
        Self { public_key: earlier.public_key.or(self.public_key), entry, entries, unusable }
    }
}

/// The document's one member that matters.
#[derive(Debug, Default)]
struct KeyDocument<'de> {
    keys: Option<Entries<'de>>,
}

impl<'de> Members<'de> for KeyDocument<'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        if name == "keys" { read_into(&mut self.keys, map) } else { Ok(Known::No) }
    }
}

/// What the array lists. Of an entry without a `kid` no more is kept than a modulus with a published private half: no
/// token can name it, and half a million of them fit into a document.
#[derive(Debug, Default)]
struct Entries<'de> {
    named: Vec<(KeyId, Jwk<'de>)>,
    nameless: usize,
    compromised: Compromised,
}

impl<'de> Entries<'de> {
    fn push(&mut self, entry: &'de RawValue) {
        let jwk = Jwk::parse(entry);
        let id = jwk.as_ref().and_then(Jwk::kid);
        if let Some(jwk) = jwk.as_ref().filter(|jwk| jwk.is_compromised()) {
            self.compromised.insert(id.as_ref(), jwk);
        }
        match (id, jwk) {
            (Some(id), Some(jwk)) => self.named.push((id, jwk)),
            _ => self.nameless += 1,
        }
    }
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
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(EntriesVisitor)
    }
}

#[cfg(test)]
#[path = "tests/jwks.rs"]
mod tests;

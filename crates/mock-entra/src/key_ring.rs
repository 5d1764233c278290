//! The keys that a mock publishes, and the one that signs.

use crate::jwk::Jwk;
use crate::signing::SigningKey;
use signalr_upstream_auth::keys::KeyId;

/// The keys of one mock.
#[derive(Debug)]
pub(crate) struct KeyRing {
    entries: Vec<Entry>,
    /// The mock's own keys, published or not, the oldest first.
    keys: Vec<SigningKey>,
    current: SigningKey,
}

#[derive(Debug)]
struct Entry {
    jwk: Jwk,
    withheld: bool,
}

impl KeyRing {
    /// Two published keys, one of which signs. Entra, too, publishes more keys than it signs with, and a document still
    /// has a key while the signing key is withheld.
    pub(crate) fn new() -> Self {
        let (current, other) = (SigningKey::pooled(0), SigningKey::pooled(1));
        let mut ring = Self { entries: Vec::new(), keys: vec![current.clone(), other.clone()], current };
        // The signing key is not the first of the list: a validator that always takes the first key fails.
        ring.publish(other.into());
        ring.publish(ring.current.clone().into());
        ring
    }

    /// The current signing key.
    pub(crate) fn current(&self) -> SigningKey {
        self.current.clone()
    }

    /// The mock's own keys, the oldest first.
    pub(crate) fn keys(&self) -> Vec<SigningKey> {
        self.keys.clone()
    }

    /// The entries of the key document.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Jwk> {
        self.entries.iter().filter(|entry| !entry.withheld).map(|entry| &entry.jwk)
    }

    /// A new key that is neither published nor signs yet.
    pub(crate) fn add(&mut self) -> SigningKey {
        let key = SigningKey::pooled(self.keys.len());
        self.keys.push(key.clone());
        key
    }

    pub(crate) fn sign_with(&mut self, key: SigningKey) {
        self.current = key;
    }

    pub(crate) fn publish(&mut self, jwk: Jwk) {
        self.entries.push(Entry { jwk, withheld: false });
    }

    /// Withholds or restores the entries with an id. `false` if there is none.
    pub(crate) fn set_withheld(&mut self, key_id: &KeyId, withheld: bool) -> bool {
        let mut found = false;
        for entry in &mut self.entries {
            if entry.jwk.key_id().as_ref() == Some(key_id) {
                entry.withheld = withheld;
                found = true;
            }
        }
        found
    }

    pub(crate) fn withhold_all(&mut self) {
        for entry in &mut self.entries {
            entry.withheld = true;
        }
    }
}

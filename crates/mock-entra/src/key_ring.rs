//! Which keys a mock publishes, and which one signs.

use super::jwk::Jwk;
use super::signing::SigningKey;
use signalr_upstream_auth::keys::KeyId;

/// The keys of one mock.
#[derive(Debug)]
pub(super) struct KeyRing {
    entries: Vec<Entry>,
    /// All keys this ring ever signed with or could, the oldest first.
    keys: Vec<SigningKey>,
    current: SigningKey,
}

#[derive(Debug)]
struct Entry {
    jwk: Jwk,
    withheld: bool,
}

impl KeyRing {
    /// Two published keys, of which the first signs. Entra too lists more keys than it uses; and so a document from
    /// which the signing key is withheld still has one.
    pub(super) fn new() -> Self {
        let (current, other) = (SigningKey::pooled(0), SigningKey::pooled(1));
        let mut ring = Self { entries: Vec::new(), keys: vec![current.clone(), other.clone()], current };
        // The key in use is not the first of the list, so that a reader who takes the first one is found out.
        ring.publish(other.into());
        ring.publish(ring.current.clone().into());
        ring
    }

    /// The key that signs.
    pub(super) fn current(&self) -> SigningKey {
        self.current.clone()
    }

    /// The ring's own keys, the oldest first.
    pub(super) fn keys(&self) -> Vec<SigningKey> {
        self.keys.clone()
    }

    /// The entries of the key document.
    pub(super) fn published(&self) -> impl Iterator<Item = &Jwk> {
        self.entries.iter().filter(|entry| !entry.withheld).map(|entry| &entry.jwk)
    }

    /// Another key of the ring, neither published nor in use.
    pub(super) fn add(&mut self) -> SigningKey {
        let key = SigningKey::pooled(self.keys.len());
        self.keys.push(key.clone());
        key
    }

    pub(super) fn sign_with(&mut self, key: SigningKey) {
        self.current = key;
    }

    pub(super) fn publish(&mut self, jwk: Jwk) {
        self.entries.push(Entry { jwk, withheld: false });
    }

    /// Hides or shows the entries of a name. `false` if there is none.
    pub(super) fn set_withheld(&mut self, key_id: &KeyId, withheld: bool) -> bool {
        let mut found = false;
        for entry in &mut self.entries {
            if entry.jwk.key_id().as_ref() == Some(key_id) {
                entry.withheld = withheld;
                found = true;
            }
        }
        found
    }

    pub(super) fn withhold_all(&mut self) {
        for entry in &mut self.entries {
            entry.withheld = true;
        }
    }
}

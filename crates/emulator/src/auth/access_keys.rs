//! The keys that sign client tokens and REST calls: two of the resource, and temporary ones.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::EmulatorClock;
use crate::random;

use super::jwt::Jwt;

/// The access keys of an emulated resource.
///
/// The resource has a primary and a secondary key until local authentication is disabled. A temporary key is made for
/// each request to the auth API and ends 90 minutes later by the emulator's clock.
pub struct AccessKeys {
    clock: EmulatorClock,
    /// Signs the client tokens of the service itself while there are no resource keys. Nobody is given it.
    own: OwnKey,
    state: Mutex<KeyState>,
}

struct OwnKey {
    id: String,
    text: String,
}

struct KeyState {
    /// `None` once local authentication is disabled.
    resource: Option<[String; 2]>,
    temporary: Vec<TemporaryKey>,
    lifetime: Duration,
}

/// A key that the auth API gave out.
#[derive(Clone)]
pub(crate) struct TemporaryKey {
    pub(crate) id: String,
    pub(crate) text: String,
    ends: u64,
}

/// Which key signed a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeyKind {
    Resource,
    Temporary {
        id: String,
    },
    /// The service's own.
    Service,
}

impl AccessKeys {
    pub(crate) fn new(clock: EmulatorClock, resource: Option<[String; 2]>) -> Self {
        let state = KeyState { resource, temporary: Vec::new(), lifetime: LIFETIME };
        let own = OwnKey { id: random::text(22), text: random::text(44) };
        Self { clock, own, state: Mutex::new(state) }
    }

    /// The resource's primary key. `None` if local authentication is disabled.
    #[must_use]
    pub fn primary(&self) -> Option<String> {
        self.resource().map(|[primary, _]| primary)
    }

    /// The resource's secondary key. `None` if local authentication is disabled.
    #[must_use]
    pub fn secondary(&self) -> Option<String> {
        self.resource().map(|[_, secondary]| secondary)
    }

    /// Makes a new primary key. Tokens of the old one are rejected from now on.
    pub fn regenerate_primary(&self) {
        if let Some([primary, _]) = &mut self.state().resource {
            *primary = random::text(66);
        }
    }

    /// Makes a new secondary key. Tokens of the old one are rejected from now on.
    pub fn regenerate_secondary(&self) {
        if let Some([_, secondary]) = &mut self.state().resource {
            *secondary = random::text(66);
        }
    }

    /// Deletes the resource's keys, as `disableLocalAuth` does. Temporary keys stay. There is no way back: enabling local
    /// authentication again makes new keys.
    pub fn disable_local_auth(&self) {
        self.state().resource = None;
    }

    /// Makes new resource keys if local authentication is disabled.
    pub fn enable_local_auth(&self) {
        self.state().resource.get_or_insert_with(new_resource_keys);
    }

    /// Ends all temporary keys that were given out so far.
    pub fn end_temporary_keys(&self) {
        self.state().temporary.clear();
    }

    /// How long temporary keys live that are given out from now on. 90 minutes unless you change it.
    pub fn set_temporary_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// The ids of the temporary keys that are alive, the oldest first.
    #[must_use]
    pub fn temporary_ids(&self) -> Vec<String> {
        let now = self.clock.unix_seconds();
        self.state().temporary.iter().filter(|key| key.ends > now).map(|key| key.id.clone()).collect()
    }

    pub(crate) fn resource(&self) -> Option<[String; 2]> {
        self.state().resource.clone()
    }

    pub(crate) fn issue(&self) -> TemporaryKey {
        let now = self.clock.unix_seconds();
        let mut state = self.state();
        let ends = now.saturating_add(state.lifetime.as_secs());
        let key = TemporaryKey { id: random::text(22), text: random::text(44), ends };
        state.temporary.retain(|key| key.ends > now);
        if state.temporary.len() == MOST_TEMPORARY {
            state.temporary.remove(0);
        }
        state.temporary.push(key.clone());
        key
    }

    /// The key that a token is signed with, if it is one of the keys that are alive.
    ///
    /// A `kid` that names a temporary key decides; any other `kid` does not count, since SDKs write what they like for a
    /// resource's key.
    pub(crate) fn signer(&self, jwt: &Jwt) -> Option<KeyKind> {
        if let Some(key) = jwt.key_id().and_then(|id| self.find(id)) {
            return jwt.is_signed_with(&key.text).then_some(KeyKind::Temporary { id: key.id });
        }
        if jwt.key_id() == Some(self.own.id.as_str()) {
            return jwt.is_signed_with(&self.own.text).then_some(KeyKind::Service);
        }
        let resource = self.resource()?;
        resource.iter().any(|key| jwt.is_signed_with(key)).then_some(KeyKind::Resource)
    }

    /// A key to sign tokens with that the service itself makes.
    pub(crate) fn signing_key(&self) -> (String, String) {
        match self.resource() {
            Some([primary, _]) => ("resource".to_owned(), primary),
            None => (self.own.id.clone(), self.own.text.clone()),
        }
    }

    fn find(&self, id: &str) -> Option<TemporaryKey> {
        let now = self.clock.unix_seconds();
        self.state().temporary.iter().find(|key| key.id == id && key.ends > now).cloned()
    }

    fn state(&self) -> MutexGuard<'_, KeyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeys").field("temporary_ids", &self.temporary_ids()).finish_non_exhaustive()
    }
}

pub(crate) fn new_resource_keys() -> [String; 2] {
    [random::text(66), random::text(66)]
}

const LIFETIME: Duration = Duration::from_secs(90 * 60);
const MOST_TEMPORARY: usize = 20_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::jwt::sign_hs256;
    use super::*;

    fn keys() -> (EmulatorClock, AccessKeys) {
        let clock = EmulatorClock::new();
        (clock.clone(), AccessKeys::new(clock, Some(new_resource_keys())))
    }

    fn signer(keys: &AccessKeys, key_id: &str, key: &str) -> Option<KeyKind> {
        keys.signer(&Jwt::parse(&sign_hs256(key_id, key, &json!({}))).unwrap())
    }

    #[test]
    fn temporary_keys_end_after_90_minutes() {
        let (clock, keys) = keys();
        let key = keys.issue();
        clock.advance(Duration::from_secs(5399 - 1));
        assert_eq!(signer(&keys, &key.id, &key.text), Some(KeyKind::Temporary { id: key.id.clone() }));
        clock.advance(Duration::from_secs(2));
        assert_eq!(signer(&keys, &key.id, &key.text), None);
    }

    #[test]
    fn both_resource_keys_sign_until_they_are_regenerated_or_deleted() {
        let (_, keys) = keys();
        let (primary, secondary) = (keys.primary().unwrap(), keys.secondary().unwrap());
        assert_eq!(signer(&keys, "-1234", &primary), Some(KeyKind::Resource));
        assert_eq!(signer(&keys, "", &secondary), Some(KeyKind::Resource));
        keys.regenerate_primary();
        assert_eq!(signer(&keys, "", &primary), None);
        keys.disable_local_auth();
        assert_eq!((signer(&keys, "", &secondary), keys.primary()), (None, None));
        keys.enable_local_auth();
        assert_eq!(signer(&keys, "", &secondary), None);
    }

    #[test]
    fn a_temporary_key_needs_its_own_id() {
        let (_, keys) = keys();
        let (key, other) = (keys.issue(), keys.issue());
        assert_eq!(signer(&keys, &other.id, &key.text), None);
        assert_eq!(signer(&keys, "other", &key.text), None);
        keys.end_temporary_keys();
        assert_eq!(signer(&keys, &key.id, &key.text), None);
    }

    #[test]
    fn service_signs_with_a_key_of_its_own_without_resource_keys() {
        let (clock, keys) = keys();
        keys.disable_local_auth();
        let (id, text) = keys.signing_key();
        assert_eq!((keys.signing_key(), keys.temporary_ids()), ((id.clone(), text.clone()), Vec::new()));
        keys.end_temporary_keys();
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(signer(&keys, &id, &text), Some(KeyKind::Service));
        assert_eq!(signer(&keys, &id, "other"), None);
    }

    #[test]
    fn debug_shows_no_key() {
        let (_, keys) = keys();
        let key = keys.issue();
        let text = format!("{keys:?}");
        assert!(!text.contains(&key.text) && !text.contains(&keys.primary().unwrap()));
    }
}

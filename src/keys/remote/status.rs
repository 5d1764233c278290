//! The state of a tenant's keys, for operators.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::schedule::Counts;
use crate::error::{Chain, KeyError};
use crate::ids::TenantId;

/// The state of one tenant's keys.
///
/// `Serialize` writes an object with the names of the methods: `tenant_id`, `state`, `age_secs` (whole seconds, or
/// null), `last_error` and `discovery_error` (a text with its causes, or null), `keys`, `unusable_entries`, `refreshes` and
/// `failures`.
///
/// ```
/// use signalr_upstream_auth::keys::{KeyState, RemoteKeys};
///
/// /// A line for each tenant that needs an operator.
/// fn trouble(keys: &RemoteKeys) -> Vec<String> {
///     let tenants = keys.status().into_iter().filter(|tenant| tenant.state() != KeyState::Fresh);
///     tenants.map(|tenant| format!("{}: {:?}, {:?}", tenant.tenant_id(), tenant.state(), tenant.last_error())).collect()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct KeyStatus {
    pub(crate) tenant: TenantId,
    pub(crate) age: Option<Duration>,
    pub(crate) is_serving: bool,
    pub(crate) usable: usize,
    pub(crate) last_error: Option<KeyError>,
    pub(crate) discovery_error: Option<KeyError>,
    pub(crate) counts: Counts,
    pub(crate) refresh: Duration,
}

impl KeyStatus {
    /// The tenant.
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.tenant
    }

    /// Whether requests can be decided, and how fresh the keys are.
    #[must_use]
    pub fn state(&self) -> KeyState {
        match (self.age, self.is_serving) {
            (None, _) => KeyState::Cold,
            (Some(_), false) => KeyState::Expired,
            // A refresh is late by its jitter and its fetch while all is well.
            (Some(age), true) if self.last_error.is_some() || age > self.refresh * 2 => KeyState::Stale,
            (Some(_), true) => KeyState::Fresh,
        }
    }

    /// The time since the last success. `None` if there was none.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Why the latest attempt failed. `None` if it did not.
    #[must_use]
    pub fn last_error(&self) -> Option<&KeyError> {
        self.last_error.as_ref()
    }

    /// Why discovery failed at the latest success, which used the last known address of the keys. `None` if it did not.
    ///
    /// The keys are as fresh as ever meanwhile. But a restart needs discovery, and keys that move are not found.
    #[must_use]
    pub fn discovery_error(&self) -> Option<&KeyError> {
        self.discovery_error.as_ref()
    }

    /// How many keys there are to verify with, without those that were [revoked](crate::keys::RemoteKeys::revoke).
    /// Without a success within the maximum staleness they are kept, but not used.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.usable
    }

    /// How many entries of the latest key document were not taken: unusable, or more than there is room for.
    #[must_use]
    pub fn unusable_entries(&self) -> usize {
        self.counts.unusable_entries
    }

    /// How many attempts were successes.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.counts.successes
    }

    /// How many attempts were failures.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counts.failures
    }
}

/// How fresh the keys of a tenant are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyState {
    /// None were ever fetched. Requests are answered 503.
    Cold,
    /// None were fetched within the maximum staleness. Requests are answered 503.
    Expired,
    /// The latest attempt, if there was one, was a success, and the last success is at most two refresh intervals old.
    Fresh,
    /// The latest attempt failed, or the last success is older than two refresh intervals. Cached keys are served until
    /// the maximum staleness.
    Stale,
}

impl KeyState {
    /// The state in lower case, for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Expired => "expired",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for KeyStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("KeyStatus", 9)?;
        object.serialize_field("tenant_id", &self.tenant_id())?;
        object.serialize_field("state", &self.state())?;
        object.serialize_field("age_secs", &self.age().map(|age| age.as_secs()))?;
        object.serialize_field("last_error", &self.last_error().map(|error| Chain(error).to_string()))?;
        object.serialize_field("discovery_error", &self.discovery_error().map(|error| Chain(error).to_string()))?;
        object.serialize_field("keys", &self.keys())?;
        object.serialize_field("unusable_entries", &self.unusable_entries())?;
        object.serialize_field("refreshes", &self.refreshes())?;
        object.serialize_field("failures", &self.failures())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serializes_every_figure_and_the_error_with_its_causes() {
        let status = KeyStatus {
            tenant: "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap(),
            age: Some(Duration::from_millis(7900)),
            is_serving: true,
            usable: 2,
            last_error: Some(KeyError::unavailable("timed out")),
            discovery_error: None,
            counts: Counts { successes: 3, failures: 4, unusable_entries: 1 },
            refresh: Duration::from_secs(3600),
        };
        let expected = serde_json::json!({
            "tenant_id": "11111111-aaaa-4bbb-8ccc-222222222222",
            "state": "stale",
            "age_secs": 7,
            "last_error": "no verification keys are available: timed out",
            "discovery_error": null,
            "keys": 2,
            "unusable_entries": 1,
            "refreshes": 3,
            "failures": 4,
        });
        assert_eq!(serde_json::to_value(status).unwrap(), expected);
    }
}

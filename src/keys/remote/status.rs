//! How the keys of a tenant stand, for operators.

use std::time::Duration;

use super::schedule::Counts;
use crate::error::KeyError;
use crate::ids::TenantId;

/// How the keys of one tenant stand.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    pub(crate) tenant: TenantId,
    pub(crate) age: Option<Duration>,
    pub(crate) is_serving: bool,
    pub(crate) usable: usize,
    pub(crate) last_error: Option<KeyError>,
    pub(crate) counts: Counts,
    pub(crate) refresh: Duration,
}

impl KeyStatus {
    /// The tenant.
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.tenant
    }

    /// Whether requests can be judged, and how good the keys are.
    #[must_use]
    pub fn state(&self) -> KeyState {
        match (self.age, self.is_serving) {
            (None, _) => KeyState::Cold,
            (Some(_), false) => KeyState::Expired,
            // A refresh may be late by its jitter and one fetch without anything being wrong.
            (Some(age), true) if self.last_error.is_some() || age > self.refresh * 2 => KeyState::Stale,
            (Some(_), true) => KeyState::Fresh,
        }
    }

    /// The time since the last good answer. `None` if there was none.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Why the latest attempt failed. `None` if it did not.
    #[must_use]
    pub fn last_error(&self) -> Option<&KeyError> {
        self.last_error.as_ref()
    }

    /// How many keys there are to verify with, those left out that were [revoked](crate::RemoteKeys::revoke).
    /// Without a good answer within the stale limit they are kept, but not used.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.usable
    }

    /// How many entries of the latest good answer were not taken as keys: not usable, or more than there is
    /// room for.
    #[must_use]
    pub fn unusable_entries(&self) -> usize {
        self.counts.unusable_entries
    }

    /// How many attempts have brought a good answer.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.counts.good
    }

    /// How many attempts have failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counts.failed
    }
}

/// How good the keys of a tenant are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyState {
    /// None were ever fetched. Requests are answered 503.
    Cold,
    /// None were fetched within the stale limit. Requests are answered 503.
    Expired,
    /// The latest attempt, if there was one, was good, and the last good answer is at most two refreshes old.
    Fresh,
    /// The latest attempt failed, or the last good answer is older than two refreshes; the keys held are served
    /// until the stale limit.
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

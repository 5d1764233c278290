//! Keys that never change.

use super::jwks::{KeyEntry, KeySet};
use super::source::{KeyFuture, KeySource, Lookup};
use crate::clock::UnixTime;
use crate::error::KeyError;
use crate::ids::{KeyId, TenantId};
use crate::signature::key::VerificationKey;

/// A key source that has one [`KeySet`] for every tenant and never fetches another.
///
/// For tests, and for machines without a network that get their key document some other way. Entra replaces its keys
/// every few weeks without notice, so a set does not serve for long.
///
/// ```no_run
/// use signalr_upstream_auth::UpstreamAuthLayer;
/// use signalr_upstream_auth::keys::{FixedKeys, KeySet};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants};
/// # let policy = Policy::builder(
/// #     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
/// #     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
/// #     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// # )
/// # .build()?;
/// let keys = KeySet::from_json(&std::fs::read("keys.json")?)?;
/// let auth = UpstreamAuthLayer::from_keys(policy, FixedKeys::new(keys));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FixedKeys {
    keys: KeySet,
}

impl FixedKeys {
    /// The keys of one document.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        Self { keys }
    }

    fn find(&self, key: &KeyId) -> Result<VerificationKey, KeyError> {
        match self.keys.entry(key) {
            Some(KeyEntry::Usable(key)) => Ok(key.clone()),
            Some(KeyEntry::Unusable(_)) => Err(KeyError::unusable()),
            None => Err(KeyError::unknown()),
        }
    }
}

impl KeySource for FixedKeys {
    fn lookup(&self, _tenant: TenantId, key: &KeyId, _now: UnixTime) -> Lookup {
        self.find(key).map_or_else(Lookup::Rejected, Lookup::Found)
    }

    fn is_current(&self, _tenant: TenantId, id: &KeyId, key: &VerificationKey, _now: UnixTime) -> bool {
        self.keys.get(id) == Some(key)
    }

    fn resolve(&self, _tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        Box::pin(std::future::ready(self.find(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::sample::{another_key, document, id, key, read};

    #[test]
    fn is_current_compares_the_whole_key() {
        let tenant = "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let now = UnixTime::from_secs(1_790_000_000);
        let (keys, others) = (read(&document(&[key("a"), key("b")])), read(&document(&[another_key("a", 1)])));
        let (this, other) = (keys.usable().next().unwrap().clone(), others.usable().next().unwrap());
        let fixed = FixedKeys::new(keys);
        assert!(fixed.is_current(tenant, this.id(), &this, now));
        assert!(!fixed.is_current(tenant, &id("a"), other, now));
        assert!(!fixed.is_current(tenant, &id("never"), &this, now));
    }
}

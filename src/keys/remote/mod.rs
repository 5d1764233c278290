//! Keys from Entra itself: one [`KeyStore`] for each tenant of a policy.

mod builder;
mod cached;
pub(crate) mod discovery;
mod endpoint;
mod now;
mod on_demand;
mod runtime;
mod schedule;
pub(crate) mod status;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod timing;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

pub use self::builder::RemoteKeysBuilder;
use self::status::KeyStatus;
use self::store::KeyStore;
use crate::error::{ConfigError, KeyError};
use crate::ids::{KeyId, TenantId};
use crate::keys::source::{KeyFuture, KeySource, Lookup};
use crate::policy::Policy;
use crate::signature::key::VerificationKey;

/// The keys of a policy's tenants, fetched from their cloud and kept current by a task for each.
///
/// Cheap to clone; clones, and the layers they are given to, share everything. The tasks start with the
/// first request or [`ready`](KeySource::ready) inside a tokio runtime (with its time and I/O drivers),
/// start again if that runtime ends, and end when the last clone is dropped. Which tenants there are
/// comes from the policy alone: nothing in a token leads to an address.
///
/// Each tenant has its own keys, limits and task. What the keys of a tenant are:
///
/// - Every good answer is merged by `kid`. A key that answers stop listing stays for `key_retention`
///   after it was last listed, since Entra's answers differ from one read to the next.
/// - Without a good answer the keys are served until `stale_limit`; then requests are answered 503.
/// - A request with a `kid` in no good answer causes one fetch, at most one per `refetch_cooldown`, and
///   waits for it for up to 2 seconds, as do up to 1,024 requests at a time.
/// - An answer that is not good (anything but 200, a content coding, more than 1 MiB, no usable key,
///   another issuer, an address outside the cloud) changes nothing.
#[derive(Clone, Debug)]
pub struct RemoteKeys(Arc<Tenants>);

/// One store for each tenant, in the order of their ids: found by a few comparisons.
struct Tenants(Vec<KeyStore>);

impl Tenants {
    fn find(&self, tenant: &TenantId) -> Option<&KeyStore> {
        let place = self.0.binary_search_by_key(tenant, KeyStore::tenant).ok()?;
        self.0.get(place)
    }
}

impl RemoteKeys {
    /// Keys for the tenants of a policy, with every default.
    ///
    /// # Errors
    ///
    /// As [`RemoteKeysBuilder::build`].
    pub fn new(policy: &Policy) -> Result<Self, ConfigError> {
        Self::builder(policy).build()
    }

    /// Keys for the tenants of a policy.
    pub fn builder(policy: &Policy) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(policy)
    }

    /// How the keys of each tenant stand, in the order of their ids.
    #[must_use]
    pub fn status(&self) -> Vec<KeyStatus> {
        self.0.0.iter().map(KeyStore::status).collect()
    }

    /// Fetches the keys of every tenant now, whatever is scheduled, and waits for the outcomes.
    ///
    /// # Errors
    ///
    /// Why one of the fetches failed. The keys that were held stay.
    pub async fn refresh_now(&self) -> Result<(), KeyError> {
        let outcomes = all(self.0.0.iter().map(KeyStore::refresh_now).collect(), |_| false).await;
        outcomes.into_iter().collect()
    }

    /// Rejects a key of any tenant from the next request on, with 401 and without a fetch, whatever later
    /// documents say: for a key that is known to be compromised. Lasts until [`reinstate`](Self::reinstate)
    /// or the end of the process.
    pub fn revoke(&self, key: &KeyId) {
        for store in self.0.0.iter() {
            store.revoke(key);
        }
    }

    /// Takes back [`revoke`](Self::revoke).
    pub fn reinstate(&self, key: &KeyId) {
        for store in self.0.0.iter() {
            store.reinstate(key);
        }
    }
}

impl KeySource for RemoteKeys {
    fn lookup(&self, tenant: &TenantId, id: &KeyId) -> Lookup {
        match self.0.find(tenant) {
            Some(store) => store.lookup(id),
            None => Lookup::Rejected(not_ours(tenant)),
        }
    }

    fn is_current(&self, tenant: &TenantId, id: &KeyId, key: &VerificationKey) -> bool {
        self.0.find(tenant).is_some_and(|store| store.is_current(id, key))
    }

    fn resolve(&self, tenant: &TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        match self.0.find(tenant) {
            Some(store) => store.resolve(id.clone()),
            None => Box::pin(std::future::ready(Err(not_ours(tenant)))),
        }
    }

    /// Ready as soon as the keys of one tenant can be used; an error once every tenant's next attempt has
    /// failed. A tenant that never loads is no outage for the others.
    fn ready(&self) -> KeyFuture<Result<(), KeyError>> {
        let keys = self.clone();
        Box::pin(async move {
            let outcomes = all(keys.0.0.iter().map(KeyStore::ready).collect(), Result::is_ok).await;
            outcomes.into_iter().reduce(Result::or).unwrap_or(Ok(()))
        })
    }

    /// Whether the keys of at least one tenant are fresh or stale, not cold or expired. Inside a runtime
    /// this, too, starts the tasks, so that a service that gets no traffic before it is ready becomes so.
    fn is_ready(&self) -> bool {
        // Every tenant is asked, so that each is started.
        self.0.0.iter().filter(|store| store.is_serving()).count() > 0
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(KeyStore::tenant)).finish()
    }
}

/// The keys were built for one policy and serve another: a mistake on this side, which proves nothing of a token.
fn not_ours(tenant: &TenantId) -> KeyError {
    KeyError::unavailable(format!(
        "these keys were built for a policy without the tenant {tenant}; build them from the policy they serve"
    ))
}

/// Waits for all futures at once, or until `is_enough` says that one of the outcomes will do. Outcomes come
/// in the order of their futures; those that were not waited for are missing.
async fn all<T>(mut futures: Vec<KeyFuture<T>>, is_enough: impl Fn(&T) -> bool) -> Vec<T> {
    let mut outcomes: Vec<_> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, outcome) in futures.iter_mut().zip(&mut outcomes) {
            if outcome.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(cx)
            {
                *outcome = Some(ready);
            }
        }
        let is_over = outcomes.iter().all(Option::is_some) || outcomes.iter().flatten().any(&is_enough);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

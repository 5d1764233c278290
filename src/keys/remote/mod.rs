//! Keys from Entra itself: one [`KeyStore`] for each tenant of a policy.

mod builder;
mod cached;
mod client;
pub(crate) mod discovery;
mod endpoint;
mod entra_error;
mod now;
mod on_demand;
mod proxy;
mod race;
mod runtime;
mod schedule;
pub(crate) mod status;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod timing;

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

pub use self::builder::RemoteKeysBuilder;
use self::status::KeyStatus;
use self::store::KeyStore;
use crate::clock::UnixTime;
use crate::cloud::Cloud;
use crate::error::{ConfigError, KeyError};
use crate::ids::{KeyId, TenantId};
use crate::keys::source::{KeyFuture, KeySource, Lookup};
use crate::policy::Policy;
use crate::signature::key::VerificationKey;

/// The keys of a policy's tenants, fetched from their cloud and kept current by one task for each tenant.
///
/// Cheap to clone; clones, and the layers they are given to, share everything. Only the policy says which tenants there
/// are: nothing in a token leads to an address.
///
/// A task starts inside a tokio runtime (with its time and I/O drivers), with the first request,
/// [`wait_for_keys`](KeySource::wait_for_keys), [`is_ready`](KeySource::is_ready) or [`refresh_now`](Self::refresh_now).
/// When its runtime ends, or is not driven for a second beyond the time at which the task had to do something, the next
/// request or waiter starts another on its own runtime. The tasks end when the last clone is dropped.
///
/// Each tenant has its own keys, limits and task. What the keys of a tenant are:
///
/// - Every key document is merged by `kid`. A key that documents stop listing stays for `key_retention`
///   after it was last seen, since Entra's answers differ from one read to the next.
/// - Without a success the keys are served until `stale_limit`; then requests are answered 503.
/// - A request with a `kid` that no document lists causes one fetch, at most one per `refetch_cooldown`, and
///   waits for it for up to 2 seconds, as do up to 1,024 requests at a time.
/// - An attempt that fails (any status but 200, a content coding, more than 1 MiB, no usable key,
///   another issuer, an address outside the cloud) changes nothing but the next rule.
/// - A key whose private half a document publishes is unusable for as long as these keys and those that
///   [take them over](RemoteKeysBuilder::take_over) live, with an event at ERROR: also when it was cached, and when later
///   documents list it without the private members.
/// - There is room for 1,000 entries. Unusable ones go first, then those that are missing for the longest time. A key that
///   the latest document lists goes only if that document lists too many.
/// - When only discovery fails, the last known address of the keys is used, and
///   [`KeyStatus::discovery_error`] says why.
///
/// ```
/// use signalr_upstream_auth::UpstreamAuthLayer;
/// use signalr_upstream_auth::keys::{KeyId, KeyState, RemoteKeys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants};
/// # let policy = Policy::builder(
/// #     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
/// #     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
/// #     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// # )
/// # .build()?;
/// let keys = RemoteKeys::new(&policy)?;
/// let auth = UpstreamAuthLayer::from_keys(policy, keys.clone());
///
/// // For a page of the operator, and for an incident:
/// assert!(keys.status().iter().all(|tenant| tenant.state() == KeyState::Cold), "nothing was fetched yet");
/// keys.revoke(&KeyId::new("kid of the compromised key"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteKeys(Arc<KeyStores>);

struct KeyStores {
    cloud: Cloud,
    /// One for each tenant, in the order of their ids.
    stores: Vec<KeyStore>,
}

impl KeyStores {
    fn find(&self, tenant: TenantId) -> Option<&KeyStore> {
        let place = self.stores.binary_search_by_key(&tenant, KeyStore::tenant).ok()?;
        self.stores.get(place)
    }

    fn start(&self) {
        self.stores.iter().for_each(KeyStore::start);
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

    /// The state of each tenant's keys, in the order of their ids.
    #[must_use]
    pub fn status(&self) -> Vec<KeyStatus> {
        self.0.stores.iter().map(KeyStore::status).collect()
    }

    /// Fetches the keys of every tenant now, whatever is scheduled, and waits for the outcomes: at most for two fetches
    /// of each tenant, since one may be running already. Needs a tokio runtime to wait in.
    ///
    /// # Errors
    ///
    /// Why one of the fetches failed. The cached keys stay.
    pub async fn refresh_now(&self) -> Result<(), KeyError> {
        join_all(self.0.stores.iter().map(KeyStore::refresh_now)).await.into_iter().collect()
    }

    /// Rejects a key of any tenant from the next request on, with 401 and without a fetch, whatever later
    /// documents list: for a key that is known to be compromised. Lasts until [`reinstate`](Self::reinstate)
    /// or the end of the process, for keys that [take these over](RemoteKeysBuilder::take_over), too. To make it last, add the key to
    /// [`PolicyBuilder::revoked_keys`](crate::PolicyBuilder::revoked_keys) or to the setting `revoked_keys`, too.
    pub fn revoke(&self, key: &KeyId) {
        for store in &self.0.stores {
            store.revoke(key);
        }
    }

    /// Takes back [`revoke`](Self::revoke). A key that the policy revokes stays revoked.
    pub fn reinstate(&self, key: &KeyId) {
        for store in &self.0.stores {
            store.reinstate(key);
        }
    }
}

impl KeySource for RemoteKeys {
    fn lookup(&self, tenant: TenantId, id: &KeyId, now: UnixTime) -> Lookup {
        match self.0.find(tenant) {
            Some(store) => store.lookup(id, now),
            None => Lookup::Rejected(not_ours(tenant)),
        }
    }

    fn is_current(&self, tenant: TenantId, id: &KeyId, key: &VerificationKey, now: UnixTime) -> bool {
        self.0.find(tenant).is_some_and(|store| store.is_current(id, key, now))
    }

    fn resolve(&self, tenant: TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        match self.0.find(tenant) {
            Some(store) => store.resolve(id.clone()),
            None => Box::pin(std::future::ready(Err(not_ours(tenant)))),
        }
    }

    /// Starts the task of each tenant. Ready as soon as one tenant has keys to serve; an error once the next attempt of
    /// every tenant has failed. A tenant that never loads is no outage for the others.
    fn wait_for_keys(&self) -> KeyFuture<Result<(), KeyError>> {
        let keys = self.clone();
        Box::pin(async move {
            keys.0.start();
            let mut waits: FuturesUnordered<_> = keys.0.stores.iter().map(KeyStore::wait_for_keys).collect();
            let mut outcome = Ok(());
            while let Some(next) = waits.next().await {
                outcome = next;
                if outcome.is_ok() {
                    break;
                }
            }
            outcome
        })
    }

    /// Whether at least one tenant has keys to serve: fresh or stale, not cold or expired. Inside a runtime it also starts
    /// the task of each tenant.
    fn is_ready(&self) -> bool {
        self.0.start();
        self.0.stores.iter().any(KeyStore::is_serving)
    }

    /// Whether this tenant has keys to serve. Inside a runtime it also starts the task of each tenant. `false` for a tenant
    /// that the policy does not have.
    fn is_ready_for(&self, tenant: TenantId) -> bool {
        self.0.start();
        self.0.find(tenant).is_some_and(KeyStore::is_serving)
    }

    /// Of the first tenant whose latest attempt failed, and of one without keys to serve before all others.
    fn last_error(&self) -> Option<KeyError> {
        let failed = |store: &&KeyStore| store.status().last_error().is_some();
        let (stores, without_keys) = (&self.0.stores, |store: &&KeyStore| !store.is_serving());
        let store = stores.iter().filter(failed).find(without_keys).or_else(|| stores.iter().find(failed))?;
        store.status().last_error().cloned()
    }
}

impl fmt::Debug for KeyStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.stores.iter().map(KeyStore::tenant)).finish()
    }
}

/// The keys were built for one policy and serve another: a mistake in this program, which proves nothing of a token.
fn not_ours(tenant: TenantId) -> KeyError {
    KeyError::unavailable(format!(
        "these keys were built for a policy without the tenant {tenant}; build them from the policy they serve"
    ))
}

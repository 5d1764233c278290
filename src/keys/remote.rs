//! Keys from Entra itself: one [`KeyStore`] for each tenant of a policy.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::endpoint::{self, ConfigureClient, Endpoint};
use super::jwks::KeySet;
use super::source::{KeyFuture, KeySource, Lookup};
use super::status::KeyStatus;
use super::store::KeyStore;
use super::timing::Timing;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::error::{ConfigError, ConfigFault, KeyError};
use crate::ids::{KeyId, TenantId};
use crate::key::VerificationKey;
use crate::policy::Policy;
use crate::policy::cloud::Cloud;

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
        RemoteKeysBuilder {
            cloud: policy.cloud().clone(),
            tenants: policy.tenants().iter().copied().collect(),
            timing: Timing::default(),
            clock: Arc::new(SystemClock),
            seeds: HashMap::new(),
            configure_client: Box::new(|client| client),
        }
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

    /// Refuses a key of any tenant from the next request on, with 401 and without a fetch, whatever later
    /// documents say: for a key that is known to be compromised. Lasts until [`unforget`](Self::unforget)
    /// or the end of the process.
    pub fn forget(&self, key: &KeyId) {
        for store in self.0.0.iter() {
            store.forget(key);
        }
    }

    /// Takes back [`forget`](Self::forget).
    pub fn unforget(&self, key: &KeyId) {
        for store in self.0.0.iter() {
            store.unforget(key);
        }
    }
}

impl KeySource for RemoteKeys {
    fn lookup(&self, tenant: &TenantId, id: &KeyId) -> Lookup {
        match self.0.find(tenant) {
            Some(store) => store.lookup(id),
            None => Lookup::Refused(not_ours(tenant)),
        }
    }

    fn still_holds(&self, tenant: &TenantId, id: &KeyId, key: &VerificationKey) -> bool {
        self.0.find(tenant).is_some_and(|store| store.still_holds(id, key))
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

/// Builds [`RemoteKeys`].
#[must_use]
pub struct RemoteKeysBuilder {
    cloud: Cloud,
    tenants: Vec<TenantId>,
    timing: Timing,
    clock: Arc<dyn Clock>,
    seeds: HashMap<TenantId, (KeySet, UnixTime)>,
    configure_client: ConfigureClient,
}

impl RemoteKeysBuilder {
    /// Between two scheduled refreshes, 10 % more or less at random, and never more than half the stale
    /// limit. Default: 1 hour; at most 12 hours.
    pub fn refresh(mut self, every: Duration) -> Self {
        self.timing.refresh = every;
        self
    }

    /// Between the beginnings of two fetches that requests with unknown keys cause. Failed ones count.
    /// Default: 30 seconds.
    pub fn refetch_cooldown(mut self, wait: Duration) -> Self {
        self.timing.refetch_cooldown = wait;
        self
    }

    /// How long a key stays after good answers stopped listing it; 0 replaces the set with every answer.
    /// Default: 24 hours; at most 7 days.
    pub fn key_retention(mut self, keep: Duration) -> Self {
        self.timing.key_retention = keep;
        self
    }

    /// How long keys are served after the last good answer. Default: 24 hours; at most 7 days.
    pub fn stale_limit(mut self, limit: Duration) -> Self {
        self.timing.stale_limit = limit;
        self
    }

    /// How long one fetch may take, both documents together, to the last byte. Default: 5 seconds.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.timing.fetch_timeout = timeout;
        self
    }

    /// Another wall clock than the system's. It only matters for the age of keys across a suspend, for the age
    /// of seeds (which are not served while it cannot be read), and for a `Retry-After` that is a date.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts a tenant with keys from elsewhere, say a file, as its key document stood at `taken`. They
    /// count as a good answer of that time: served until the stale limit, and fetched anew at once.
    pub fn seed(mut self, tenant: TenantId, keys: KeySet, taken: UnixTime) -> Self {
        self.seeds.insert(tenant, (keys, taken));
        self
    }

    /// Configures the HTTPS client: a proxy, another certificate authority, a resolver.
    ///
    /// Proxies are otherwise taken from the environment (`HTTPS_PROXY`, `NO_PROXY`) and certificates from
    /// the system's store (`SSL_CERT_FILE` names another). What is safe to rely on is set afterwards and
    /// cannot be undone here: rustls with checked certificates, TLS 1.2 or later, HTTPS only (plain HTTP
    /// for a custom cloud on loopback), HTTP/1.1, no redirects, no decompression, the deadlines.
    ///
    /// Reqwest is not at 1.0: its version here is this crate's, re-exported as
    /// [`crate::reqwest`].
    pub fn configure_client<F>(mut self, configure: F) -> Self
    where
        F: FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    {
        self.configure_client = Box::new(configure);
        self
    }

    /// Builds the key source. Starts nothing and connects nowhere.
    ///
    /// # Errors
    ///
    /// Names each of `refresh_secs`, `key_retention_secs`, `stale_limit_secs` and `fetch_timeout_secs` that is
    /// out of its bounds, a `seed` for a tenant that is not the policy's, and `https_client` when the
    /// client cannot be built, as on a machine without certificates.
    pub fn build(self) -> Result<RemoteKeys, ConfigError> {
        let Self { cloud, mut tenants, timing, clock, mut seeds, configure_client } = self;
        tenants.sort_unstable();
        tenants.dedup();
        let address = tenants.first().map_or(Ok(()), |tenant| endpoint::check_address(&cloud, tenant));
        let faults = [address, timing.check(), check_seeds(&seeds, &tenants)].into_iter().filter_map(Result::err);
        let client = match faults.reduce(ConfigError::join) {
            Some(faults) => return Err(faults),
            None => endpoint::client(&cloud, timing.fetch_timeout, configure_client)?,
        };
        let store = |tenant| {
            let endpoint =
                Endpoint::new(client.clone(), cloud.clone(), tenant, Arc::clone(&clock), timing.fetch_timeout);
            let endpoint = Arc::new(endpoint);
            let fetch = Arc::new(move || -> KeyFuture<_> {
                let endpoint = Arc::clone(&endpoint);
                Box::pin(async move { endpoint.fetch().await })
            });
            KeyStore::new(tenant, timing, Arc::clone(&clock), seeds.remove(&tenant), fetch)
        };
        Ok(RemoteKeys(Arc::new(Tenants(tenants.into_iter().map(store).collect()))))
    }
}

fn check_seeds(seeds: &HashMap<TenantId, (KeySet, UnixTime)>, tenants: &[TenantId]) -> Result<(), ConfigError> {
    let mut strangers: Vec<_> = seeds.keys().filter(|tenant| !tenants.contains(tenant)).collect();
    strangers.sort_unstable();
    let fault = |tenant| ConfigFault::new("seed", format!("tenant {tenant} is not among the policy's tenants"));
    ConfigError::from_faults(strangers.into_iter().map(fault).collect()).map_or(Ok(()), Err)
}

impl fmt::Debug for RemoteKeysBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeysBuilder")
            .field("cloud", &self.cloud)
            .field("tenants", &self.tenants)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

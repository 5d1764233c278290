//! How [`RemoteKeys`] are built: settings, client, seeds.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;

use super::client::{self, ConfigureClient};
use super::endpoint::{self, Endpoint};
use super::race::System;
use super::store::KeyStore;
use super::timing::Timing;
use super::{KeyStores, RemoteKeys};
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::cloud::Cloud;
use crate::error::{ConfigError, ConfigFault};
use crate::ids::{KeyId, TenantId};
use crate::keys::jwks::KeySet;
use crate::keys::source::KeyFuture;
use crate::policy::Policy;

/// Builds [`RemoteKeys`].
///
/// ```
/// use std::time::Duration;
///
/// use signalr_upstream_auth::UpstreamAuthLayer;
/// use signalr_upstream_auth::keys::RemoteKeys;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants};
/// # let policy = Policy::builder(
/// #     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
/// #     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
/// #     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// # )
/// # .build()?;
/// let hours = |hours: u64| Duration::from_secs(hours * 3600);
/// let keys = RemoteKeys::builder(&policy).key_retention(hours(12)).stale_limit(hours(12)).build()?;
/// let auth = UpstreamAuthLayer::from_keys(policy, keys);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct RemoteKeysBuilder {
    cloud: Cloud,
    tenants: Vec<TenantId>,
    revoked: Vec<KeyId>,
    timing: Timing,
    clock: Arc<dyn Clock>,
    former: Option<RemoteKeys>,
    seeds: HashMap<TenantId, (KeySet, UnixTime)>,
    resolver: Arc<dyn Resolve>,
    configure_client: ConfigureClient,
}

impl RemoteKeysBuilder {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            cloud: policy.cloud().clone(),
            tenants: policy.tenants().iter().copied().collect(),
            revoked: policy.revoked_keys().to_vec(),
            timing: Timing::default(),
            clock: Arc::new(SystemClock),
            former: None,
            seeds: HashMap::new(),
            resolver: Arc::new(System),
            configure_client: Box::new(|client| client),
        }
    }

    /// The interval between two scheduled refreshes, 10 % more or less at random, and never more than half the
    /// stale limit. Failed attempts are repeated no later than that. Default: 1 hour; at least 100 ms, at most 12 hours.
    pub fn refresh(mut self, every: Duration) -> Self {
        self.timing.refresh = every;
        self
    }

    /// The interval between the beginnings of two fetches that requests with unknown keys cause. Failures count, too.
    /// Default: 30 seconds; at least 1 second.
    pub fn refetch_cooldown(mut self, wait: Duration) -> Self {
        self.timing.refetch_cooldown = wait;
        self
    }

    /// How long a key stays after it was last seen in a key document; 0 replaces the set with every document.
    /// Default: 24 hours; at most 7 days.
    pub fn key_retention(mut self, keep: Duration) -> Self {
        self.timing.key_retention = keep;
        self
    }

    /// How long keys are served after the last success. Default: 24 hours; at least 100 ms, at most 7 days.
    pub fn stale_limit(mut self, limit: Duration) -> Self {
        self.timing.stale_limit = limit;
        self
    }

    /// How long one fetch may take, both documents together, to the last byte. The only deadline on the way: looking up
    /// the name, connecting, the tunnel of a proxy and the TLS handshake share it. Default: 10 seconds; at most 60 seconds.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.timing.fetch_timeout = timeout;
        self
    }

    /// Replaces every duration at once.
    pub(crate) fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Another wall clock than the system's. It matters only for the age of keys across a suspend, for the age
    /// of seeds (which are not served while it cannot be read), and for a `Retry-After` that is a date. Requests
    /// bring the time of the validator's clock instead, so the two must not differ by as much as `stale_limit`.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Starts a tenant with keys from elsewhere, such as a file, as its key document was at `taken`. They
    /// count as a success of that time: they are served until the stale limit, and fetched anew at once.
    pub fn seed(mut self, tenant: TenantId, keys: KeySet, taken: UnixTime) -> Self {
        self.seeds.insert(tenant, (keys, taken));
        self
    }

    /// Starts each tenant with what other keys know of it, for a program that builds its layer anew while it runs, such as
    /// with new settings: the cached keys with their ages, the revoked ones, and those whose private half was published.
    /// Requests are served without a wait, and the keys are fetched anew at once.
    ///
    /// A tenant that `former` lacks starts without keys, and so does every tenant if `former` is of another cloud. A
    /// tenant with keys of `former` ignores its [`seed`](Self::seed). Both have to use the same [`clock`](Self::clock).
    pub fn take_over(mut self, former: &RemoteKeys) -> Self {
        self.former = Some(former.clone());
        self
    }

    /// Looks up names by another resolver than the system's.
    ///
    /// Its addresses are tried as those of the system are: the families take turns, each address begins 250 ms after the
    /// one before it or as soon as that fails, earlier ones go on meanwhile, and the first whose TLS handshake succeeds is
    /// used (RFC 8305). At most 16 are tried. After a failed fetch the next one begins with another address, of the other family
    /// if the failure had a connection.
    pub fn dns_resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Configures the HTTPS client: a proxy, another certificate authority.
    ///
    /// Proxies are otherwise taken from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`; HTTP and SOCKS) and
    /// certificates from the system's store. `SSL_CERT_FILE` and `SSL_CERT_DIR` *replace* the system's store on Linux and
    /// other Unix systems: what they name must contain every root that you need.
    ///
    /// What security rests on is set afterwards and cannot be undone here: rustls with checked certificates, TLS 1.2 or
    /// later, HTTPS only (plain HTTP for a custom cloud on loopback), HTTP/1.1, no redirects, no decompression, the
    /// deadline.
    ///
    /// A resolver belongs to [`dns_resolver`](Self::dns_resolver). The addresses of one that you set here are tried one
    /// after the other, each for its share of the fetch timeout. The client's switch for Hickory DNS has no effect.
    ///
    /// Reqwest is not at 1.0: its version here is this crate's, re-exported as
    /// [`crate::keys::reqwest`].
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
    /// Names `cloud.login` when it is no host that can be asked. Names each of `refresh_secs`, `refetch_cooldown_secs`, `key_retention_secs`, `stale_limit_secs` and
    /// `fetch_timeout_secs` that is out of its bounds, a `seed` for a tenant that is not the policy's, and `https_client` when the
    /// client cannot be built, as on a machine without certificates. A variable such as `HTTPS_PROXY` is named when its value
    /// is no proxy.
    pub fn build(self) -> Result<RemoteKeys, ConfigError> {
        let Self { cloud, mut tenants, revoked, timing, clock, former, mut seeds, resolver, configure_client } = self;
        tenants.sort_unstable();
        tenants.dedup();
        let address = tenants.first().map_or(Ok(()), |tenant| endpoint::discovery_url(&cloud, tenant).map(drop));
        let faults = [address, timing.check(), check_seeds(&seeds, &tenants)].into_iter().filter_map(Result::err);
        let client = match faults.reduce(ConfigError::join) {
            Some(faults) => return Err(faults),
            None => client::build(&cloud, timing.fetch_timeout, resolver, configure_client)?,
        };
        let former = former.filter(|former| former.0.cloud == cloud);
        let store = |tenant| {
            let endpoint =
                Endpoint::new(client.clone(), cloud.clone(), tenant, Arc::clone(&clock), timing.fetch_timeout)?;
            let endpoint = Arc::new(endpoint);
            let fetch = Arc::new(move || -> KeyFuture<_> {
                let endpoint = Arc::clone(&endpoint);
                Box::pin(async move { endpoint.fetch().await })
            });
            let store = KeyStore::new(tenant, timing, Arc::clone(&clock), seeds.remove(&tenant), fetch);
            if let Some(former) = former.as_ref().and_then(|former| former.0.find(tenant)) {
                store.take_over(former);
            }
            // The policy rejects them in any case. Here they no longer count among the keys to verify with.
            revoked.iter().for_each(|key| store.revoke(key));
            Ok(store)
        };
        let stores = tenants.into_iter().map(store).collect::<Result<_, ConfigError>>()?;
        Ok(RemoteKeys(Arc::new(KeyStores { cloud, stores })))
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

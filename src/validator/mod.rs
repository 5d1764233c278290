//! The whole check without tower: headers in, [`Claims`] or [`Rejection`] out.

mod cache;
mod shards;

use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use tracing::Instrument as _;

use self::cache::TokenCache;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::error::{Rejection, RejectionKind};
use crate::ids::{KeyId, TenantId};
use crate::keys::source::{KeySource, Lookup};
use crate::policy::Policy;
use crate::policy::claims::Claims;
use crate::policy::stages::{AuthorizedToken, CheckedToken};
use crate::signature::key::VerificationKey;
use crate::telemetry::events;
use crate::telemetry::meter::{self, KeyWaiter, Stopwatch};
use crate::telemetry::rejection_log::RejectionLog;
use crate::telemetry::unverified::UnverifiedFields;
use crate::token::UnverifiedToken;
use crate::token::bearer::BearerToken;
use crate::token::compact::CompactJws;

/// Checks requests against a [`Policy`] with the keys of a [`KeySource`]. Cheap to clone; clones share
/// the keys and the token cache.
///
/// The checks run in the order of [`CheckName::ALL`](crate::CheckName::ALL). The first that fails decides.
///
/// ```
/// # #[cfg(feature = "remote")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
/// use signalr_upstream_auth::keys::RemoteKeys;
/// use signalr_upstream_auth::{CheckName, Validator};
/// # use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants};
/// # let policy = Policy::builder(
/// #     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
/// #     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
/// #     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// # )
/// # .build()?;
///
/// let keys = RemoteKeys::new(&policy)?;
/// let validator = Validator::new(policy, keys);
/// let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer e30.e30.e30"))]);
/// match validator.validate(&headers).await {
///     Ok(claims) => println!("called by {}", claims.object_id()),
///     Err(rejection) => assert_eq!((rejection.status().as_u16(), rejection.check()), (401, CheckName::Header)),
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "remote"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct Validator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Policy,
    keys: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    cache: TokenCache,
    cache_bytes: u64,
    rejections: RejectionLog,
}

/// What a validator is built from.
struct Parts {
    policy: Policy,
    keys: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    cache_bytes: u64,
    logs_unverified_fields: bool,
}

impl Validator {
    /// A validator on the system's clock with a token cache of at most 8 MiB.
    #[must_use]
    pub fn new(policy: Policy, keys: impl KeySource) -> Self {
        Self::build(Parts {
            policy,
            keys: Arc::new(keys),
            clock: Arc::new(SystemClock),
            cache_bytes: CACHE_BYTES,
            logs_unverified_fields: true,
        })
    }

    /// Checks the times of tokens by another clock. The token cache and the counts of the rejection log start empty.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self::build(Parts { clock: Arc::new(clock), ..self.parts() })
    }

    /// Bounds the token cache to another number of bytes. 0 verifies every token every time; 8 MiB hold about 3,000
    /// tokens of the usual size. The token cache and the counts of the rejection log start empty.
    #[must_use]
    pub fn with_token_cache_bytes(self, bytes: u64) -> Self {
        Self::build(Parts { cache_bytes: bytes, ..self.parts() })
    }

    /// Whether events on rejections contain unverified fields, which can be personal data: `true` unless you say
    /// otherwise. See [`UpstreamAuthLayer::log_unverified_fields`](crate::UpstreamAuthLayer::log_unverified_fields). The
    /// token cache and the counts of the rejection log start empty.
    #[must_use]
    pub fn log_unverified_fields(self, is_logged: bool) -> Self {
        Self::build(Parts { logs_unverified_fields: is_logged, ..self.parts() })
    }

    fn parts(&self) -> Parts {
        Parts {
            policy: self.0.policy.clone(),
            keys: Arc::clone(&self.0.keys),
            clock: Arc::clone(&self.0.clock),
            cache_bytes: self.0.cache_bytes,
            logs_unverified_fields: self.logs_unverified_fields(),
        }
    }

    fn build(parts: Parts) -> Self {
        meter::start();
        let Parts { policy, keys, clock, cache_bytes, logs_unverified_fields } = parts;
        let cache = TokenCache::new(cache_bytes, policy.clock_skew());
        let rejections = RejectionLog::new(logs_unverified_fields);
        Self(Arc::new(Inner { policy, keys, clock, cache, cache_bytes, rejections }))
    }

    /// Checks the headers of a request.
    ///
    /// Waits only when the token names a key that is not cached, for as long as the key source does.
    ///
    /// # Errors
    ///
    /// The first check that failed.
    pub async fn validate(&self, headers: &HeaderMap) -> Result<Claims, Rejection> {
        self.check_headers(headers).outcome().await
    }

    /// Checks the values of the `Authorization` headers of a request, as bytes: for frameworks with other header types,
    /// such as actix-web.
    ///
    /// Pass **every** value, in any order. A request with two is rejected, since a proxy may have read the other one.
    /// Most frameworks have a method that returns the first value only; with it, you lose this check.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use signalr_upstream_auth::{Audiences, Callers, Policy, RejectionKind, Tenants, UpstreamAuthLayer};
    /// # let policy = Policy::builder(
    /// #     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
    /// #     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
    /// #     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
    /// # );
    /// # let validator = UpstreamAuthLayer::new(policy.build()?)?.validator().clone();
    /// let other_scheme = validator.validate_header_values(["Basic eDp5"]).await;
    /// assert_eq!(other_scheme.unwrap_err().kind(), RejectionKind::UnsupportedScheme);
    /// let line = "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA";
    /// let twice = validator.validate_header_values([line, line]).await;
    /// assert_eq!(twice.unwrap_err().kind(), RejectionKind::MultipleCredentials);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub async fn validate_header_values<V>(&self, values: impl IntoIterator<Item = V>) -> Result<Claims, Rejection>
    where
        V: AsRef<[u8]>,
    {
        // Two say as much as all of them.
        let values: Vec<V> = values.into_iter().take(2).collect();
        let token = BearerToken::from_lines(values.iter().map(AsRef::as_ref));
        self.check_credentials(token, || UnverifiedFields::of_token(token)).outcome().await
    }

    /// Checks a token without a header and without the word `Bearer`: from the metadata of a gRPC call, or from a
    /// message of a queue.
    ///
    /// The sender must not have a second place to put a token, or you must check that there is none.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate). An empty token, or one with a blank, is
    /// [`MalformedCredentials`](crate::RejectionKind::MalformedCredentials).
    pub async fn validate_token(&self, token: impl AsRef<[u8]>) -> Result<Claims, Rejection> {
        let token = BearerToken::from_token68(token.as_ref());
        self.check_credentials(token, || UnverifiedFields::of_token(token)).outcome().await
    }

    /// The key source.
    #[must_use]
    pub fn keys(&self) -> &dyn KeySource {
        &*self.0.keys
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// Whether events on rejections contain unverified fields.
    pub(crate) fn logs_unverified_fields(&self) -> bool {
        self.0.rejections.has_unverified_fields()
    }

    /// The time by this validator's clock.
    pub(crate) fn now(&self) -> Option<UnixTime> {
        self.0.clock.now()
    }
}

/// A request, from its headers to a verdict: counted, logged, and its token cached.
impl Validator {
    /// Checks a request as far as that goes without waiting.
    fn check_headers(&self, headers: &HeaderMap) -> Verdict {
        self.check_credentials(BearerToken::from_headers(headers), || UnverifiedFields::of(headers))
    }

    /// The same for the headers of a request that is passed on: marks its `Authorization` header sensitive. A hit looks
    /// the header up once, as long as no other header is repeated.
    pub(crate) fn check_and_mark(&self, headers: &mut HeaderMap) -> Verdict {
        let now = self.now();
        let missed = match BearerToken::from_marked_headers(headers) {
            Ok(token) => match self.cached(token, now) {
                Some(claims) => return Verdict::Accepted(claims),
                None => Ok(()),
            },
            Err(kind) => Err(kind),
        };
        let unverified = || UnverifiedFields::of(headers);
        match missed.and_then(|()| BearerToken::from_headers(headers)) {
            Ok(token) => self.check_missed(token, now, unverified),
            Err(kind) => Verdict::Rejected(self.reject(kind.into(), now, unverified)),
        }
    }

    /// The same for a token that was found, or not. `unverified` is called for a request that is rejected or waits.
    fn check_credentials(
        &self,
        token: Result<BearerToken<'_>, RejectionKind>,
        unverified: impl FnOnce() -> UnverifiedFields,
    ) -> Verdict {
        let now = self.now();
        match token {
            Ok(token) => match self.cached(token, now) {
                Some(claims) => Verdict::Accepted(claims),
                None => self.check_missed(token, now, unverified),
            },
            Err(kind) => Verdict::Rejected(self.reject(kind.into(), now, unverified)),
        }
    }

    /// The same for a token that is not in the cache.
    fn check_missed(
        &self,
        token: BearerToken<'_>,
        now: Option<UnixTime>,
        unverified: impl FnOnce() -> UnverifiedFields,
    ) -> Verdict {
        let stopwatch = Stopwatch::start();
        match self.check_token(token, now) {
            Ok(authorized) => {
                stopwatch.stop();
                Verdict::Accepted(self.accept(token, authorized, now))
            }
            Err(Unfinished::Rejected(rejection)) => {
                stopwatch.stop();
                Verdict::Rejected(self.reject(rejection, now, unverified))
            }
            Err(Unfinished::NeedsKey(tenant, key_id)) => {
                let is_logged = self.logs_unverified_fields() && RejectionLog::is_enabled();
                let unverified = if is_logged { unverified() } else { UnverifiedFields::default() };
                Verdict::Waiting(self.wait_for_key(token, tenant, key_id, unverified))
            }
        }
    }

    /// The claims of a cached token that would be accepted at `now`, too. Times and key are checked with each request;
    /// the rest follows from the same bytes and the same policy. When one of them fails, the full check finds the reason.
    fn cached(&self, token: BearerToken<'_>, now: Option<UnixTime>) -> Option<Claims> {
        let now = now?;
        self.0.cache.get(token, now, |cached, claims| {
            let (key_id, key) = (cached.authorized.key_id(), cached.authorized.key());
            let is_accepted = cached.window.contains(now) && self.0.keys.is_current(cached.tenant, key_id, key, now);
            is_accepted.then(|| {
                meter::token_cache_hit();
                meter::accepted();
                claims.clone()
            })
        })
    }

    /// Waits for the key of a token, then checks the token again, by the time that it is then.
    fn wait_for_key(
        &self,
        token: BearerToken<'_>,
        tenant: TenantId,
        key_id: KeyId,
        unverified: UnverifiedFields,
    ) -> Pending {
        let (validator, token, waiter) = (self.clone(), token.as_bytes().to_vec(), KeyWaiter::start());
        let check = async move {
            let key = validator.keys().resolve(tenant, &key_id).await;
            waiter.end();
            let now = validator.now();
            let token = BearerToken::from_token68(&token)?;
            let outcome = key.map_err(Rejection::from).and_then(|key| {
                let stopwatch = Stopwatch::start();
                let outcome = validator.check_with_key(token, key, now);
                stopwatch.stop();
                outcome
            });
            match outcome {
                Ok(authorized) => Ok(validator.accept(token, authorized, now)),
                Err(rejection) => Err(validator.reject(rejection, now, || unverified)),
            }
        };
        // Both: where DEBUG is off the new span is none, and the check still has to run in the span of the request.
        let span = tracing::debug_span!(target: events::REQUESTS, "key_wait");
        Box::pin(check.instrument(span).in_current_span())
    }

    /// Counts an accepted token and inserts it into the cache.
    fn accept(&self, token: BearerToken<'_>, authorized: AuthorizedToken, now: Option<UnixTime>) -> Claims {
        meter::accepted();
        let claims = authorized.claims().clone();
        self.0.cache.insert(token, authorized, now);
        claims
    }

    /// Counts and logs a rejection.
    fn reject(
        &self,
        rejection: Rejection,
        now: Option<UnixTime>,
        unverified: impl FnOnce() -> UnverifiedFields,
    ) -> Rejection {
        meter::rejected(rejection.kind());
        self.0.rejections.record(&rejection, now, unverified);
        rejection
    }
}

/// The check of a token that is not in the cache. Nothing is counted, logged or cached.
impl Validator {
    /// Checks a token as far as that goes with the cached keys.
    pub(crate) fn check_token(
        &self,
        token: BearerToken<'_>,
        now: Option<UnixTime>,
    ) -> Result<AuthorizedToken, Unfinished> {
        let jws = CompactJws::decode(token).map_err(Rejection::from)?;
        let checked = self.0.policy.check_claims(UnverifiedToken::parse(&jws)?, now)?;
        let tenant = checked.tenant();
        match self.0.keys.lookup(tenant, checked.key_id(), checked.at()) {
            Lookup::Found(key) => Ok(self.finish(checked, key)?),
            Lookup::Rejected(error) => Err(Rejection::from(error).into()),
            Lookup::Miss => Err(Unfinished::NeedsKey(tenant, checked.key_id().clone())),
        }
    }

    /// The same for a token whose key had to be resolved.
    pub(crate) fn check_with_key(
        &self,
        token: BearerToken<'_>,
        key: VerificationKey,
        now: Option<UnixTime>,
    ) -> Result<AuthorizedToken, Rejection> {
        let jws = CompactJws::decode(token)?;
        let checked = self.0.policy.check_claims(UnverifiedToken::parse(&jws)?, now)?;
        self.finish(checked, key)
    }

    /// Everything from the key on: whether it is trusted, the signature, the caller.
    fn finish(&self, checked: CheckedToken<'_>, key: VerificationKey) -> Result<AuthorizedToken, Rejection> {
        let trusted = self.0.policy.check_key(checked, key)?;
        let verified = trusted.verify()?;
        self.0.policy.authorize(verified)
    }
}

/// The outcome of a request so far.
pub(crate) enum Verdict {
    Accepted(Claims),
    Rejected(Rejection),
    /// The token names a key that has to be resolved first.
    Waiting(Pending),
}

impl Verdict {
    /// The outcome, after the wait if there is one.
    async fn outcome(self) -> Result<Claims, Rejection> {
        match self {
            Self::Accepted(claims) => Ok(claims),
            Self::Rejected(rejection) => Err(rejection),
            Self::Waiting(pending) => pending.await,
        }
    }
}

/// A check that waits for its key.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Claims, Rejection>> + Send>>;

/// Why a check has not accepted a token.
pub(crate) enum Unfinished {
    Rejected(Rejection),
    /// The key of this tenant is not cached.
    NeedsKey(TenantId, KeyId),
}

impl From<Rejection> for Unfinished {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

const CACHE_BYTES: u64 = 8 * 1024 * 1024;

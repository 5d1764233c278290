//! The whole check without tower: headers in, [`Claims`] or [`Rejection`] out.

pub(crate) mod cache;

use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use tracing::Instrument as _;

use crate::claims::Claims;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::error::Rejection;
use crate::ids::{KeyId, TenantId};
use crate::keys::source::{KeySource, Lookup};
use crate::policy::Policy;
use crate::policy::stages::CheckedToken;
use crate::signature::key::VerificationKey;
use crate::telemetry::events;
use crate::telemetry::meter::{self, Stopwatch};
use crate::telemetry::rejection_log::RejectionLog;
use crate::telemetry::unverified::UnverifiedFields;
use crate::token::bearer::BearerToken;
use crate::token::{CompactJws, UnverifiedToken};
use crate::validator::cache::TokenCache;

/// Checks requests against a [`Policy`] with the keys of a [`KeySource`]. Cheap to clone; clones share
/// keys and the memory of verified tokens.
///
/// The checks, in order: credentials, size, form, header, claim types, version, tenant, issuer,
/// audience, times, key, signature, app-only, caller, role. The first that fails decides.
#[derive(Clone, Debug)]
pub struct Validator(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    policy: Policy,
    keys: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    verified: TokenCache,
    verified_bytes: u64,
    rejections: RejectionLog,
}

impl Validator {
    /// A validator on the system's clock that remembers verified tokens in at most 8 MiB.
    #[must_use]
    pub fn new(policy: Policy, keys: Arc<dyn KeySource>) -> Self {
        Self::build(policy, keys, Arc::new(SystemClock), VERIFIED_BYTES)
    }

    /// The same with another clock for the times of tokens, and with nothing remembered.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self::build(self.0.policy.clone(), Arc::clone(&self.0.keys), clock, self.0.verified_bytes)
    }

    /// The same with another bound for the memory of verified tokens, in bytes, and with nothing
    /// remembered. 0 verifies every token every time. 8 MiB hold about 3,000 tokens of the usual size.
    #[must_use]
    pub fn with_token_cache_bytes(self, bytes: u64) -> Self {
        Self::build(self.0.policy.clone(), Arc::clone(&self.0.keys), Arc::clone(&self.0.clock), bytes)
    }

    fn build(policy: Policy, keys: Arc<dyn KeySource>, clock: Arc<dyn Clock>, verified_bytes: u64) -> Self {
        Self(Arc::new(Parts {
            policy,
            keys,
            clock,
            verified: TokenCache::new(verified_bytes),
            verified_bytes,
            rejections: RejectionLog::default(),
        }))
    }

    /// Checks the headers of a request.
    ///
    /// Waits only when the token names a key that is not at hand, for as long as the key source does.
    ///
    /// # Errors
    ///
    /// The first check that failed.
    pub async fn validate(&self, headers: &HeaderMap) -> Result<Claims, Rejection> {
        match self.judge(headers) {
            Verdict::Accepted(claims) => Ok(claims),
            Verdict::Rejected(rejection) => Err(rejection),
            Verdict::Waiting(pending) => pending.await,
        }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeySource> {
        &self.0.keys
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The time by this validator's clock.
    pub(crate) fn now(&self) -> Option<UnixTime> {
        self.0.clock.now()
    }
}

/// The way of a request.
impl Validator {
    /// Judges a request as far as that goes without waiting, counts it and logs a rejection.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let now = self.now();
        let verdict = match BearerToken::from_headers(headers) {
            Ok(token) => match self.recognise(token, now) {
                Some(claims) => {
                    meter::token_cache_hit();
                    Verdict::Accepted(claims)
                }
                None => self.measure(token, now),
            },
            Err(kind) => Verdict::Rejected(kind.into()),
        };
        match verdict {
            Verdict::Accepted(claims) => {
                meter::accepted();
                Verdict::Accepted(claims)
            }
            Verdict::Rejected(rejection) => {
                self.report(&rejection, now, || UnverifiedFields::of(headers));
                Verdict::Rejected(rejection)
            }
            Verdict::Waiting(pending) => Verdict::Waiting(self.watch(pending, headers, now)),
        }
    }

    /// Whether the token was accepted before and would be again at this moment. Everything that may have
    /// changed since is asked anew, of the clock and of the key source; where one of them says no, the
    /// full check finds the reason.
    fn recognise(&self, token: BearerToken<'_>, now: Option<UnixTime>) -> Option<Claims> {
        self.0.verified.find(token, |known, claims| {
            self.0.policy.check_times(&known.validity, now).ok()?;
            let is_held = self.0.keys.is_current(claims.tenant_id(), &known.key_id, &known.key);
            is_held.then(|| claims.clone())
        })
    }

    /// The whole check with the time it took, which a check that waits takes down when it goes on.
    fn measure(&self, token: BearerToken<'_>, now: Option<UnixTime>) -> Verdict {
        let stopwatch = Stopwatch::start();
        let verdict = self.check(token, now);
        if !matches!(verdict, Verdict::Waiting(_)) {
            stopwatch.checked();
        }
        verdict
    }

    /// The whole check of a token as if it came for the first time, not counted and not logged.
    pub(crate) fn check(&self, token: BearerToken<'_>, now: Option<UnixTime>) -> Verdict {
        self.examine(token, now, |checked| self.decide(token, checked)).unwrap_or_else(Verdict::Rejected)
    }

    /// Reads a token and goes on with it if it is checked.
    fn examine<T>(
        &self,
        token: BearerToken<'_>,
        now: Option<UnixTime>,
        go_on: impl FnOnce(CheckedToken<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let segments = CompactJws::decode(token)?;
        let unverified = UnverifiedToken::parse(&segments)?;
        go_on(self.0.policy.check_claims(unverified, now)?)
    }

    /// Decides with the key at hand, or says that it has to be found first.
    fn decide(&self, token: BearerToken<'_>, checked: CheckedToken<'_>) -> Result<Verdict, Rejection> {
        let tenant = checked.checked_claims().tenant;
        match self.0.keys.lookup(tenant, checked.key_id()) {
            Lookup::Found(key) => self.conclude(token, checked, key).map(Verdict::Accepted),
            Lookup::Rejected(error) => Err(error.into()),
            Lookup::Miss => {
                let key = checked.key_id().clone();
                let token = token.as_bytes().to_vec();
                Ok(Verdict::Waiting(Box::pin(self.clone().find_key(token, tenant, key))))
            }
        }
    }

    /// Waits for the key, then decides as [`decide`](Self::decide) does, by the time that it is then: a
    /// key source may take as long as it likes.
    async fn find_key(self, token: Vec<u8>, tenant: TenantId, key: KeyId) -> Result<Claims, Rejection> {
        let key = self.0.keys.resolve(tenant, &key).await?;
        let stopwatch = Stopwatch::start();
        let decided = BearerToken::from_token68(&token)
            .map_err(Rejection::from)
            .and_then(|token| self.examine(token, self.now(), |checked| self.conclude(token, checked, key)));
        stopwatch.checked();
        decided
    }

    /// Everything from the key on: whether it fits, the signature, the caller.
    fn conclude(
        &self,
        token: BearerToken<'_>,
        checked: CheckedToken<'_>,
        key: VerificationKey,
    ) -> Result<Claims, Rejection> {
        let validity = checked.checked_claims().validity;
        let key_id = checked.key_id().clone();
        let fitting = self.0.policy.check_key(&key, &checked)?;
        let signed = checked.verify(fitting)?;
        let claims = self.0.policy.authorize(&signed)?;
        self.0.verified.remember(token, claims.clone(), (key_id, key), validity);
        Ok(claims)
    }
}

/// What is counted and logged.
impl Validator {
    /// Counts and logs a check that waits for its key when it has ended, in the span of the request.
    fn watch(&self, pending: Pending, headers: &HeaderMap, now: Option<UnixTime>) -> Pending {
        let sighting =
            if RejectionLog::is_read() { UnverifiedFields::of(headers) } else { UnverifiedFields::default() };
        let validator = self.clone();
        let span = tracing::debug_span!(target: events::REQUESTS, "key_wait");
        let watched = async move {
            let outcome = pending.await;
            match &outcome {
                Ok(_) => meter::accepted(),
                Err(rejection) => validator.report(rejection, now, || sighting),
            }
            outcome
        };
        Box::pin(watched.instrument(span).in_current_span())
    }

    /// The one place where a rejection is counted and logged.
    fn report(&self, rejection: &Rejection, now: Option<UnixTime>, sighting: impl FnOnce() -> UnverifiedFields) {
        meter::rejected(rejection.kind());
        self.0.rejections.record(rejection, now, sighting);
    }
}

/// The outcome of a check so far.
pub(crate) enum Verdict {
    Accepted(Claims),
    Rejected(Rejection),
    /// The token names a key that has to be found first.
    Waiting(Pending),
}

/// A check that waits for its key.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Claims, Rejection>> + Send>>;

const VERIFIED_BYTES: u64 = 8 * 1024 * 1024;

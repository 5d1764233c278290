//! The layer.

use std::time::Duration;

use http::HeaderMap;
use tower_layer::Layer;

use super::authorization::Authorization;
use crate::clock::Clock;
#[cfg(feature = "remote")]
use crate::error::ConfigError;
use crate::error::{KeyError, Rejection};
use crate::explain::log::ExplanationLog;
use crate::ids::TenantId;
#[cfg(feature = "remote")]
use crate::keys::remote::RemoteKeys;
use crate::keys::source::KeySource;
use crate::middleware::response::DefaultResponse;
use crate::middleware::service::UpstreamAuth;
use crate::policy::Policy;
use crate::policy::claims::Claims;
use crate::validator::Validator;

/// Puts [`UpstreamAuth`] in front of a service. Cheap to clone; clones share the keys and the token cache.
///
/// ```
/// use axum::{Router, http::StatusCode, routing::post};
/// use signalr_upstream_auth::{Audiences, Callers, Claims, Policy, Tenants, UpstreamAuthLayer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = Policy::builder(
///     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
///     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
///     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// )
/// .build()?;
/// # #[cfg(all(feature = "axum", feature = "remote"))]
/// let app: Router = Router::new()
///     .route("/upstream/{hub}/{category}/{event}", post(async |_: Claims| StatusCode::NO_CONTENT))
///     .route_layer(UpstreamAuthLayer::new(policy)?); // protects the routes before it, and none after it
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UpstreamAuthLayer<R = DefaultResponse> {
    validator: Validator,
    responder: R,
    authorization: Authorization,
    explanations: ExplanationLog,
}

impl UpstreamAuthLayer {
    /// A layer with another key source than the cloud of the policy.
    pub fn from_keys(policy: Policy, keys: impl KeySource) -> Self {
        Self {
            validator: Validator::new(policy, keys),
            responder: DefaultResponse,
            authorization: Authorization::default(),
            explanations: ExplanationLog::default(),
        }
    }
}

#[cfg(feature = "remote")]
impl UpstreamAuthLayer {
    /// A layer whose keys come from the policy's own cloud, with every default.
    ///
    /// For other settings build [`RemoteKeys`] and use [`from_keys`](Self::from_keys).
    ///
    /// # Errors
    ///
    /// As [`RemoteKeysBuilder::build`](crate::keys::RemoteKeysBuilder::build).
    pub fn new(policy: Policy) -> Result<Self, ConfigError> {
        let keys = RemoteKeys::new(&policy)?;
        Ok(Self::from_keys(policy, keys))
    }
}

impl<R> UpstreamAuthLayer<R> {
    /// Answers rejections with another response: a closure `|rejection: &Rejection| -> Response<B>`, or a
    /// [`ResponseForRejection`](crate::ResponseForRejection), which has an example.
    pub fn with_rejection_response<T>(self, responder: T) -> UpstreamAuthLayer<T> {
        UpstreamAuthLayer {
            validator: self.validator,
            responder,
            authorization: self.authorization,
            explanations: self.explanations,
        }
    }

    /// Takes the `Authorization` header off accepted requests. By default it stays, marked sensitive.
    pub fn strip_authorization(mut self) -> Self {
        self.authorization = Authorization::Strip;
        self
    }

    /// Logs the whole explanation of rejections: for each kind of rejection at most one within `pause`, rounded up to
    /// seconds. Zero turns it off, which is the default.
    ///
    /// Use it when you cannot take the token of a failing call. The event `rejection explained` at WARN has in its field
    /// `explanation` the JSON form of [`Explanation`](crate::explain::Explanation): every check with what is configured
    /// and what was found, and the advice. So **the log then shows what you have configured, and these values of a
    /// rejected token**, escaped and cut: `alg`, `kid` and `typ`; `ver`, `tid`, `iss`, `aud`, `nbf`, `iat`, `exp`, `oid`,
    /// `sub`, `scp`, `idtyp`, `appid` or `azp`, and `roles`. It shows no encoded part of a token.
    ///
    /// Callers get the same answers as before. An explanation waits for nothing and fetches nothing: it words the
    /// rejection that was made.
    ///
    /// [`validate`](Self::validate) logs explanations as well. Without a layer use [`Validator::explain_headers`].
    pub fn explain_rejections(mut self, pause: Duration) -> Self {
        self.explanations = ExplanationLog::new(pause);
        self
    }

    /// Whether the log contains unverified fields of rejected requests, which can be personal data: `true` unless you say
    /// otherwise.
    ///
    /// With `false`, the events on rejections have no field `unverified.…`, and
    /// [explanations](Self::explain_rejections) have no value of the JOSE header or the claims set, and only such advice
    /// as contains none. Kind, status, count and the metrics stay. Answers stay the same.
    pub fn log_unverified_fields(mut self, is_logged: bool) -> Self {
        self.validator = self.validator.log_unverified_fields(is_logged);
        self
    }

    /// Checks the times of tokens by another clock, as [`Validator::with_clock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.validator = self.validator.with_clock(clock);
        self
    }

    /// Bounds the token cache, as [`Validator::with_token_cache_bytes`].
    pub fn with_token_cache_bytes(mut self, bytes: u64) -> Self {
        self.validator = self.validator.with_token_cache_bytes(bytes);
        self
    }

    /// The check itself, for use without tower. It shares everything with this layer.
    #[must_use]
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// Checks the headers of a request as the layer does, for programs that decide themselves what becomes of a rejected
    /// request. In contrast to [`Validator::validate`] it logs [explanations](Self::explain_rejections), too.
    ///
    /// # Errors
    ///
    /// As [`Validator::validate`].
    pub async fn validate(&self, headers: &HeaderMap) -> Result<Claims, Rejection> {
        let outcome = self.validator.validate(headers).await;
        if let Err(rejection) = &outcome {
            self.explanations.record(&self.validator, headers, rejection);
        }
        outcome
    }

    /// Starts loading the keys, and waits until there are some or until the first attempt has failed. You need not
    /// call it: the first request starts the loading otherwise. After an error, the next call waits for the next
    /// attempt, which comes by itself.
    ///
    /// # Errors
    ///
    /// Why no tenant has keys.
    pub async fn wait_for_keys(&self) -> Result<(), KeyError> {
        self.validator.keys().wait_for_keys().await
    }

    /// Whether requests can be decided now: there are keys for at least one tenant. Inside a runtime it also starts
    /// loading the keys.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.validator.keys().is_ready()
    }

    /// Whether requests for this tenant can be decided now. With several tenants, [`is_ready`](Self::is_ready) is `true`
    /// while one of them has keys, so it hides that another gets 503. Inside a runtime it also starts loading the keys of every
    /// tenant.
    #[must_use]
    pub fn is_ready_for(&self, tenant: TenantId) -> bool {
        self.validator.keys().is_ready_for(tenant)
    }

    /// Why the latest attempt to load keys failed: what a readiness probe can say beside its status. `None` if it did not.
    ///
    /// The text of the error is fixed for each [kind](crate::keys::KeyError::kind). Its source is for your log, since it may
    /// name your proxy.
    #[must_use]
    pub fn last_key_error(&self) -> Option<KeyError> {
        self.validator.keys().last_error()
    }
}

impl<S, R: Clone> Layer<S> for UpstreamAuthLayer<R> {
    type Service = UpstreamAuth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let explanations = self.explanations.clone();
        UpstreamAuth::new(inner, self.validator.clone(), self.responder.clone(), self.authorization, explanations)
    }
}

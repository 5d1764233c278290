//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::authorization::Authorization;
use crate::clock::Clock;
#[cfg(feature = "remote")]
use crate::error::ConfigError;
use crate::error::KeyError;
#[cfg(feature = "remote")]
use crate::keys::remote::RemoteKeys;
use crate::keys::source::KeySource;
use crate::middleware::response::DefaultResponse;
use crate::middleware::service::UpstreamAuth;
use crate::policy::Policy;
use crate::validator::Validator;

/// Puts [`UpstreamAuth`] in front of a service. Cheap to clone; clones share keys and verified tokens.
#[derive(Clone, Debug)]
#[must_use]
pub struct UpstreamAuthLayer<R = DefaultResponse> {
    validator: Validator,
    responder: R,
    authorization: Authorization,
}

impl UpstreamAuthLayer {
    /// A layer with keys of your choice.
    pub fn with_keys(policy: Policy, keys: Arc<dyn KeySource>) -> Self {
        Self {
            validator: Validator::new(policy, keys),
            responder: DefaultResponse,
            authorization: Authorization::default(),
        }
    }
}

#[cfg(feature = "remote")]
impl UpstreamAuthLayer {
    /// A layer whose keys come from the policy's own cloud, with every default.
    ///
    /// For other settings build [`RemoteKeys`] and use [`with_keys`](Self::with_keys).
    ///
    /// # Errors
    ///
    /// As [`RemoteKeysBuilder::build`](crate::RemoteKeysBuilder::build).
    pub fn new(policy: Policy) -> Result<Self, ConfigError> {
        let keys = RemoteKeys::new(&policy)?;
        Ok(Self::with_keys(policy, Arc::new(keys)))
    }
}

impl<R> UpstreamAuthLayer<R> {
    /// Answers rejections with another response: a closure `|rejection: &Rejection| -> Response<B>`, or a
    /// [`ResponseForRejection`](crate::ResponseForRejection), which has an example.
    pub fn with_rejection_response<T>(self, responder: T) -> UpstreamAuthLayer<T> {
        UpstreamAuthLayer { validator: self.validator, responder, authorization: self.authorization }
    }

    /// Takes the `Authorization` header off accepted requests. By default it stays, marked sensitive.
    pub fn strip_authorization(mut self) -> Self {
        self.authorization = Authorization::Strip;
        self
    }

    /// Judges the times of tokens by another clock, as [`Validator::with_clock`].
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.validator = self.validator.with_clock(clock);
        self
    }

    /// Bounds the memory of verified tokens, as [`Validator::with_token_cache_bytes`].
    pub fn with_token_cache_bytes(mut self, bytes: u64) -> Self {
        self.validator = self.validator.with_token_cache_bytes(bytes);
        self
    }

    /// The check itself, for use without tower. It shares everything with this layer.
    #[must_use]
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// Starts the loading of the keys and waits until there are some, or until the first try has failed.
    /// To call it is optional; the first request starts the loading otherwise. Calling it again after an
    /// error waits for the next try, which comes by itself.
    ///
    /// # Errors
    ///
    /// If no tenant has keys: why.
    pub async fn ready(&self) -> Result<(), KeyError> {
        self.validator.keys().ready().await
    }

    /// Whether requests can be judged at this moment: there are keys for at least one tenant. Inside a
    /// runtime this, too, starts the loading.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.validator.keys().is_ready()
    }
}

impl<S, R: Clone> Layer<S> for UpstreamAuthLayer<R> {
    type Service = UpstreamAuth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        UpstreamAuth::new(inner, self.validator.clone(), self.responder.clone(), self.authorization)
    }
}

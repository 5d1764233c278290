//! The service as a whole: its endpoints, and the way to its hubs.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use background_refresh::monotonic_now;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::endpoint::EndpointConfig;
use crate::endpoints::{HealthCheck, LiveEndpoint, check, labels};
use crate::error::{ConfigError, EndpointError, Error, ErrorKind, Result};
use crate::hub::HubClient;
use crate::ids;
use crate::options::ServiceClientOptions;
use crate::rest::{CALL_LIMIT, Transport};
use crate::router::EndpointStatus;
use crate::service_endpoint::{Endpoint, Endpoints};
use crate::shared::Shared;

/// Azure SignalR Service in serverless mode. Cloning is cheap.
///
/// It starts nothing until the first call; then tasks of the tokio runtime around that call keep the Entra token and
/// the temporary access key fresh, until the last clone is dropped.
///
/// ```
/// use signalr_serverless::ServiceClient;
///
/// /// What a readiness probe answers: 200, or 503 with the reason of each endpoint.
/// fn readiness(service: &ServiceClient) -> (u16, String) {
///     let reasons = service.status().into_iter().filter_map(|endpoint| {
///         endpoint.last_error().map(|error| format!("{}: {error}", endpoint.name()))
///     });
///     (if service.is_ready() { 200 } else { 503 }, reasons.collect::<Vec<_>>().join("\n"))
/// }
/// ```
#[derive(Clone)]
pub struct ServiceClient(Arc<Shared>);

impl ServiceClient {
    /// One endpoint, for example `https://<name>.service.signalr.net`, with a credential.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the endpoint is not an https URL, or if there is no TLS client.
    pub fn new(
        endpoint: &str,
        credential: Arc<dyn TokenCredential>,
        options: ServiceClientOptions,
    ) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let config = Endpoint::entra(endpoint, credential).into_config("endpoint", &mut faults);
        if let Some(error) = ConfigError::from_faults(faults) {
            return Err(error);
        }
        Self::from_configs(config.into_iter().collect(), options)
    }

    /// Several endpoints, each with a credential of its own.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with every fault at once.
    pub fn from_endpoints(endpoints: Endpoints, options: ServiceClientOptions) -> Result<Self, ConfigError> {
        Self::from_configs(endpoints.into_configs()?, options)
    }

    /// What code, settings, the environment and connection strings come down to. There is at least one, and one is a
    /// primary.
    pub(crate) fn from_configs(
        configs: Vec<EndpointConfig>,
        options: ServiceClientOptions,
    ) -> Result<Self, ConfigError> {
        let transport = match &options.transport {
            Some(client) => Transport::Given(Arc::clone(client)),
            None => Transport::own()?,
        };
        let labels = labels(&configs);
        let endpoints: Vec<_> = configs
            .into_iter()
            .zip(labels)
            .map(|(config, label)| Arc::new(LiveEndpoint::new(config, label, transport.clone(), &options)))
            .collect();
        let health_check = HealthCheck::new(&endpoints);
        let ServiceClientOptions { client_tokens, router, .. } = options;
        Ok(Self(Arc::new(Shared { endpoints, router, client_tokens, health_check })))
    }

    /// A hub. Its name becomes lower case, as the service knows it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] unless the name begins with a letter and has at most 128 letters, digits or characters
    /// of ``_`,.[]``.
    pub fn hub(&self, name: &str) -> Result<HubClient> {
        Ok(HubClient::new(Arc::clone(&self.0), ids::hub(name)?))
    }

    /// Waits until a negotiation could be answered at once: until one endpoint has an Entra token and a temporary access
    /// key, as far as it needs them; at most 30 s.
    ///
    /// # Errors
    ///
    /// What kept the first endpoint from it, when no endpoint is ready.
    pub async fn ready(&self) -> Result<()> {
        self.0.health_check.keep_running();
        let deadline = monotonic_now() + CALL_LIMIT;
        let mut waiting: FuturesUnordered<_> =
            self.0.endpoints.iter().map(|endpoint| endpoint.ready(deadline)).collect();
        let mut failed = None;
        while let Some(outcome) = waiting.next().await {
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "there is no endpoint")))
    }

    /// Whether a negotiation could be answered at once, for a readiness probe. If not, what is missing is fetched in the
    /// background.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.health_check.keep_running();
        // Each is asked, so that each fetches what it needs.
        self.0.endpoints.iter().filter(|endpoint| endpoint.is_ready()).count() > 0
    }

    /// How each endpoint stands, without a call.
    #[must_use]
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.0.endpoints.iter().map(|endpoint| endpoint.status()).collect()
    }

    /// Asks each endpoint now whether it is healthy: `HEAD /api/health`, without a token.
    ///
    /// # Errors
    ///
    /// None of its own: each endpoint has its outcome. Health says nothing about credentials and roles.
    pub async fn health(&self) -> Vec<EndpointError> {
        let checks =
            self.0.endpoints.iter().map(|endpoint| async {
                EndpointError::new(Arc::clone(endpoint.label()), check(endpoint).await.err())
            });
        join_all(checks).await
    }
}

impl fmt::Debug for ServiceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

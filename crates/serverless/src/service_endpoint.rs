//! Several endpoints, as code names them.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use url::Url;
use zeroize::Zeroizing;

use crate::endpoint::{AccessKey, Auth, EndpointConfig, Priority};
use crate::error::{ConfigError, ConfigFault};

/// One endpoint with its way to authenticate.
///
/// Faults of its addresses are reported when the [`ServiceClient`](crate::ServiceClient) is built.
#[derive(Clone)]
#[must_use]
pub struct Endpoint {
    url: String,
    auth: Auth,
    name: Option<String>,
    priority: Priority,
    client_url: Option<String>,
    server_url: Option<String>,
}

impl Endpoint {
    /// An endpoint with a Microsoft Entra credential. `url` is for example `https://<name>.service.signalr.net`.
    pub fn entra(url: impl Into<String>, credential: Arc<dyn TokenCredential>) -> Self {
        Self::new(url.into(), Auth::Entra(credential))
    }

    /// An endpoint with an access key of the resource, which is erased from memory as soon as it was read.
    ///
    /// Prefer Microsoft Entra: an access key does not end by itself, and whoever has it has every right.
    pub fn access_key(url: impl Into<String>, key: impl Into<Zeroizing<String>>) -> Self {
        Self::new(url.into(), Auth::AccessKey(AccessKey::new(key)))
    }

    fn new(url: String, auth: Auth) -> Self {
        Self { url, auth, name: None, priority: Priority::Primary, client_url: None, server_url: None }
    }

    /// The name in errors, events, metrics and for a router. Without one it is the host.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Takes clients only while no primary is healthy.
    pub fn secondary(mut self) -> Self {
        self.priority = Priority::Secondary;
        self
    }

    /// Where clients connect, if that is another address: a reverse proxy in front of the service.
    pub fn client_url(mut self, url: impl Into<String>) -> Self {
        self.client_url = Some(url.into());
        self
    }

    /// Where this program sends its calls, if that is another address: a private endpoint, a proxy.
    pub fn server_url(mut self, url: impl Into<String>) -> Self {
        self.server_url = Some(url.into());
        self
    }

    fn into_config(self, index: usize, faults: &mut Vec<ConfigFault>) -> Option<EndpointConfig> {
        let field = self.name.clone().unwrap_or_else(|| format!("endpoints[{index}]"));
        let mut parse = |text: &str, what: &str| match Url::parse(text) {
            Ok(url) => Some(url),
            Err(error) => {
                faults.push(ConfigFault::new(format!("{field}{what}"), format!("is not a URL: {error}")));
                None
            }
        };
        let endpoint = parse(&self.url, "");
        let client_endpoint = self.client_url.as_deref().map(|url| parse(url, ".client_url"));
        let server_endpoint = self.server_url.as_deref().map(|url| parse(url, ".server_url"));
        Some(EndpointConfig {
            name: self.name,
            priority: self.priority,
            endpoint: endpoint?,
            client_endpoint: client_endpoint.flatten(),
            server_endpoint: server_endpoint.flatten(),
            auth: self.auth,
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// Endpoints that share the clients of an app.
///
/// A client goes to a random healthy primary, else to a random healthy secondary, or where
/// [`ServiceClientOptions::router`](crate::ServiceClientOptions::router) says. Sends go to all.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// Adds an endpoint.
    pub fn with(mut self, endpoint: Endpoint) -> Self {
        self.0.push(endpoint);
        self
    }

    /// Adds a primary with a Microsoft Entra credential.
    pub fn entra(self, url: impl Into<String>, credential: Arc<dyn TokenCredential>) -> Self {
        self.with(Endpoint::entra(url, credential))
    }

    pub(crate) fn into_configs(self) -> Result<Vec<EndpointConfig>, ConfigError> {
        let mut faults = Vec::new();
        let configs = self
            .0
            .into_iter()
            .enumerate()
            .filter_map(|(index, endpoint)| endpoint.into_config(index, &mut faults))
            .collect();
        ConfigError::from_faults(faults).map_or(Ok(configs), Err)
    }
}

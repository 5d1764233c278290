//! Several endpoints, as code names them.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use url::Url;
use zeroize::Zeroizing;

use crate::endpoint::{AccessKey, Auth, EndpointConfig, Priority, url_problem};
use crate::error::{ConfigError, ConfigFault};

/// One endpoint with its way to authenticate.
///
/// Its faults are reported when the [`ServiceClient`](crate::ServiceClient) is built. They call it by its name, or
/// `endpoints[0]` for the first without one, and its addresses `endpoints[0].client_url` and `endpoints[0].server_url`.
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
    /// Prefer Microsoft Entra: an access key does not end by itself, and whoever has it has every right. A blank key is
    /// a fault.
    pub fn access_key(url: impl Into<String>, key: impl Into<Zeroizing<String>>) -> Self {
        Self::new(url.into(), Auth::AccessKey(AccessKey::new(key)))
    }

    fn new(url: String, auth: Auth) -> Self {
        Self { url, auth, name: None, priority: Priority::Primary, client_url: None, server_url: None }
    }

    /// The name in errors, events, metrics and for a router. Without one it is the host. Endpoints of one name are told
    /// apart by their priority, as `west/primary` and `west/secondary`, or else by a number behind it.
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

    /// What it comes down to, with every fault. `field` is what the code calls it.
    pub(crate) fn into_config(self, field: &str, faults: &mut Vec<ConfigFault>) -> Option<EndpointConfig> {
        let Self { url, auth, name, priority, client_url, server_url } = self;
        let mut parse = |text: &str, what: &str| {
            let problem = match Url::parse(text) {
                Ok(url) => match url_problem(&url, &auth) {
                    None => return Some(url),
                    Some(problem) => problem.to_owned(),
                },
                Err(error) => format!("is not a URL: {error}"),
            };
            faults.push(ConfigFault::new(format!("{field}{what}"), problem));
            None
        };
        let endpoint = parse(&url, "");
        let client_endpoint = client_url.as_deref().map(|url| parse(url, ".client_url"));
        let server_endpoint = server_url.as_deref().map(|url| parse(url, ".server_url"));
        if matches!(&auth, Auth::AccessKey(key) if key.is_blank()) {
            let problem = "is blank; pass an access key of the resource";
            faults.push(ConfigFault::new(format!("{field}.access_key"), problem));
        }
        Some(EndpointConfig {
            name,
            priority,
            endpoint: endpoint?,
            client_endpoint: client_endpoint.flatten(),
            server_endpoint: server_endpoint.flatten(),
            auth,
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

    /// What they come down to, or every fault at once, each with what the code calls its endpoint.
    pub(crate) fn into_configs(self) -> Result<Vec<EndpointConfig>, ConfigError> {
        let mut faults = Vec::new();
        if self.0.is_empty() {
            faults.push(ConfigFault::new("endpoints", "there is none; name at least one"));
        } else if self.0.iter().all(|endpoint| endpoint.priority == Priority::Secondary) {
            faults.push(ConfigFault::new("endpoints", "all are secondary; make one primary at least"));
        }
        let mut configs = Vec::with_capacity(self.0.len());
        for (index, endpoint) in self.0.into_iter().enumerate() {
            let field = endpoint.name.clone().unwrap_or_else(|| format!("endpoints[{index}]"));
            configs.extend(endpoint.into_config(&field, &mut faults));
        }
        ConfigError::from_faults(faults).map_or(Ok(configs), Err)
    }
}

//! What the code, not the environment, says of a [`ServiceClient`](crate::ServiceClient).

use std::fmt;
use std::sync::Arc;

use azure_core::http::HttpClient;
use background_refresh::{SystemClock, WallClock};

use crate::router::Router;

/// Who makes the tokens that clients show to the service. The choice never changes by itself.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ClientTokens {
    /// This program signs them with the temporary access key: no network per negotiation, and tokens carry claims.
    /// Needs the role *SignalR App Server* or *SignalR Service Owner*.
    #[default]
    TemporaryKey,
    /// The service mints each one (`:generateToken`): one call per negotiation, no claims. Needs the role *SignalR REST
    /// API Owner* or *SignalR Service Owner*.
    Service,
}

/// Options of a [`ServiceClient`](crate::ServiceClient); each has a default.
#[derive(Clone)]
#[must_use]
pub struct ServiceClientOptions {
    pub(crate) client_tokens: ClientTokens,
    pub(crate) transport: Option<Arc<dyn HttpClient>>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) router: Option<Arc<dyn Router>>,
}

impl Default for ServiceClientOptions {
    fn default() -> Self {
        Self {
            client_tokens: ClientTokens::default(),
            transport: None,
            clock: Arc::new(SystemClock::default()),
            router: None,
        }
    }
}

impl ServiceClientOptions {
    /// Who makes client tokens.
    pub fn client_tokens(mut self, client_tokens: ClientTokens) -> Self {
        self.client_tokens = client_tokens;
        self
    }

    /// The HTTP client, for a proxy or a certificate authority of your own. A `reqwest::Client` is one.
    ///
    /// It must follow no redirects, and report `ErrorKind::Connection` only when nothing has left: a call that ended
    /// so is repeated. `azure_core` writes an event at DEBUG for each request of a `reqwest::Client`; it shows the path,
    /// which holds users and groups.
    pub fn transport(mut self, transport: Arc<dyn HttpClient>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The wall clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn WallClock>) -> Self {
        self.clock = clock;
        self
    }

    /// With several endpoints, says which one a client goes to.
    pub fn router(mut self, router: impl Router + 'static) -> Self {
        self.router = Some(Arc::new(router));
        self
    }
}

impl fmt::Debug for ServiceClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClientOptions").field("client_tokens", &self.client_tokens).finish_non_exhaustive()
    }
}

//! What a client and its hubs have in common.

use std::fmt;
use std::sync::Arc;

use crate::endpoints::{HealthCheck, LiveEndpoint};
use crate::options::ClientTokens;
use crate::router::Router;

pub(crate) struct Shared {
    /// Never empty.
    pub(crate) endpoints: Vec<Arc<LiveEndpoint>>,
    pub(crate) router: Option<Arc<dyn Router>>,
    pub(crate) client_tokens: ClientTokens,
    pub(crate) health_check: HealthCheck,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClient")
            .field("client_tokens", &self.client_tokens)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

//! A client with its service, its credential and its clocks.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::HttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use signalr_serverless::{ClientTokens, Endpoints, HubClient, ServiceClient, ServiceClientOptions};

use crate::clock::TestClock;
use crate::credential::TestCredential;
use crate::service::TestService;

pub(crate) const ENDPOINT: &str = "https://a.service.signalr.net";

#[derive(Clone, Debug)]
pub(crate) struct Harness {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) service: Arc<TestService>,
    pub(crate) credential: Arc<TestCredential>,
    pub(crate) client: ServiceClient,
    pub(crate) chat: HubClient,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(ClientTokens::TemporaryKey)
    }

    pub(crate) fn with(client_tokens: ClientTokens) -> Self {
        let clock = Arc::new(TestClock::new());
        let service = Arc::new(TestService::default());
        let credential = Arc::new(TestCredential::new(Arc::clone(&clock)));
        let options = options(&clock, &service).client_tokens(client_tokens);
        let client = ServiceClient::new(ENDPOINT, as_credential(&credential), options).unwrap();
        let chat = client.hub("Chat").unwrap();
        Self { clock, service, credential, client, chat }
    }

    /// A client of several endpoints over the same service; hosts tell them apart.
    pub(crate) fn of(endpoints: impl FnOnce(Arc<dyn TokenCredential>) -> Endpoints) -> Self {
        let mut harness = Self::new();
        let options = options(&harness.clock, &harness.service);
        let endpoints = endpoints(as_credential(&harness.credential));
        harness.client = ServiceClient::from_endpoints(endpoints, options).unwrap();
        harness.chat = harness.client.hub("chat").unwrap();
        harness
    }

    /// Lets time pass on both clocks.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

pub(crate) fn options(clock: &Arc<TestClock>, transport: &Arc<TestService>) -> ServiceClientOptions {
    let transport: Arc<dyn HttpClient> = transport.clone();
    ServiceClientOptions::default().transport(transport).clock(clock.clone())
}

pub(crate) fn as_credential(credential: &Arc<TestCredential>) -> Arc<dyn TokenCredential> {
    credential.clone()
}

/// Header and claims set of a token, its signature not verified.
pub(crate) fn decoded(token: &str) -> (Value, Value) {
    let mut parts = token.split('.');
    let mut json = || serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    (json(), json())
}

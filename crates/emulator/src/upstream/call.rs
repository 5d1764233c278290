//! From an event of a connection to the request that tells of it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use super::outcome::{Attempt, Reply};
use super::sender::Sender;
use super::shown::shown;
use super::template::UpstreamTemplate;
use super::tokens::Tokens;
use crate::auth::AccessKeys;
use crate::entra::Entra;
use crate::events::{EmulatorEvent, Events, UpstreamCall, shortened};
use crate::mock::UpstreamRequest;

/// Calls upstreams.
#[derive(Debug)]
pub(crate) struct Upstream {
    templates: Vec<UpstreamTemplate>,
    sender: Sender,
    tokens: Tokens,
    keys: Arc<AccessKeys>,
    events: Arc<Events>,
    signs: bool,
}

/// What an [`Upstream`] is made of.
pub(crate) struct UpstreamParts {
    pub(crate) templates: Vec<UpstreamTemplate>,
    pub(crate) sender: Sender,
    pub(crate) entra: Arc<Entra>,
    pub(crate) keys: Arc<AccessKeys>,
    pub(crate) events: Arc<Events>,
    /// Whether calls carry `X-ASRS-Signature` while the resource has keys.
    pub(crate) signs: bool,
}

/// The client that an event is about.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) hub: String,
    pub(crate) connection_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) claims: Vec<(String, String)>,
    /// The query of its connection, without `?`, its token included: that is what the service sends.
    pub(crate) query: String,
    pub(crate) message_pack: bool,
}

/// A method that a client calls.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    /// `None` if the client wants no answer.
    pub(crate) id: Option<String>,
    pub(crate) target: String,
    /// The message without framing, as the client wrote it.
    pub(crate) body: Bytes,
}

impl Upstream {
    pub(crate) fn new(parts: UpstreamParts) -> Self {
        let UpstreamParts { templates, sender, entra, keys, events, signs } = parts;
        Self { templates, sender, tokens: Tokens::new(entra), keys, events, signs }
    }

    pub(crate) fn has_no_template(&self) -> bool {
        self.templates.is_empty()
    }

    /// Tells that a client is there. Whether the upstream agreed, or none wants to know.
    pub(crate) async fn connected(&self, client: &Client) -> bool {
        let request = UpstreamRequest::connected(&client.hub);
        let received = self.call(client, request, "connections", "connected").await;
        received.is_none_or(|received| received.is_success())
    }

    pub(crate) async fn disconnected(&self, client: &Client, error: Option<&str>) {
        let request = UpstreamRequest::disconnected(&client.hub, error);
        // The answer means nothing: the client is gone.
        self.call(client, request, "connections", "disconnected").await;
    }

    /// Passes an invocation on. `None` if no upstream wants it.
    pub(crate) async fn invoke(&self, client: &Client, invocation: &Invocation) -> Option<Reply> {
        let mut request = UpstreamRequest::message(&client.hub, &invocation.target).body(invocation.body.clone());
        if client.message_pack {
            request = request.message_pack();
        }
        self.call(client, request, "messages", &invocation.target).await.map(Attempt::reply)
    }

    async fn call(
        &self,
        client: &Client,
        request: UpstreamRequest,
        category: &'static str,
        event: &str,
    ) -> Option<Attempt> {
        let template = self.templates.iter().find(|template| template.matches(&client.hub, category, event))?;
        let (received, attempts, url) = match self.request(client, request, template, event) {
            Some(request) => {
                let (received, attempts) = self.sender.send(&request).await;
                (received, attempts, request.uri().to_string())
            }
            // .NET cannot send such a header; the service does not try again.
            None => (Attempt::Nothing, Vec::new(), template.url().to_owned()),
        };
        self.events.publish(EmulatorEvent::UpstreamCall(UpstreamCall {
            hub: client.hub.clone(),
            category,
            event: shortened(event),
            connection_id: client.connection_id.clone(),
            url: shortened(&shown(&url)),
            attempts,
        }));
        Some(received)
    }

    /// The whole request. `None` if something that the client chose cannot stand in a header or in the address.
    fn request(
        &self,
        client: &Client,
        request: UpstreamRequest,
        template: &UpstreamTemplate,
        event: &str,
    ) -> Option<http::Request<Bytes>> {
        let texts = client.claims.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let texts = texts.chain(client.user_id.as_deref()).chain([event]);
        let in_header = |text: &str| HeaderValue::from_bytes(text.as_bytes()).is_ok();
        if !template.fits(event) || !texts.into_iter().all(in_header) {
            return None;
        }
        let mut request =
            request.url_template(template.url()).connection_id(&client.connection_id).client_query(&client.query);
        if let Some(user) = &client.user_id {
            request = request.user_id(user);
        }
        for (name, value) in &client.claims {
            request = request.user_claim(name, value);
        }
        if let Some(keys) = self.keys.resource().filter(|_| self.signs) {
            request = request.signature(keys);
        }
        if let Some(resource) = template.resource() {
            request = request.bearer(self.tokens.get(resource));
        }
        Some(request.into_request())
    }
}

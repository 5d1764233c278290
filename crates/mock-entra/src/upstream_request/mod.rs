//! The requests that Azure SignalR Service makes to an upstream.

mod event;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use serde::Serialize;

use event::{Event, Message};

/// A request of Azure SignalR Service in serverless mode to an upstream, with its headers and its body.
///
/// It is a `POST` to `/upstream/{hub}/{category}/{event}` unless you give another [template](Self::url_template). As from
/// the service, the body has no framing: no record separator behind JSON, no length before MessagePack.
///
/// ```
/// use bytes::Bytes;
/// use mock_entra::UpstreamRequest;
///
/// let request: http::Request<Bytes> = UpstreamRequest::message("chat", "echo")
///     .invocation_id("42")
///     .argument("hi")
///     .user_id("alice")
///     .bearer("a.b.c")
///     .into_request();
/// assert_eq!(request.uri(), "/upstream/chat/messages/echo");
/// assert_eq!(request.headers()["x-asrs-event"], "echo");
/// assert_eq!(request.body(), r#"{"type":1,"invocationId":"42","target":"echo","arguments":["hi"]}"#);
/// ```
#[derive(Clone)]
#[must_use = "`into_request` makes the request"]
pub struct UpstreamRequest {
    hub: String,
    event: Event,
    url_template: String,
    bearer: Option<String>,
    connection_id: String,
    user_id: Option<String>,
    user_claims: Vec<(String, String)>,
    client_query: Option<String>,
    access_keys: Vec<String>,
    message_pack: bool,
    body: Option<Bytes>,
    headers: Vec<(String, Vec<u8>)>,
}

impl UpstreamRequest {
    /// A client connected.
    pub fn connected(hub: impl Into<String>) -> Self {
        Self::new(hub.into(), Event::Connected)
    }

    /// A client disconnected, with a text if because of an error.
    pub fn disconnected(hub: impl Into<String>, error: Option<&str>) -> Self {
        Self::new(hub.into(), Event::Disconnected { error: error.map(str::to_owned) })
    }

    /// A client called a method. Without an [invocation id](Self::invocation_id) it expects no result.
    pub fn message(hub: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(hub.into(), Event::Message(Message::new(target.into())))
    }

    fn new(hub: String, event: Event) -> Self {
        Self {
            hub,
            event,
            url_template: "/upstream/{hub}/{category}/{event}".to_owned(),
            bearer: None,
            connection_id: CONNECTION_ID.to_owned(),
            user_id: None,
            user_claims: Vec::new(),
            client_query: None,
            access_keys: Vec::new(),
            message_pack: false,
            body: None,
            headers: Vec::new(),
        }
    }

    /// The URL: a path or an absolute URL with `{hub}`, `{category}` and `{event}`.
    pub fn url_template(mut self, template: impl Into<String>) -> Self {
        self.url_template = template.into();
        self
    }

    /// The access token, in `Authorization: Bearer`.
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(token.into());
        self
    }

    /// Another connection id, `X-ASRS-Connection-Id`.
    pub fn connection_id(mut self, id: impl Into<String>) -> Self {
        self.connection_id = id.into();
        self
    }

    /// The user id of the connection, `X-ASRS-User-Id`. By default the header is absent.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// One more claim of the client's token, in `X-ASRS-User-Claims`: `type: value`, with `, ` between claims and nothing
    /// escaped.
    pub fn user_claim(mut self, claim_type: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_claims.push((claim_type.into(), value.into()));
        self
    }

    /// The query of the client's connection, `X-ASRS-Client-Query`, without the question mark that the header begins with.
    pub fn client_query(mut self, query: impl Into<String>) -> Self {
        self.client_query = Some(query.into());
        self
    }

    /// Signs the connection id with the access keys, the primary one first: `X-ASRS-Signature`.
    pub fn signature(mut self, access_keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.access_keys = access_keys.into_iter().map(Into::into).collect();
        self
    }

    /// The id under which the client expects a result. For messages only; otherwise it has no effect.
    pub fn invocation_id(mut self, id: impl Into<String>) -> Self {
        if let Event::Message(message) = &mut self.event {
            message.invocation_id = Some(id.into());
        }
        self
    }

    /// One more argument. For messages only; otherwise it has no effect.
    ///
    /// # Panics
    ///
    /// If the value has no form in JSON or in MessagePack.
    pub fn argument(mut self, value: impl Serialize) -> Self {
        if let Event::Message(message) = &mut self.event {
            message.add_argument(&value);
        }
        self
    }

    /// The ids of the streams that the client uploads: `streamIds` in JSON, the sixth element in MessagePack, which newer
    /// clients write even if it is empty. For messages only; otherwise it has no effect.
    pub fn stream_ids(mut self, ids: &[&str]) -> Self {
        if let Event::Message(message) = &mut self.event {
            message.stream_ids = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        }
        self
    }

    /// The client speaks MessagePack. The requests about its messages are MessagePack; those about its connection are JSON.
    pub fn message_pack(mut self) -> Self {
        self.message_pack = true;
        self
    }

    /// Other bytes in place of the body.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// Gives a header another value, or adds it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The request, with any body that can be made from bytes.
    ///
    /// # Panics
    ///
    /// If a text is not a valid header value, or the template does not make a URL.
    #[must_use]
    pub fn into_request<B: From<Bytes>>(self) -> Request<B> {
        let mut request =
            Request::new(B::from(self.body.clone().unwrap_or_else(|| self.event.body(self.message_pack))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri();
        *request.headers_mut() = self.header_map();
        request
    }

    fn uri(&self) -> Uri {
        let url = self
            .url_template
            .replace("{hub}", &escape(&self.hub))
            .replace("{category}", self.event.category())
            .replace("{event}", &escape(self.event.name()));
        url.parse().unwrap_or_else(|error| panic!("{url} is not a URL: {error}"))
    }

    fn header_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &[u8]| headers.insert(name, header_value(value));
        if let Some(token) = &self.bearer {
            set(AUTHORIZATION, format!("Bearer {token}").as_bytes());
        }
        set(CONTENT_TYPE, if self.speaks_message_pack() { b"application/x-msgpack" } else { b"application/json" });
        set(HeaderName::from_static("x-asrs-connection-id"), self.connection_id.as_bytes());
        set(HeaderName::from_static("x-asrs-hub"), self.hub.as_bytes());
        set(HeaderName::from_static("x-asrs-category"), self.event.category().as_bytes());
        set(HeaderName::from_static("x-asrs-event"), self.event.name().as_bytes());
        if let Some(id) = &self.user_id {
            set(HeaderName::from_static("x-asrs-user-id"), id.as_bytes());
        }
        if !self.user_claims.is_empty() {
            let claims: Vec<_> = self.user_claims.iter().map(|(kind, value)| format!("{kind}: {value}")).collect();
            set(HeaderName::from_static("x-asrs-user-claims"), claims.join(", ").as_bytes());
        }
        if let Some(query) = &self.client_query {
            set(HeaderName::from_static("x-asrs-client-query"), format!("?{query}").as_bytes());
        }
        if !self.access_keys.is_empty() {
            let items: Vec<_> = self.access_keys.iter().map(|key| sign(key, &self.connection_id)).collect();
            set(HeaderName::from_static("x-asrs-signature"), items.join(",").as_bytes());
        }
        for (name, value) in &self.headers {
            let name = name.parse().unwrap_or_else(|error| panic!("{name} is not a header name: {error}"));
            set(name, value);
        }
        headers
    }

    fn speaks_message_pack(&self) -> bool {
        self.message_pack && matches!(self.event, Event::Message(_))
    }
}

impl fmt::Debug for UpstreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRequest").field("hub", &self.hub).field("event", &self.event).finish_non_exhaustive()
    }
}

/// One item of `X-ASRS-Signature`: HMAC-SHA256 over the connection id, keyed with the text of the access key.
fn sign(access_key: &str, connection_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, access_key.as_bytes());
    let tag = hmac::sign(&key, connection_id.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Percent-encodes everything but the unreserved characters (RFC 3986 section 2.3).
fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

fn header_value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes)
        .unwrap_or_else(|error| panic!("{:?} is not a valid header value: {error}", String::from_utf8_lossy(bytes)))
}

const CONNECTION_ID: &str = "Xk2pQ7vR9sT1uW3yZ5aB7cD0eF2gH4i02";

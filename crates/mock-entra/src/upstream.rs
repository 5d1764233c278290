//! The requests that Azure SignalR Service makes to an upstream.

use std::fmt;
use std::io;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use serde::Serialize;

use super::members::{Members, json};

/// A call of the service in serverless mode, with the headers and the body that it sends.
///
/// It is a `POST` to `/upstream/{hub}/{category}/{event}` unless another [template](Self::url_template) is given. Like
/// the service it puts no framing around the body: no record separator behind JSON, no length before MessagePack.
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
#[must_use = "a request is made by `into_request`"]
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

#[derive(Clone, Debug)]
enum Event {
    Connected,
    Disconnected { error: Option<String> },
    Message(Message),
}

#[derive(Clone, Debug)]
struct Message {
    target: String,
    invocation_id: Option<String>,
    arguments: Vec<Argument>,
    stream_ids: Option<Vec<String>>,
}

/// An argument in both protocols.
#[derive(Clone, Debug)]
struct Argument {
    json: String,
    message_pack: Vec<u8>,
}

impl UpstreamRequest {
    /// A client has connected.
    pub fn connected(hub: impl Into<String>) -> Self {
        Self::new(hub.into(), Event::Connected)
    }

    /// A connection is gone, with an error text if it did not end well.
    pub fn disconnected(hub: impl Into<String>, error: Option<&str>) -> Self {
        Self::new(hub.into(), Event::Disconnected { error: error.map(str::to_owned) })
    }

    /// A client has called a method. Without an [invocation id](Self::invocation_id) it wants no answer.
    pub fn message(hub: impl Into<String>, target: impl Into<String>) -> Self {
        let target = target.into();
        let message = Message { target, invocation_id: None, arguments: Vec::new(), stream_ids: None };
        Self::new(hub.into(), Event::Message(message))
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

    /// Where the request goes: a path or a whole address with `{hub}`, `{category}` and `{event}` in it.
    pub fn url_template(mut self, template: impl Into<String>) -> Self {
        self.url_template = template.into();
        self
    }

    /// The token: `Authorization: Bearer` and this text.
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(token.into());
        self
    }

    /// Another connection, `X-ASRS-Connection-Id`.
    pub fn connection_id(mut self, id: impl Into<String>) -> Self {
        self.connection_id = id.into();
        self
    }

    /// The user of the connection, `X-ASRS-User-Id`. By default nobody: the header is absent.
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

    /// The id under which the client waits for an answer. Counts for messages only.
    pub fn invocation_id(mut self, id: impl Into<String>) -> Self {
        if let Event::Message(message) = &mut self.event {
            message.invocation_id = Some(id.into());
        }
        self
    }

    /// One more argument. Counts for messages only.
    ///
    /// # Panics
    ///
    /// If the value has no form in JSON or in MessagePack.
    pub fn argument(mut self, value: impl Serialize) -> Self {
        if let Event::Message(message) = &mut self.event {
            let message_pack = rmp_serde::to_vec_named(&value)
                .unwrap_or_else(|error| panic!("the argument has no MessagePack form: {error}"));
            message.arguments.push(Argument { json: json(&value), message_pack });
        }
        self
    }

    /// The ids of the streams that the client sends along: `streamIds`, or the sixth element, which newer clients write
    /// even if it is empty. Counts for messages only.
    pub fn stream_ids(mut self, ids: &[&str]) -> Self {
        if let Event::Message(message) = &mut self.event {
            message.stream_ids = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        }
        self
    }

    /// The client speaks MessagePack. Of its calls only the messages are MessagePack too.
    pub fn message_pack(mut self) -> Self {
        self.message_pack = true;
        self
    }

    /// Other bytes in the place of the body.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// Gives a header another value, or adds it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The request.
    ///
    /// # Panics
    ///
    /// If a text cannot stand in a header, or the template makes no URL.
    #[must_use]
    pub fn into_request<B: From<Bytes>>(self) -> Request<B> {
        let mut request = Request::new(B::from(self.body.clone().unwrap_or_else(|| self.usual_body())));
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
        url.parse().unwrap_or_else(|error| panic!("{url} is no URL: {error}"))
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
            let name = name.parse().unwrap_or_else(|error| panic!("{name} is no header name: {error}"));
            set(name, value);
        }
        headers
    }

    fn usual_body(&self) -> Bytes {
        match &self.event {
            Event::Connected => Members::default().with("type", 10).to_string().into(),
            Event::Disconnected { error } => {
                Members::default().with("Type", 11).with_some("Error", error.as_ref()).to_string().into()
            }
            Event::Message(message) if self.message_pack => message.message_pack().into(),
            Event::Message(message) => message.json().into(),
        }
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

impl Event {
    fn category(&self) -> &'static str {
        match self {
            Self::Connected | Self::Disconnected { .. } => "connections",
            Self::Message(_) => "messages",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Message(message) => &message.target,
        }
    }
}

impl Message {
    /// The invocation of the JSON hub protocol.
    fn json(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().map(|argument| argument.json.as_str()).collect();
        Members::default()
            .with("type", 1)
            .with_some("invocationId", self.invocation_id.as_ref())
            .with("target", &self.target)
            .with_text("arguments", format!("[{}]", arguments.join(",")))
            .with_some("streamIds", self.stream_ids.as_ref())
            .to_string()
    }

    #[expect(clippy::expect_used, reason = "a vector takes every byte")]
    fn message_pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_message_pack(&mut bytes).expect("a vector takes every byte");
        bytes
    }

    /// The invocation of the MessagePack hub protocol: type, headers, invocation id, target, arguments and, if there are
    /// any, stream ids.
    fn write_message_pack(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        rmp::encode::write_array_len(bytes, if self.stream_ids.is_some() { 6 } else { 5 })?;
        rmp::encode::write_uint(bytes, 1)?;
        rmp::encode::write_map_len(bytes, 0)?;
        match &self.invocation_id {
            Some(id) => rmp::encode::write_str(bytes, id)?,
            None => rmp::encode::write_nil(bytes)?,
        }
        rmp::encode::write_str(bytes, &self.target)?;
        rmp::encode::write_array_len(bytes, length(&self.arguments)?)?;
        for argument in &self.arguments {
            bytes.extend_from_slice(&argument.message_pack);
        }
        if let Some(ids) = &self.stream_ids {
            rmp::encode::write_array_len(bytes, length(ids)?)?;
            for id in ids {
                rmp::encode::write_str(bytes, id)?;
            }
        }
        Ok(())
    }
}

fn length<T>(items: &[T]) -> io::Result<u32> {
    u32::try_from(items.len()).map_err(io::Error::other)
}

/// One item of the signature header: HMAC-SHA256 over the connection id, with the key's text as it is shown.
fn sign(access_key: &str, connection_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, access_key.as_bytes());
    let tag = hmac::sign(&key, connection_id.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Everything but the unreserved characters of RFC 3986 section 2.3 becomes a percent sign and two digits.
fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

fn header_value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes)
        .unwrap_or_else(|error| panic!("{:?} cannot stand in a header: {error}", String::from_utf8_lossy(bytes)))
}

const CONNECTION_ID: &str = "Xk2pQ7vR9sT1uW3yZ5aB7cD0eF2gH4i02";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(request: UpstreamRequest) -> Vec<u8> {
        request.into_request::<Bytes>().into_body().to_vec()
    }

    fn header(request: &UpstreamRequest, name: &str) -> Option<String> {
        let request: Request<Bytes> = request.clone().into_request();
        let value = request.headers().get(name)?.as_bytes().to_vec();
        Some(String::from_utf8(value).unwrap())
    }

    #[test]
    fn json_messages_are_invocations_without_framing() {
        let message = UpstreamRequest::message("chat", "echo");
        assert_eq!(body(message.clone()), br#"{"type":1,"target":"echo","arguments":[]}"#);
        assert_eq!(
            body(message.invocation_id("42").argument("hi").argument(json!([1, null])).stream_ids(&["7"])),
            br#"{"type":1,"invocationId":"42","target":"echo","arguments":["hi",[1,null]],"streamIds":["7"]}"#
        );
    }

    #[test]
    fn message_pack_messages_are_invocations_without_framing() {
        let message = UpstreamRequest::message("chat", "echo").message_pack();
        let send = b"\x95\x01\x80\xc0\xa4echo\x90";
        let invoke = b"\x95\x01\x80\xa242\xa4echo\x91\xa2hi";
        let newer = b"\x96\x01\x80\xa242\xa4echo\x91\xa2hi\x90";
        let argued = message.clone().invocation_id("42").argument("hi");
        assert_eq!(body(message), send);
        assert_eq!(body(argued.clone()), invoke);
        assert_eq!(body(argued.stream_ids(&[])), newer);
    }

    #[test]
    fn arguments_keep_their_kind_in_message_pack() {
        #[derive(Serialize)]
        struct Named {
            a: u8,
        }
        struct Binary;
        impl Serialize for Binary {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&[1, 2])
            }
        }
        let message = UpstreamRequest::message("chat", "t").message_pack().argument(Named { a: 1 }).argument(Binary);
        assert_eq!(body(message), b"\x95\x01\x80\xc0\xa1t\x92\x81\xa1a\x01\xc4\x02\x01\x02");
    }

    #[test]
    fn connection_events_are_json_in_both_protocols() {
        for request in [UpstreamRequest::connected("chat"), UpstreamRequest::connected("chat").message_pack()] {
            assert_eq!(header(&request, "content-type").unwrap(), "application/json");
            assert_eq!(body(request), br#"{"type":10}"#);
        }
        assert_eq!(body(UpstreamRequest::disconnected("chat", None)), br#"{"Type":11}"#);
        let failed = UpstreamRequest::disconnected("chat", Some("error"));
        assert_eq!(body(failed), br#"{"Type":11,"Error":"error"}"#);
    }

    #[test]
    fn every_call_is_a_post_with_the_headers_of_its_event() {
        for (request, path, category, event) in [
            (UpstreamRequest::connected("chat"), "/upstream/chat/connections/connected", "connections", "connected"),
            (
                UpstreamRequest::disconnected("chat", None),
                "/upstream/chat/connections/disconnected",
                "connections",
                "disconnected",
            ),
            (UpstreamRequest::message("chat", "Send"), "/upstream/chat/messages/Send", "messages", "Send"),
        ] {
            let request: Request<Bytes> = request.into_request();
            assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, path));
            let headers = request.headers();
            assert_eq!(headers["x-asrs-category"], category);
            assert_eq!(headers["x-asrs-event"], event);
            assert_eq!(headers["x-asrs-hub"], "chat");
            assert_eq!(headers["x-asrs-connection-id"], CONNECTION_ID);
            assert_eq!(headers.len(), 5);
        }
        let message = UpstreamRequest::message("chat", "Send").message_pack();
        assert_eq!(header(&message, "content-type").unwrap(), "application/x-msgpack");
    }

    #[test]
    fn what_the_client_chose_is_escaped_in_the_url_and_plain_in_the_header() {
        let request = UpstreamRequest::message("chat", "a/b cü").url_template("https://api.test/{event}?h={hub}");
        assert_eq!(header(&request, "x-asrs-event").unwrap(), "a/b cü");
        let request: Request<Bytes> = request.into_request();
        assert_eq!(request.uri(), "https://api.test/a%2Fb%20c%C3%BC?h=chat");
    }

    #[test]
    fn the_user_the_claims_and_the_query_are_written_as_the_service_does() {
        let request = UpstreamRequest::connected("chat")
            .user_id("Ádám")
            .user_claim("nameid", "alice")
            .user_claim("http://schemas.example/role", "editor, writer")
            .client_query("hub=chat&access_token=secret")
            .connection_id("other")
            .bearer("a.b.c");
        for (name, value) in [
            ("x-asrs-user-id", "Ádám"),
            ("x-asrs-user-claims", "nameid: alice, http://schemas.example/role: editor, writer"),
            ("x-asrs-client-query", "?hub=chat&access_token=secret"),
            ("x-asrs-connection-id", "other"),
            ("authorization", "Bearer a.b.c"),
        ] {
            assert_eq!(header(&request, name).as_deref(), Some(value));
        }
        assert!(!format!("{request:?}").contains("secret"));
    }

    #[test]
    fn the_signature_has_one_item_for_each_key() {
        let request = UpstreamRequest::connected("chat")
            .connection_id("conn-0001-abcDEF_xyz")
            .signature(["primary-key-for-tests-only", "secondary-key-for-tests-only"]);
        assert_eq!(
            header(&request, "x-asrs-signature").unwrap(),
            "sha256=880f524ef3e7664b1e9dd81ac195da2c1c98423aea6a959694e3e4334d215653,\
             sha256=b9a7e8c2ddaa4a496f80e6446b42da51c91b2404b64d49146f6b04e70aa5be93"
        );
    }

    #[test]
    fn body_and_headers_can_be_anything() {
        let request = UpstreamRequest::message("chat", "echo")
            .body("{}\u{1e}")
            .header("Content-Type", "text/plain")
            .header("X-ASRS-User-Id", [0xff]);
        let request: Request<Bytes> = request.into_request();
        assert_eq!(request.headers()["content-type"], "text/plain");
        assert_eq!(request.headers()["x-asrs-user-id"].as_bytes(), [0xff]);
        assert_eq!(request.body(), "{}\u{1e}");
    }

    #[test]
    #[should_panic(expected = "cannot stand in a header")]
    fn a_line_break_in_a_header_is_a_mistake() {
        let _: Request<Bytes> = UpstreamRequest::message("chat", "a\nb").into_request();
    }
}

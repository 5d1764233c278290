//! Shows what an upstream accepts and rejects.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use signalr_upstream_auth::InvalidGuid;
use tokio::net::TcpStream;

use crate::entra::MockEntra;
use crate::upstream_request::UpstreamRequest;

/// What a call shows, and the token it carries.
type Call = (&'static str, Option<String>);

impl MockEntra {
    /// Calls an upstream that trusts this mock, and writes down what it answers.
    ///
    /// For an example server that runs without settings: start a mock, put a layer with its [policy](Self::policy) in
    /// front of the server, and print this once the server accepts connections. The text has one line for each call: two
    /// with a token that the policy accepts, and one for each usual reason to reject a token. A `curl` line follows, with
    /// a token, for `GET /whoami`.
    ///
    /// The calls are those of Azure SignalR Service, `POST /upstream/chat/messages/echo`, over HTTP/1.1. A call that gets
    /// no response is a line of the text, too.
    pub async fn demonstrate(&self, upstream: SocketAddr) -> String {
        let mut text = format!(
            "\nThere are no settings, so this server trusts an Entra of its own:\n\n\
             \x20 Entra     {}, with keys made just now\n\
             \x20 tenant    {}\n\
             \x20 audience  {}\n\
             \x20 caller    {}\n\n\
             It has called itself as Azure SignalR Service does, POST http://{upstream}{PATH}, with\n\n",
            self.url(),
            self.tenant(),
            self.audience_client_id(),
            self.caller_object_id(),
        );
        for (what, token) in self.calls().unwrap_or_default() {
            let (answer, reason) = match call(upstream, token).await {
                Ok((status, headers)) => (status.to_string(), reason(&headers).to_owned()),
                Err(error) => ("no answer".to_owned(), error.to_string()),
            };
            text.push_str(format!("  {what:<30}{answer:<18}{reason}").trim_end());
            text.push('\n');
        }
        text.push_str(&format!(
            "\nSee who calls:\n\n\
             \x20 curl -i -H \"Authorization: Bearer {}\" http://{upstream}/whoami\n\n\
             Listening on http://{upstream}. With the variables SIGNALR_UPSTREAM_... it serves your own SignalR resource.\n",
            self.token().mint(),
        ));
        text
    }

    /// Two tokens that the policy accepts, and one for each usual reason to reject one.
    fn calls(&self) -> Result<Vec<Call>, InvalidGuid> {
        let another_tenant = "22222222-bbbb-4ccc-8ddd-333333333333".parse()?;
        let another_object_id = "88888888-5432-4dcb-8aed-999999999999".parse()?;
        let another_client_id = "66666666-2345-4bcd-8efa-777777777777".parse()?;
        let token = self.token();
        Ok([
            ("a good v1 token", Some(token.clone())),
            ("a good v2 token", Some(token.clone().v2())),
            ("no token", None),
            ("a token for another audience", Some(token.clone().audience("api://another"))),
            ("a token of another tenant", Some(token.clone().tenant(another_tenant))),
            ("an expired token", Some(token.clone().expired())),
            ("a token of another caller", Some(token.clone().caller(another_object_id, another_client_id))),
            ("a token for Microsoft Graph", Some(token.graph())),
        ]
        .map(|(what, token)| (what, token.map(|token| token.mint())))
        .into())
    }
}

/// Makes one call over a connection of its own.
async fn call(
    upstream: SocketAddr,
    token: Option<String>,
) -> Result<(StatusCode, HeaderMap), Box<dyn Error + Send + Sync>> {
    let call = UpstreamRequest::message("chat", "echo").argument("hi");
    let call = match token {
        Some(token) => call.bearer(token),
        None => call,
    };
    let mut request = call.into_request::<Full<Bytes>>();
    request.headers_mut().insert(HOST, HeaderValue::try_from(upstream.to_string())?);
    let stream = TcpStream::connect(upstream).await?;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = client.send_request(request).await?;
    Ok((response.status(), response.headers().clone()))
}

/// The description of a challenge (RFC 6750 section 3), or the challenge if it has none.
fn reason(headers: &HeaderMap) -> &str {
    let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let description = challenge.split_once("error_description=\"").and_then(|(_, rest)| rest.split_once('"'));
    description.map_or(challenge, |(description, _)| description)
}

const PATH: &str = "/upstream/chat/messages/echo";

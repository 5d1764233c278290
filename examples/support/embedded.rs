//! Without settings: an Entra inside this program, and a few calls that show what the layer does.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mock_entra::{MockEntra, UpstreamRequest};
use signalr_upstream_auth::{InvalidGuid, UpstreamAuthLayer};
use tokio::net::{TcpListener, TcpStream};

use super::{Failure, load_keys};

/// What a call shows, and the token it carries.
type Call = (&'static str, Option<String>);

/// A layer that trusts an Entra which was made just now and exists as long as this program.
pub(super) async fn start(listener: TcpListener) -> Result<(UpstreamAuthLayer, TcpListener), Failure> {
    let entra = MockEntra::start().await;
    let auth = UpstreamAuthLayer::new(entra.policy())?;
    load_keys(&auth);
    let calls = calls(&entra)?;
    tokio::spawn(show(entra, calls, listener.local_addr()?));
    Ok((auth, listener))
}

/// Prints what the server answers to a few calls, then keeps the Entra alive.
async fn show(entra: MockEntra, calls: Vec<Call>, server: SocketAddr) {
    let mut text = format!(
        "\nThere are no settings, so this server trusts an Entra of its own:\n\n\
         \x20 Entra     {}, with keys made just now\n\
         \x20 tenant    {}\n\
         \x20 audience  {}\n\
         \x20 caller    {}\n\n\
         It has called itself as Azure SignalR Service does, POST http://{server}{PATH}, with\n\n",
        entra.url(),
        entra.tenant(),
        entra.audience_client_id(),
        entra.caller_object_id(),
    );
    for (what, token) in calls {
        let (answer, reason) = match call(server, token).await {
            Ok((status, headers)) => (status.to_string(), reason(&headers).to_owned()),
            Err(error) => ("no answer".to_owned(), error.to_string()),
        };
        text.push_str(format!("  {what:<30}{answer:<18}{reason}").trim_end());
        text.push('\n');
    }
    let good = entra.token().mint();
    text.push_str(&format!(
        "\nSee who calls:\n\n\
         \x20 curl -i -H \"Authorization: Bearer {good}\" http://{server}/whoami\n\n\
         Listening on http://{server}. With the variables SIGNALR_UPSTREAM_... it serves your own SignalR resource.\n",
    ));
    // Nobody may be reading; the server serves all the same.
    let _ = io::stdout().write_all(text.as_bytes());
    std::future::pending::<()>().await;
    drop(entra);
}

/// Two calls that are let through, and one for each of the usual reasons why one is not.
fn calls(entra: &MockEntra) -> Result<Vec<Call>, InvalidGuid> {
    let another_tenant = "22222222-bbbb-4ccc-8ddd-333333333333".parse()?;
    let another_object_id = "88888888-5432-4dcb-8aed-999999999999".parse()?;
    let another_client_id = "66666666-2345-4bcd-8efa-777777777777".parse()?;
    let good = entra.token();
    Ok([
        ("a good v1 token", Some(good.clone())),
        ("a good v2 token", Some(good.clone().v2())),
        ("no token", None),
        ("a token for another audience", Some(good.clone().audience("api://another"))),
        ("a token of another tenant", Some(good.clone().tenant(another_tenant))),
        ("an expired token", Some(good.clone().expired())),
        ("a token of another caller", Some(good.clone().caller(another_object_id, another_client_id))),
        ("a token for Microsoft Graph", Some(good.graph())),
    ]
    .map(|(what, token)| (what, token.map(|token| token.mint())))
    .into())
}

/// Makes a call as Azure SignalR Service does, over a connection of its own.
async fn call(
    server: SocketAddr,
    token: Option<String>,
) -> Result<(StatusCode, HeaderMap), Box<dyn Error + Send + Sync>> {
    let call = UpstreamRequest::message("chat", "echo").argument("hi");
    let call = match token {
        Some(token) => call.bearer(token),
        None => call,
    };
    let mut request = call.into_request::<Full<Bytes>>();
    request.headers_mut().insert(HOST, HeaderValue::try_from(server.to_string())?);
    let stream = TcpStream::connect(server).await?;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = client.send_request(request).await?;
    Ok((answer.status(), answer.headers().clone()))
}

/// The reason that a challenge gives, or the challenge if it gives none.
fn reason(headers: &HeaderMap) -> &str {
    let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let description = challenge.split_once("error_description=\"").and_then(|(_, rest)| rest.split_once('"'));
    description.map_or(challenge, |(description, _)| description)
}

const PATH: &str = "/upstream/chat/messages/echo";

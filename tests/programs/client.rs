//! A plain HTTP client for the example servers.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// The challenge of a request without a bearer token (RFC 6750 section 3).
pub(crate) const BARE_CHALLENGE: &str = "Bearer realm=\"signalr-upstream\"";

pub(crate) const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The text of a header, empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The reason in the challenge, or the whole challenge if it has none.
    pub(crate) fn reason(&self) -> &str {
        let challenge = self.header(WWW_AUTHENTICATE.as_str());
        let description = challenge.split_once("error_description=\"").map(|(_, rest)| rest.strip_suffix('"').unwrap());
        description.unwrap_or(challenge)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends a request over a connection of its own.
pub(crate) async fn send(version: Version, server: SocketAddr, mut request: Request<Full<Bytes>>) -> Answer {
    let stream = TokioIo::new(TcpStream::connect(server).await.unwrap());
    let response = if version == Version::HTTP_2 {
        let path = request.uri().clone();
        *request.uri_mut() = format!("http://{server}{path}").parse().unwrap();
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        client.send_request(request).await.unwrap()
    } else {
        request.headers_mut().insert(HOST, server.to_string().parse().unwrap());
        let (mut client, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client.send_request(request).await.unwrap()
    };
    assert_eq!(response.version(), version);
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

pub(crate) fn request(method: Method, path: &str, token: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::default()).unwrap()
}

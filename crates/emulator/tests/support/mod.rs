//! Raw requests to an emulator: the target goes out exactly as it is written.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod app;
pub(crate) mod hub_client;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use signalr_emulator::mock::{ClientId, ObjectId};
use signalr_emulator::{Emulator, Role};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub(crate) const VERSION: &str = "api-version=2024-12-01";

/// A request before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) origin: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// An answer, or how the connection ended instead.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn error_code(&self) -> Option<&str> {
        self.headers.get("x-ms-error-code").map(|code| code.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// A request to the service's REST API without a token.
pub(crate) fn ask(emulator: &Emulator, method: Method, target: &str) -> Ask {
    Ask {
        method,
        origin: emulator.endpoint().to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
    }
}

impl Ask {
    pub(crate) fn at(mut self, origin: &str) -> Self {
        self.origin = origin.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: serde_json::Value) -> Self {
        self.content("application/json", body.to_string())
    }

    pub(crate) fn content(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    pub(crate) async fn send(self, emulator: &Emulator) -> Reply {
        self.try_send(emulator).await.unwrap()
    }

    pub(crate) async fn try_send(self, emulator: &Emulator) -> Result<Reply, hyper::Error> {
        let (scheme, authority) = self.origin.split_once("://").unwrap();
        let stream = TcpStream::connect(authority).await.unwrap();
        if scheme == "http" {
            return self.over(authority, stream).await;
        }
        let tls = connector(emulator).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
        self.over(authority, tls).await
    }

    async fn over<S>(&self, authority: &str, stream: S) -> Result<Reply, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(self.method.clone()).uri(&self.target).header(HOST, authority);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = sender.send_request(request.body(Full::new(self.body.clone())).unwrap()).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }
}

pub(crate) fn connector(emulator: &Emulator) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(emulator.certificate_authority_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A service principal that has no role yet.
pub(crate) fn principal() -> (ObjectId, ClientId) {
    ("dddddddd-0002-4000-8000-000000000002".parse().unwrap(), "dddddddd-0001-4000-8000-000000000001".parse().unwrap())
}

/// A token of a service principal with one role.
pub(crate) fn token_with(emulator: &Emulator, role: Role) -> String {
    let (object_id, client_id) = principal();
    emulator.roles().remove_all(object_id);
    emulator.roles().assign(object_id, role);
    emulator.entra().service_token(object_id, client_id)
}

/// A request of a *SignalR Service Owner*, with the version behind the target.
pub(crate) fn owner(emulator: &Emulator, method: Method, path: &str) -> Ask {
    let separator = if path.contains('?') { '&' } else { '?' };
    ask(emulator, method, &format!("{path}{separator}{VERSION}")).bearer(&token_with(emulator, Role::ServiceOwner))
}

/// HS256 over the text of a key, by a second implementation.
pub(crate) fn sign(key_id: &str, key: &str, claims: &serde_json::Value) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let header = serde_json::json!({"alg": "HS256", "typ": "JWT", "kid": key_id});
    let text = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text.as_bytes());
    format!("{text}.{}", BASE64.encode(tag))
}

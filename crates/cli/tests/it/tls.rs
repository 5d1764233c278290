//! TLS: both versions of HTTP, and a certificate that is replaced while the program runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::child::Program;
use crate::public_cloud::PublicCloud;
use crate::service::Service;

/// Files of a certificate, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-tls", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.0.join("tls.key")
    }

    /// Writes another certificate with another key.
    fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(self.certificate(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
        certificate.der().clone()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A connection that trusts this certificate alone.
async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn serves_both_versions_of_http_with_tls() {
    let (cloud, service, files) = (PublicCloud::start().await, Service::start().await, Files::new());
    let first = files.renew();
    let (certificate, key) = (files.certificate(), files.key());
    let (url, certificate, key) = (service.url(), certificate.to_str().unwrap(), key.to_str().unwrap());
    let options = ["proxy", "--to", &url, "--tls-cert", certificate, "--tls-key", key, "--forwarded", "forwarded"];
    let mut proxy = Program::command(&options, cloud.settings());
    let address = proxy.loaded_address().await;
    let token = cloud.entra.token().mint();
    let call = |uri: &str| {
        let call = Request::get(uri).header(AUTHORIZATION, format!("Bearer {token}"));
        call.body(Body::empty()).unwrap()
    };
    for protocol in ["http/1.1", "h2"] {
        let stream = TokioIo::new(connect(address, &first, protocol).await.unwrap());
        let response = if protocol == "h2" {
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            client.send_request(call("https://localhost/a?b")).await.unwrap()
        } else {
            let (mut client, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            let mut call = call("/a?b");
            call.headers_mut().insert(HOST, "localhost".parse().unwrap());
            client.send_request(call).await.unwrap()
        };
        assert_eq!(response.status(), StatusCode::OK, "{protocol}");
        let seen: Value = serde_json::from_slice(&response.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!((&seen["target"], &seen["headers"]["host"]), (&json!("/a?b"), &json!(["localhost"])));
        assert_eq!(seen["headers"]["forwarded"], json!(["for=127.0.0.1;proto=https;host=\"localhost\""]));
    }

    let second = files.renew();
    proxy.signal("HUP");
    proxy.stderr_with("the new certificate is in use").await;
    assert!(connect(address, &first, "h2").await.is_err());
    assert!(connect(address, &second, "h2").await.is_ok());
}

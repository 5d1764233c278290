//! The mock with an HTTP client, and behind TLS.

use std::sync::Arc;

use mock_entra::{Endpoint, Fault, MockEntra};
use serde_json::Value;
use signalr_upstream_auth::TokenVersion;

/// A client like the middleware's: no proxies, no redirects.
fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).http1_only()
}

#[tokio::test]
async fn client_reads_documents_over_one_connection() {
    let entra = MockEntra::start().await;
    let client = client().build().unwrap();
    let discovery = format!("{}/{}/v2.0/.well-known/openid-configuration", entra.url(), entra.tenant());
    let discovery = client.get(discovery).send().await.unwrap().text().await.unwrap();
    assert_eq!(discovery, entra.discovery_document(TokenVersion::V2));
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    let keys = client.get(discovery["jwks_uri"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(keys.text().await.unwrap(), entra.key_document(TokenVersion::V2));
    let requests = entra.requests();
    assert_eq!((requests.connections(), requests.discovery(), requests.keys()), (1, 1, 1));
    assert_eq!(requests.of(entra.tenant()).keys(), 1);
}

#[tokio::test]
async fn count_of_bytes_stays_close_to_what_client_read() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::endless());
    let mut answer = client().build().unwrap().get(entra.url()).send().await.unwrap();
    let mut read = 0;
    while read < 1024 * 1024 {
        read += answer.chunk().await.unwrap().unwrap().len();
    }
    drop(answer);
    let requests = entra.requests_until(|requests| requests.open_connections() == 0).await;
    assert!(requests.bytes_sent() < 2 * 1024 * 1024, "{}", requests.bytes_sent());
}

#[tokio::test]
async fn serves_public_cloud_behind_tls() {
    const HOST: &str = "login.microsoftonline.com";
    let entra = MockEntra::builder().public_cloud().start().await;
    let certified = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], certified.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let root = reqwest::Certificate::from_der(certified.cert.der()).unwrap();
    let client = client().tls_certs_only([root]).resolve(HOST, address).build().unwrap();

    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        entra.serve(stream).await;
    };
    let asking = async {
        let port = address.port();
        let url = format!("https://{HOST}:{port}/{}/v2.0/.well-known/openid-configuration", entra.tenant());
        let document = client.get(&url).send().await.unwrap().text().await.unwrap();
        assert!(document.contains(
            r#""jwks_uri":"https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/discovery/v2.0/keys""#
        ));
        entra.fail_next(1, Endpoint::Discovery, Fault::status(503));
        assert_eq!(client.get(&url).send().await.unwrap().status(), 503);
        drop(client);
    };
    tokio::join!(serving, asking);
    assert_eq!((entra.requests().connections(), entra.requests().discovery()), (1, 2));
}

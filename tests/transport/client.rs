//! The HTTP client: what a user can configure, what holds in spite of it, and when it cannot be built.

use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mock_entra::MockEntra;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::reqwest::ClientBuilder;
use signalr_upstream_auth::keys::{KeySet, KeySource, KeyState, RemoteKeys};
use signalr_upstream_auth::{
    Audiences, Callers, Cloud, Policy, RejectionKind, Tenants, TokenVersion, UpstreamAuthLayer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::reckless;

const CHILD: &str = "TEST_HAS_NO_CERTIFICATES";

#[test]
fn machine_without_certificates_is_a_configuration_error_with_a_remedy() {
    if std::env::var_os(CHILD).is_some() {
        let error = RemoteKeys::new(&public_policy()).unwrap_err();
        let fault = error.faults().next().unwrap();
        assert_eq!(fault.field(), "https_client");
        assert!(fault.problem().contains("ca-certificates") && fault.problem().contains("SSL_CERT_FILE"), "{error}");
        assert!(fault.problem().contains("certificate") && fault.problem().contains("builder error: "), "{error}");
        // What needs no certificate does not ask for any.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let entra = MockEntra::start().await;
            RemoteKeys::new(&entra.policy()).unwrap().wait_for_keys().await.unwrap();
        });
    }
    let name = "client::machine_without_certificates_is_a_configuration_error_with_a_remedy";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name]).env(CHILD, "1");
    child.env("SSL_CERT_FILE", "/nonexistent/file").env("SSL_CERT_DIR", "/nonexistent/folder");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn public_policy() -> Policy {
    let id = "11111111-aaaa-4bbb-8ccc-222222222222";
    Policy::builder(
        Tenants::parse([id]).unwrap(),
        Audiences::parse([id]).unwrap(),
        Callers::parse_object_ids([id]).unwrap(),
    )
    .build()
    .unwrap()
}

/// What the client sends, as text.
async fn heads(configure: fn(ClientBuilder) -> ClientBuilder) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let entra = MockEntra::start().await;
    let issuer = format!("{url}/{{tenantid}}/v2.0");
    let cloud = Cloud::custom(&url, &issuer, &issuer).unwrap();
    let policy = entra.policy_builder().cloud(cloud).build().unwrap();
    let keys = RemoteKeys::builder(&policy).configure_client(configure).build().unwrap();
    assert!(!keys.is_ready());
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn fetches_by_http_1_and_asks_for_uncompressed_json() {
    for configure in [reckless, |client| client] {
        let head = heads(configure).await;
        let tenant = "11111111-aaaa-4bbb-8ccc-222222222222";
        assert!(
            head.starts_with(&format!("get /{tenant}/v2.0/.well-known/openid-configuration http/1.1\r\n")),
            "{head}"
        );
        assert!(head.contains("\r\naccept: application/json\r\n"), "{head}");
        assert_eq!(head.matches("accept-encoding").count(), 1, "{head}");
        assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nuser-agent: signalr-upstream-auth/{}\r\n", env!("CARGO_PKG_VERSION"))));
        assert!(!head.contains("referer") && !head.contains("cookie") && !head.contains("upgrade"), "{head}");
    }
}

#[tokio::test]
async fn reports_every_fault_of_the_configuration_at_once() {
    let entra = MockEntra::start().await;
    let stranger = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
    let error = RemoteKeys::builder(&entra.policy())
        .refresh(std::time::Duration::ZERO)
        .stale_limit(std::time::Duration::MAX)
        .seed(
            stranger,
            KeySet::from_json(entra.key_document(TokenVersion::V2).as_bytes()).unwrap(),
            UnixTime::from_secs(0),
        )
        .build()
        .unwrap_err();
    let fields: Vec<_> = error.faults().map(|fault| fault.field().to_owned()).collect();
    assert_eq!(fields, ["refresh_secs", "stale_limit_secs", "seed"]);
}

#[tokio::test]
async fn keys_are_taken_over_from_the_same_cloud_only_and_win_over_a_seed() {
    let (entra, other) = (MockEntra::start().await, MockEntra::start().await);
    let former = RemoteKeys::new(&entra.policy()).unwrap();
    former.wait_for_keys().await.unwrap();
    let document = KeySet::from_json(entra.key_document(TokenVersion::V2).as_bytes()).unwrap();
    for (entra, state) in [(&entra, KeyState::Fresh), (&other, KeyState::Cold)] {
        let keys = RemoteKeys::builder(&entra.policy()).take_over(&former).build().unwrap();
        assert_eq!(keys.status()[0].state(), state);
        let seeded = RemoteKeys::builder(&entra.policy()).take_over(&former);
        let seeded = seeded.seed(entra.tenant(), document.clone(), UnixTime::from_secs(0)).build().unwrap();
        assert_eq!(seeded.status()[0].state() == KeyState::Fresh, state == KeyState::Fresh);
    }
}

#[tokio::test]
async fn reports_unusable_host_before_the_first_request() {
    let entra = MockEntra::start().await;
    for host in ["xn--a.example", "login.xn--0"] {
        let issuer = format!("https://{host}/{{tenantid}}/v2.0");
        let cloud = Cloud::custom(&format!("https://{host}"), &issuer, &issuer).unwrap();
        let error = RemoteKeys::new(&entra.policy_builder().cloud(cloud).build().unwrap()).unwrap_err();
        assert_eq!(error.faults().map(|fault| fault.field().to_owned()).collect::<Vec<_>>(), ["cloud.login"]);
        assert!(error.to_string().contains(host), "{error}");
    }
}

#[tokio::test]
async fn fetch_timeout_wins_over_the_clients_own() {
    let entra = MockEntra::start().await;
    let keys = RemoteKeys::builder(&entra.policy())
        .configure_client(|client| client.timeout(std::time::Duration::ZERO))
        .build()
        .unwrap();
    keys.wait_for_keys().await.unwrap();
}

#[tokio::test]
async fn rejects_a_fetch_timeout_beyond_a_minute() {
    let entra = MockEntra::start().await;
    let keys = |timeout| RemoteKeys::builder(&entra.policy()).fetch_timeout(timeout).build();
    for too_long in [std::time::Duration::from_secs(61), std::time::Duration::MAX] {
        let error = keys(too_long).unwrap_err();
        assert_eq!(error.faults().map(|fault| fault.field().to_owned()).collect::<Vec<_>>(), ["fetch_timeout_secs"]);
    }
    let keys = keys(std::time::Duration::from_secs(60)).unwrap();
    keys.wait_for_keys().await.unwrap();
    keys.refresh_now().await.unwrap();
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

#[tokio::test]
async fn reports_keys_of_another_policy_as_unavailable() {
    let entra = MockEntra::start().await;
    let other = MockEntra::builder().tenant("22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap()).start().await;
    let keys = RemoteKeys::new(&other.policy()).unwrap();
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys);
    let rejection = layer.validator().validate(&bearer(&entra.token().mint())).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::KeysUnavailable);
    let cause = std::error::Error::source(&rejection).and_then(|error| error.source()).unwrap().to_string();
    assert!(cause.contains("without the tenant 11111111-aaaa-4bbb-8ccc-222222222222"), "{cause}");
}

#[test]
fn checks_request_outside_of_any_runtime_with_cached_keys() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (entra, layer) = runtime.block_on(async {
        let entra = MockEntra::start().await;
        let layer = UpstreamAuthLayer::new(entra.policy()).unwrap();
        layer.wait_for_keys().await.unwrap();
        (entra, layer)
    });
    let verdict = |token: &str| {
        let headers = bearer(token);
        match pin!(layer.validator().validate(&headers)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome.map(drop).map_err(|rejection| rejection.kind()),
            Poll::Pending => panic!("it waits, and nobody will wake it"),
        }
    };
    assert_eq!(verdict(&entra.token().mint()), Ok(()));
    assert_eq!(verdict(&entra.token().key_id("unknown").mint()), Err(RejectionKind::KeysUnavailable));
}

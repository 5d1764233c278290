//! Responses that redirect.

use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::TokenVersion;
use signalr_upstream_auth::keys::RemoteKeysBuilder;

use super::harness::{Harness, reckless};
use super::servers::Trap;
use super::table::Row;

#[tokio::test]
async fn scenario_18_redirects() {
    let trap = Trap::start().await;
    // A good place to be sent to, which serves the very documents that were asked for.
    let elsewhere = MockEntra::start().await;
    let (mut failed, mut lost, mut requests) = (0, 0, 0);
    for status in [301, 302, 303, 307, 308] {
        for location in [
            format!("http://{}/keys", trap.address()),
            format!("https://{}/keys", trap.address()),
            format!("{}/common/discovery/v2.0/keys", elsewhere.url()),
            "http://169.254.169.254/metadata/identity".to_owned(),
            "/common/discovery/v2.0/keys".to_owned(),
        ] {
            let entra = MockEntra::start().await;
            let harness = Harness::warm_with(&entra, entra.policy(), |keys| keys.configure_client(reckless)).await;
            let before = entra.requests().log().len();
            entra.fail(Endpoint::Keys, Fault::redirect(status, &location));
            failed += harness.attempt(1).await.failed;
            requests += entra.requests().log().len() - before;
            lost += harness.lost().await;
        }
    }
    // Nor from discovery: there it counts as an unavailable document.
    let entra = MockEntra::start().await;
    let patient = |keys: RemoteKeysBuilder| keys.configure_client(reckless).fetch_timeout(Duration::from_secs(2));
    let harness = Harness::warm_with(&entra, entra.policy(), patient).await;
    entra.fail(Endpoint::Discovery, Fault::redirect(302, &format!("http://{}/", trap.address())));
    assert_eq!(harness.attempt(1).await.good, 1);
    lost += harness.lost().await;
    Row::new(18, "redirects to http, https, another host, the metadata address, itself")
        .fetches(requests, 2 * 25)
        .lost(lost, 0)
        .figure("attempts that failed", failed, 25)
        .figure("connections to the trap", trap.connections(), 0)
        .figure("requests elsewhere", elsewhere.requests().log().len(), 0)
        .print();
}

#[tokio::test]
async fn never_fetches_key_document_outside_the_cloud() {
    let trap = Trap::start().await;
    let entra = MockEntra::start().await;
    let harness = Harness::warm(&entra).await;
    let document = entra.discovery_document(TokenVersion::V2);
    let host = entra.url().trim_start_matches("http://");
    for uri in [
        format!("http://{}/keys", trap.address()),
        format!("https://{}/keys", trap.address()),
        format!("http://{host}@{}/keys", trap.address()),
        format!("http://{}/keys#{host}", trap.address()),
        format!("http://{}\\\\@{host}/keys", trap.address()),
    ] {
        let before = entra.requests().keys();
        let moved = document.replace(&format!("{}/", entra.url()), "http://kept.example/");
        let moved = moved.replacen("http://kept.example/", &format!("{uri}?"), usize::MAX);
        let moved = restore_issuer(&moved, &document);
        entra.fail(Endpoint::Discovery, Fault::content("application/json", moved));
        assert_eq!(harness.attempt(1).await.failed, 1, "{uri}");
        assert_eq!(entra.requests().keys(), before, "{uri}");
    }
    assert_eq!((trap.connections(), harness.lost().await), (0, 0));
}

/// Puts the `issuer` of one discovery document into another.
fn restore_issuer(changed: &str, original: &str) -> String {
    let issuer = |document: &str| {
        let start = document.find("\"issuer\"").expect("an issuer");
        let end = start + document[start..].find(',').expect("more behind it");
        (start, end)
    };
    let ((start, end), (from, to)) = (issuer(changed), issuer(original));
    [&changed[..start], &original[from..to], &changed[end..]].concat()
}

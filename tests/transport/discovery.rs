//! Discovery and key documents that do not agree.

use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::TokenVersion;
use tokio::time::sleep;

use super::harness::{Attempts, Harness};
use super::table::Row;

#[tokio::test]
async fn scenario_30_the_keys_move() {
    let (entra, new_place) = (MockEntra::start().await, MockEntra::start().await);
    let host = new_place.url().trim_start_matches("http://");
    let cloud = entra.cloud().with_document_host(host).unwrap();
    let policy = entra.policy_builder().cloud(cloud).build().unwrap();
    let harness = Harness::warm_with(&entra, policy, |keys| keys.fetch_timeout(Duration::from_secs(2))).await;
    let before = entra.requests().log().len();
    // What was at the old place is gone, and found at the new one.
    entra.fail(Endpoint::Keys, Fault::status(404));
    new_place.fail(Endpoint::Keys, Fault::content("application/json", entra.key_document(TokenVersion::V2)));
    let lagging = harness.attempt(1).await;
    let keys = format!("/{}/discovery/v2.0/keys", entra.tenant());
    let moved = entra
        .discovery_document(TokenVersion::V2)
        .replace(&format!("{}{keys}", entra.url()), &format!("{}{keys}", new_place.url()));
    entra.fail(Endpoint::Discovery, Fault::content("application/json", moved));
    let found = harness.attempt(2).await;
    let requests = entra.requests().log().len() - before + new_place.requests().log().len();
    Row::new(30, "the key document moves to another host of the cloud, the old one answers 404")
        .fetches(requests, 6)
        .lost(harness.lost().await, 0)
        .figure("attempts until it is found", lagging.failed + u64::from(found.good == 2), 2)
        .figure("key requests at the new place", new_place.requests().keys(), 2)
        .print();
}

#[tokio::test]
async fn scenario_31_half_of_it_down() {
    let entra = MockEntra::start().await;
    let harness = Harness::warm_and_patient(&entra).await;
    let before = entra.requests().log().len();
    let mut good = 0;
    for fault in [Fault::reset(), Fault::hang(), Fault::status(503), Fault::status(404)] {
        entra.fail(Endpoint::Discovery, fault);
        good += harness.attempt(2).await.good;
    }
    entra.recover();
    entra.fail(Endpoint::Keys, Fault::status(503));
    let stale = harness.attempt(2).await;
    let requests = entra.requests().log().len() - before;
    Row::new(31, "discovery down and keys up, then the reverse")
        .fetches(requests, 20)
        .lost(harness.lost().await, 0)
        .figure("of 8 attempts without discovery, good", good, 8)
        .figure("of 2 attempts without keys, failed", stale.failed, 2)
        .print();
}

#[tokio::test]
async fn scenario_32_another_issuer() {
    let entra = MockEntra::start().await;
    let harness = Harness::warm(&entra).await;
    let before = entra.requests();
    let tenant = entra.tenant().to_string();
    let good = entra.discovery_document(TokenVersion::V2);
    let mut attempts = Attempts::default();
    for document in [
        good.replace(&format!("{tenant}/v2.0\""), "{tenantid}/v2.0\""),
        entra.discovery_document(TokenVersion::V1),
        good.replace(&format!("{tenant}/v2.0\""), "22222222-aaaa-4bbb-8ccc-222222222222/v2.0\""),
        good.replace("\"issuer\"", "\"issuing\""),
    ] {
        assert_ne!(document, good);
        entra.fail(Endpoint::Discovery, Fault::content("application/json", document));
        attempts += harness.attempt(1).await;
    }
    let requests = entra.requests();
    Row::new(32, "discovery names another issuer, the template, v1, none")
        .fetches(requests.log().len() - before.log().len(), 4)
        .lost(harness.lost().await, 0)
        .figure("attempts that failed", attempts.failed, 4)
        .figure("key requests", requests.keys() - before.keys(), 0)
        .print();
}

#[tokio::test]
async fn scenario_60_a_key_address_that_is_too_long() {
    let entra = MockEntra::start().await;
    let harness = Harness::warm_and_patient(&entra).await;
    let before = entra.requests();
    let good = entra.discovery_document(TokenVersion::V2);
    let address = format!("{}/{}/discovery/v2.0/keys", entra.url(), entra.tenant());
    let with_address_of = |length: usize| {
        let longer = format!("{address}?a={}", "a".repeat(length - address.len() - 3));
        good.replace(&format!("{address}\""), &format!("{longer}\""))
    };
    entra.fail(Endpoint::Discovery, Fault::content("application/json", with_address_of(2049)));
    let too_long = harness.attempt(1).await;
    entra.fail(Endpoint::Discovery, Fault::content("application/json", with_address_of(2048)));
    let longest = harness.attempt(1).await;
    let requests = entra.requests();
    Row::new(60, "discovery names a key address of 2,049 bytes, then one of 2,048")
        .fetches(requests.log().len() - before.log().len(), 3)
        .lost(harness.lost().await, 0)
        .figure("attempts that failed", too_long.failed, 1)
        .figure("attempts that succeeded", longest.good, 1)
        .figure("key requests", requests.keys() - before.keys(), 1)
        .print();
}

#[tokio::test]
async fn scenario_33_cache_headers() {
    let (mut requests, mut lost, mut attempts) = (0, 0, Vec::new());
    for header in ["max-age=0, no-store", "max-age=315360000, immutable"] {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::none().header("Cache-Control", header).header("Expires", "0"));
        let harness = Harness::warm_with(&entra, entra.policy(), |keys| keys.refresh(Duration::from_millis(100))).await;
        let before = entra.requests();
        sleep(Duration::from_millis(1500)).await;
        let after = entra.requests();
        attempts.push(after.keys() - before.keys());
        requests += after.log().len() - before.log().len();
        lost += harness.lost().await;
    }
    Row::new(33, "Cache-Control: max-age=0, no-store; max-age of ten years; refresh every 100 ms for 1.5 s")
        .fetches(requests, 2 * 12..=2 * 35)
        .lost(lost, 0)
        .figure("attempts, told not to keep them", attempts[0], 6..=17)
        .figure("attempts, told to keep them for ever", attempts[1], 6..=17)
        .print();
}

#[tokio::test]
async fn scenario_45_connections_that_do_not_last() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::reset_when_idle(Duration::from_millis(20)));
    let harness = Harness::warm_and_patient(&entra).await;
    let before = entra.requests();
    let mut attempts = Attempts::default();
    for pause in [0, 5, 19, 20, 21, 30, 50, 100] {
        sleep(Duration::from_millis(pause)).await;
        attempts += harness.attempt(1).await;
    }
    let after = entra.requests();
    Row::new(45, "idle connections are reset, as the client is about to use them or before")
        .fetches(after.log().len() - before.log().len(), 8..=24)
        .lost(harness.lost().await, 0)
        .figure("of 8 attempts, good", attempts.good, 7..=8)
        .figure("connections", after.connections() - before.connections(), 1..=9)
        .figure("open at the end, at most", after.open_connections(), ..=1)
        .print();
}

#[tokio::test]
async fn honors_retry_after_of_discovery_while_keys_are_fetched() {
    let entra = MockEntra::start().await;
    let harness = Harness::warm_and_patient(&entra).await;
    entra.fail(Endpoint::Discovery, Fault::status(503).header("Retry-After", "600"));
    let attempts = harness.attempt(4).await;
    let requests = entra.requests();
    assert_eq!((attempts.good, requests.discovery(), requests.keys()), (4, 2, 5));
    assert_eq!(harness.lost().await, 0);
}

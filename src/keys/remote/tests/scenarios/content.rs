//! The provider answers with something that is wrong in part or in whole.

use super::harness::{HOUR, Harness, MINUTE, Outcome, Reply, SECOND};
use super::table::Row;
use super::testlog;
use crate::keys::sample::{another_key, document, key, malformed, published, unusable};

/// Two hours of documents that are not to be taken, then good ones again.
async fn two_bad_hours(bad: &str) -> (Harness, u64, u64, u64) {
    let bad = bad.to_owned();
    let harness = Harness::warm(move |attempt| match attempt {
        attempt if attempt.at > MINUTE && attempt.at < HOUR * 3 => Reply::Document(bad.clone()),
        _ => Reply::keys(&["a", "b"]),
    })
    .await;
    let log = testlog::start();
    let tally = harness.serve(HOUR * 3, SECOND, &["a", "b"]).await;
    let failures = harness.status().failures();
    assert_eq!(harness.status().keys(), 2);
    assert_eq!(failures, harness.provider.attempts() - 1, "each of them was rejected");
    let reports = log.count("keys could not be refreshed; cached keys are served");
    let after = harness.serve(MINUTE * 20, SECOND, &["a", "b"]).await;
    assert!(harness.status().last_error().is_none(), "back again");
    (harness, tally.lost() + after.lost(), failures, reports)
}

#[tokio::test(start_paused = true)]
async fn scenario_13_an_empty_set() {
    let (harness, lost, failures, reports) = two_bad_hours(r#"{"keys":[]}"#).await;
    Row::new(13, "an empty set for two hours")
        .fetches(harness.provider.requests(), ..=2 * 30)
        .lost(lost, 0)
        .figure("cached keys", harness.status().keys(), 2)
        .figure("sets rejected", failures, 8..=28)
        .figure("reports beyond one each", reports.abs_diff(failures), 0)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_14_only_unusable_keys() {
    let short = r#"{"kty":"RSA","use":"sig","kid":"a","n":"u7u7","e":"AQAB"}"#.to_owned();
    let encrypts = key("b").replace("\"sig\"", "\"enc\"");
    let (harness, lost, failures, reports) = two_bad_hours(&document(&[unusable("a"), short, encrypts])).await;
    Row::new(14, "only unusable keys for two hours")
        .fetches(harness.provider.requests(), ..=2 * 30)
        .lost(lost, 0)
        .figure("cached keys", harness.status().keys(), 2)
        .figure("sets rejected", failures, 8..=28)
        .figure("reports beyond one each", reports.abs_diff(failures), 0)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_15_one_broken_key_among_six() {
    let log = testlog::start();
    let names = ["a", "b", "c", "d", "e"];
    let harness = Harness::warm(move |_| {
        let mut entries: Vec<_> = names.iter().map(|name| key(name)).collect();
        entries.insert(3, malformed("broken"));
        Reply::Document(document(&entries))
    })
    .await;
    let tally = harness.serve(HOUR * 6, SECOND, &names).await;
    assert_eq!(harness.request("broken").await.0, Outcome::Invalid);
    Row::new(15, "one broken key among six, 6 h")
        .fetches(harness.provider.requests(), 10..=16)
        .lost(tally.lost(), 0)
        .figure("cached keys", harness.status().keys(), 5)
        .figure("entries rejected", harness.status().unusable_entries(), 1)
        .figure("reports of it", log.count("the key document has unusable entries"), 1)
        .print();
}

/// With and without another key in the document: the attempt is a success or a failure, and the key is compromised.
#[tokio::test(start_paused = true)]
async fn reports_a_published_private_half_once_and_rejects_its_tokens() {
    for others in [vec![], vec![key("b")]] {
        let log = testlog::start();
        let entries = [vec![published("a")], others.clone()].concat();
        let harness = Harness::warm(move |attempt| match attempt.number {
            0 => Reply::keys(&["a", "b"]),
            _ => Reply::Document(document(&entries)),
        })
        .await;
        let tally = harness.serve(HOUR * 6, SECOND, &["b"]).await;
        assert_eq!(tally.lost(), 0);
        assert_eq!(harness.request("a").await.0, Outcome::Invalid);
        assert_eq!((harness.status().keys(), harness.status().failures() > 0), (1, others.is_empty()));
        let message = "the key document publishes the private half of a key; its tokens are rejected";
        assert_eq!((log.count(message), log.count_at(tracing::Level::ERROR)), (1, 1), "{others:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_28_another_key_under_the_same_name() {
    let log = testlog::start();
    let harness = Harness::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a", "b"]),
        _ => Reply::Document(document(&[another_key("a", 1), key("b")])),
    })
    .await;
    let held = |harness: &Harness| match harness.store.lookup_now(&"a".into()) {
        crate::keys::Lookup::Found(key) => key,
        other => panic!("{other:?}"),
    };
    let before = held(&harness);
    let tally = harness.serve(HOUR * 3, SECOND, &["b"]).await;
    let after = held(&harness);
    Row::new(28, "another key under the same name")
        .fetches(harness.provider.requests(), 6..=8)
        .lost(tally.lost(), 0)
        .figure("old key still in use", u64::from(after.same_modulus(&before)), 0)
        .figure("warnings", log.count("another key has taken the kid of a cached key"), 1)
        .print();
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_29_order_and_dress() {
    let harness = Harness::warm(|attempt| {
        let dressed = |name: &str| key(name).replacen('{', "{ \"x5c\" : [ \"MIIB\" ],\n\t\"x5t\":\"AA\", ", 1);
        let mut entries = vec![key("a"), dressed("b"), unusable("curve"), dressed("c")];
        let turns = attempt.number % entries.len();
        entries.rotate_left(turns);
        Reply::Document(format!("\n{}\r\n", document(&entries).replace(',', " ,\n  ")))
    })
    .await;
    let tally = harness.serve(HOUR * 12, SECOND, &["a", "b", "c"]).await;
    Row::new(29, "order shuffled, x5c, EC keys, white space, 12 h")
        .fetches(harness.provider.requests(), 22..=28)
        .lost(tally.lost(), 0)
        .figure("cached keys", harness.status().keys(), 3)
        .figure("not answered at the first poll", tally.waited, 0)
        .print();
}

//! A store that takes over from another one, as with new settings.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::{DAY, HOUR, Harness, Outcome, Reply, SECOND, ended};
use crate::ids::KeyId;
use crate::keys::remote::status::KeyState;
use crate::keys::remote::timing::Timing;
use crate::keys::sample::{document, key, published};
use crate::keys::source::Lookup;

#[tokio::test(start_paused = true)]
async fn serves_at_once_what_the_former_store_had_while_the_provider_is_down() {
    let former = Harness::warm(|_| Reply::keys(&["a", "b"])).await;
    former.store.revoke(&KeyId::new("b"));
    sleep(SECOND).await;
    let store = former.successor(Timing::default(), |_| Reply::DOWN);
    drop(former);
    let start = Instant::now();
    ended(store.store.wait_for_keys()).await.unwrap();
    assert!(store.is_ready());
    assert_eq!(store.request("a").await, (Outcome::Pass, Duration::ZERO));
    assert_eq!(store.request("b").await, (Outcome::Invalid, Duration::ZERO), "what is revoked stays revoked");
    assert_eq!((start.elapsed(), store.status().age()), (Duration::ZERO, Some(SECOND)));
    sleep(SECOND).await;
    assert!(store.provider.attempts() > 0 && store.status().last_error().is_some(), "fetched anew at once");
    sleep(DAY).await;
    assert_eq!(store.status().state(), KeyState::Expired, "as old as they were");
}

#[tokio::test(start_paused = true)]
async fn key_whose_private_half_was_published_stays_unusable() {
    let former = Harness::warm(|attempt| match attempt.number {
        0 => Reply::Document(document(&[published("a"), key("b")])),
        _ => Reply::DOWN,
    })
    .await;
    let store = former.successor(Timing::default(), |_| Reply::keys(&["a", "b"]));
    ended(store.store.refresh_now()).await.unwrap();
    let is_found = |name| matches!(store.store.lookup_now(&KeyId::new(name)), Lookup::Found(_));
    assert_eq!(["a", "b"].map(is_found), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn keys_are_served_as_long_as_the_new_limit_allows() {
    let former = Harness::warm(|_| Reply::keys(&["a"])).await;
    sleep(HOUR / 2).await;
    let shorter = |stale_limit| Timing { stale_limit, ..Timing::default() };
    for (limit, state) in [(HOUR / 2, KeyState::Expired), (HOUR / 2 + SECOND, KeyState::Fresh)] {
        assert_eq!(former.successor(shorter(limit), |_| Reply::DOWN).status().state(), state, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_over_from_a_store_without_keys() {
    let former = Harness::cold(|_| Reply::DOWN);
    let store = former.successor(Timing::default(), |_| Reply::keys(&["a"]));
    assert!(!store.is_ready());
    ended(store.store.wait_for_keys()).await.unwrap();
    assert_eq!(store.request("a").await.0, Outcome::Pass);
}

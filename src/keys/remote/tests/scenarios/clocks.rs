//! Clocks that jump, stop, or cannot be read.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep, sleep_until};

use super::harness::{DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND, WallClock, ended};
use super::table::Row;
use crate::clock::UnixTime;
use crate::keys::remote::status::KeyState;
use crate::keys::remote::timing::Timing;
use crate::keys::sample::{id, set};
use crate::keys::source::Lookup;

const TEN_YEARS: i64 = 10 * 365 * 86_400;

#[tokio::test(start_paused = true)]
async fn scenario_42_the_wall_clock_jumps() {
    // `late` is a key that answers have stopped listing, which only its retention keeps.
    let harness = Harness::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a", "late"]),
        _ => Reply::keys(&["a"]),
    })
    .await;
    let mut lost = harness.serve(HOUR * 2, SECOND, &["a", "late"]).await.lost();
    let mut extra = Vec::new();
    for ahead in [2 * 3600, -2 * 3600, TEN_YEARS, -50 * 365 * 86_400, i64::MIN] {
        let before = harness.provider.attempts();
        harness.clock.set_ahead(ahead);
        // The next scheduled refresh falls into this time, too.
        let meanwhile = harness.serve(MINUTE * 70, SECOND, &["a"]).await;
        if ahead != TEN_YEARS {
            lost += meanwhile.lost();
        }
        assert_eq!(meanwhile.invalid, 0);
        harness.clock.set_ahead(0);
        lost += harness.serve(MINUTE, SECOND, &["a", "late"]).await.lost();
        extra.push(harness.provider.attempts() - before);
    }
    Row::new(42, "the wall clock jumps by ±2 h, +10 years, to before 1970, and back")
        .fetches(harness.provider.requests(), 2 * 7..=2 * 20)
        .lost(lost, 0)
        .figure(
            "most attempts in 71 min at ±2 h and before 1970",
            extra[0].max(extra[1]).max(extra[3]).max(extra[4]),
            ..=2,
        )
        .figure("at +10 years, which may be a suspend", extra[2], ..=3)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_43_a_suspend_of_26_hours() {
    let latency = Duration::from_millis(200);
    let harness = Harness::warm(move |attempt| match attempt.number {
        0 => Reply::keys(&["a"]),
        _ => Reply::keys(&["a"]).after(latency),
    })
    .await;
    harness.serve(MINUTE * 10, SECOND, &["a"]).await;
    let before = harness.provider.requests();
    // The clock that never jumps stands still meanwhile.
    harness.clock.jump(26 * 3600);
    assert_eq!(harness.status().state(), KeyState::Expired);
    let awake = harness.serve(MINUTE, Duration::from_millis(10), &["a"]).await;
    let fetched = harness.provider.requests() - before;

    let down = Harness::warm(|attempt| if attempt.number == 0 { Reply::keys(&["a"]) } else { Reply::DOWN }).await;
    down.serve(MINUTE * 10, SECOND, &["a"]).await;
    down.clock.jump(26 * 3600);
    let rejected = down.serve(MINUTE * 10, SECOND, &["a"]).await;
    Row::new(43, "a suspend of 26 h")
        .fetches(fetched, 2)
        .lost(awake.lost(), 0)
        .figure("slowest request, ms", awake.slowest_millis(), 200..=2000)
        .figure("provider down: served", rejected.passed, 0)
        .figure("provider down: rejected with 401", rejected.invalid, 0)
        .figure("provider down: attempts in 10 min", down.provider.attempts() - 1, 40..=100)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_56_frozen_in_the_middle_of_a_fetch() {
    let (mut lost, mut attempts, mut slowest) = (0, 0, Duration::ZERO);
    // A stop of the process, which no clock takes part in, and a suspend of the machine, which stops one of them.
    for is_suspend in [false, true] {
        // Each other attempt loses its connection in the frost.
        let harness = Harness::warm(|attempt| match attempt.number {
            number if number % 2 == 1 => Reply::DOWN.after(SECOND * 2),
            _ => Reply::keys(&["a"]),
        })
        .await;
        for _ in 0..10 {
            let before = harness.status().refreshes();
            // Nobody waits for it: a waiter would replace the task at the thaw.
            drop(harness.store.refresh_now());
            sleep(SECOND).await;
            if is_suspend {
                harness.clock.jump(600);
            } else {
                advance(MINUTE * 10).await;
            }
            let thaw = Instant::now();
            while harness.status().refreshes() == before && thaw.elapsed() < MINUTE {
                sleep(Duration::from_millis(10)).await;
                lost += u64::from(!matches!(harness.store.lookup_now(&id("a")), Lookup::Found(_)));
            }
            slowest = slowest.max(thaw.elapsed());
            sleep(MINUTE).await;
        }
        attempts += harness.provider.attempts() - 1;
    }
    Row::new(
        56,
        "frozen for 10 min in the middle of a fetch, ten times by a stop of the process, ten times by a suspend",
    )
    .fetches(attempts * 2, 2 * 40)
    .lost(lost, 0)
    .figure("ms from the thaw to the next success", slowest.as_millis(), ..=1_100)
    .print();
}

#[tokio::test(start_paused = true)]
async fn look_at_readiness_after_a_suspend_starts_an_attempt() {
    let harness = Harness::warm(|_| Reply::keys(&["a"])).await;
    sleep(MINUTE).await;
    harness.clock.jump(26 * 3600);
    assert!(!harness.is_ready(), "the truth first");
    sleep(SECOND).await;
    assert!(harness.is_ready());
    assert_eq!(harness.provider.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn wait_for_keys_ends_when_a_clock_that_is_set_back_makes_the_keys_count_again() {
    let harness = Harness::warm(|attempt| if attempt.number == 0 { Reply::keys(&["a"]) } else { Reply::Silence }).await;
    harness.clock.jump(26 * 3600);
    let waiting = tokio::spawn(harness.store.wait_for_keys());
    sleep(SECOND).await;
    assert!(!waiting.is_finished(), "the keys have expired");
    harness.clock.set_ahead(0);
    // Any change has whoever waits look again, by the time that it is then.
    harness.store.reinstate(&id("unrelated"));
    let begun = Instant::now();
    assert!(ended(waiting).await.unwrap().is_ok());
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn clock_set_after_the_start_costs_one_attempt() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]));
    harness.clock.set_ahead(-TEN_YEARS);
    assert_eq!(harness.request("a").await.0, Outcome::Pass);
    sleep(SECOND * 10).await;
    harness.clock.set_ahead(0);
    let tally = harness.serve(MINUTE, SECOND, &["a"]).await;
    assert_eq!((tally.lost(), harness.provider.attempts()), (0, 2));
}

/// The moment after which a timer has certainly fired.
const MOMENT: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn wall_clock_set_back_does_not_prolong_the_stale_limit() {
    // Down, so that the task sleeps when the time comes; hanging from just before, so that an attempt is under way.
    for hangs in [false, true] {
        let harness = Harness::warm(move |attempt| match attempt.number {
            0 => Reply::keys(&["a"]),
            _ if hangs && attempt.at >= DAY - SECOND * 2 => Reply::Silence,
            _ => Reply::DOWN,
        })
        .await;
        let warm = Instant::now();
        harness.clock.set_ahead(-TEN_YEARS);
        assert_eq!(harness.serve(DAY - SECOND * 2, SECOND, &["a"]).await.lost(), 0);
        let attempt = harness.store.refresh_now();
        sleep_until(warm + DAY - MOMENT).await;
        assert_eq!(harness.request("a").await.0, Outcome::Pass);
        sleep_until(warm + DAY + MOMENT).await;
        assert!(matches!(harness.store.lookup_now(&id("a")), Lookup::Miss), "{hangs}");
        drop(attempt);
        let late = harness.serve(HOUR, SECOND, &["a"]).await;
        assert_eq!((late.passed, late.invalid), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn wall_clock_set_back_does_not_prolong_the_retention() {
    let harness = Harness::warm(|attempt| Reply::keys(if attempt.number == 0 { &["a", "gone"] } else { &["a"] })).await;
    let seen = Instant::now();
    harness.clock.set_ahead(-TEN_YEARS);
    sleep_until(seen + DAY - MOMENT).await;
    assert_eq!(harness.request("gone").await.0, Outcome::Pass);
    sleep_until(seen + DAY + MOMENT).await;
    assert!(!matches!(harness.store.lookup_now(&id("gone")), Lookup::Found(_)));
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn unreadable_wall_clock_at_the_start_does_no_harm() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]));
    harness.clock.breaks();
    assert_eq!(harness.serve(HOUR, SECOND, &["a"]).await.lost(), 0);
    harness.clock.set_ahead(0);
    assert_eq!(harness.serve(DAY, SECOND, &["a"]).await.lost(), 0);
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_50_a_seed_and_no_provider() {
    let seeded = |age: u64| {
        let taken = UnixTime::from_secs(WallClock::EPOCH - age);
        Harness::build(Timing::default(), Some((set(&["a", "b"]), taken)), |_| Reply::DOWN)
    };
    let harness = seeded(3600);
    assert!(harness.is_ready(), "before anything was fetched");
    let young = harness.serve(HOUR * 23 - SECOND, SECOND, &["a", "b"]).await;
    sleep(SECOND).await;
    let after = harness.serve(HOUR, SECOND, &["a"]).await;
    let old = seeded(86_400);
    assert!(!old.is_ready());
    let rejected = old.serve(HOUR, SECOND, &["a"]).await;
    Row::new(50, "a seed one hour old, a seed of a day, no provider")
        .fetches(harness.provider.requests(), ..=2 * 1100)
        .lost(young.lost(), 0)
        .figure("served beyond the age of a day", after.passed + rejected.passed, 0)
        .figure("rejected with 401", young.invalid + after.invalid + rejected.invalid, 0)
        .print();
}

#[tokio::test(start_paused = true)]
async fn seed_is_merged_with_the_first_document() {
    let taken = UnixTime::from_secs(WallClock::EPOCH - 3600);
    let harness = Harness::build(Timing::default(), Some((set(&["a"]), taken)), |_| Reply::keys(&["b"]));
    assert_eq!(harness.request("a").await.0, Outcome::Pass);
    sleep(SECOND).await;
    assert_eq!((harness.provider.attempts(), harness.status().keys()), (1, 2), "merged like any answer");
    assert_eq!(harness.request("b").await.0, Outcome::Pass);
}

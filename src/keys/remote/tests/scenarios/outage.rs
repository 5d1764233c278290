//! The provider is there, is away, says that it is busy.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::{DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND};
use super::table::Row;
use crate::keys::remote::status::KeyState;

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_01_a_good_day() {
    let harness = Harness::warm(|_| Reply::keys(&["a", "b"])).await;
    let tally = harness.serve(DAY, SECOND, &["a", "b"]).await;
    assert_eq!(harness.status().state(), KeyState::Fresh);
    Row::new(1, "a good provider for 24 h")
        .fetches(harness.provider.requests(), 44..=56)
        .lost(tally.lost(), 0)
        .figure("good requests", tally.passed, 172_800)
        .figure("not answered at the first poll", tally.waited, 0)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_02_away_at_the_start() {
    let harness = Harness::cold(|attempt| if attempt.at < MINUTE { Reply::DOWN } else { Reply::keys(&["a"]) });
    let start = Instant::now();
    let away = harness.serve(MINUTE, SECOND, &["a"]).await;
    let attempts = harness.provider.times().iter().filter(|at| **at < MINUTE).count();
    while !harness.is_ready() {
        sleep(Duration::from_millis(10)).await;
    }
    let healed = start.elapsed() - MINUTE;
    let after = harness.serve(MINUTE, SECOND, &["a"]).await;
    Row::new(2, "rejected from the start, comes after 60 s")
        .fetches(harness.provider.requests(), 4..=34)
        .lost(after.lost(), 0)
        .figure("attempts in the 60 s", attempts, 2..=16)
        .figure("seconds from its return to readiness", healed.as_secs(), ..=15)
        .figure("slowest answer meanwhile, ms", away.slowest_millis(), ..=2000)
        .figure("good requests rejected with 401", away.invalid + after.invalid, 0)
        .print();
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_03_away_for_almost_a_day() {
    let harness =
        Harness::warm(|attempt| if attempt.number == 0 { Reply::keys(&["a", "b"]) } else { Reply::DOWN }).await;
    let tally = harness.serve(DAY - MINUTE * 10, SECOND, &["a", "b"]).await;
    let times = harness.provider.times();
    let first_failure = times[1];
    let in_hour = |hour: u32| {
        let from = first_failure + HOUR * hour;
        u64::try_from(times.iter().filter(|at| (from..from + HOUR).contains(*at)).count()).unwrap()
    };
    assert_eq!(harness.status().state(), KeyState::Stale);
    assert!(harness.is_ready());
    Row::new(3, "down for 23 h 50 min")
        .fetches(harness.provider.requests(), ..=2 * (1 + 13 + 8 * 22))
        .lost(tally.lost(), 0)
        .figure("attempts in the first hour of it", in_hour(0), 2..=13)
        .figure("most attempts in a later hour", (1..23).map(in_hour).max().unwrap(), 1..=8)
        .figure("not answered at the first poll", tally.waited, 0)
        .print();
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_04_away_for_more_than_a_day() {
    let harness = Harness::warm(|attempt| match attempt {
        attempt if attempt.number == 0 || attempt.at > HOUR * 25 => Reply::keys(&["a"]),
        _ => Reply::DOWN,
    })
    .await;
    let start = Instant::now();
    let before = harness.serve(DAY - SECOND, SECOND, &["a"]).await;
    sleep(DAY - start.elapsed() - Duration::from_millis(1)).await;
    assert_eq!(harness.request("a").await.0, Outcome::Pass, "to the last moment");
    sleep(Duration::from_millis(1)).await;
    let expired = harness.serve(HOUR * 25 - start.elapsed() - SECOND * 3, SECOND, &["a"]).await;
    assert_eq!(harness.status().state(), KeyState::Expired);
    sleep(HOUR * 25 - start.elapsed()).await;
    while harness.request("a").await.0 != Outcome::Pass {
        sleep(Duration::from_millis(100)).await;
    }
    let healed = start.elapsed() - HOUR * 25;
    let attempts = harness.provider.times().iter().filter(|at| (DAY..HOUR * 25).contains(*at)).count();
    Row::new(4, "down for 25 h")
        .fetches(harness.provider.requests(), ..=2 * 900)
        .lost(before.lost(), 0)
        .figure("served after 24 h", expired.passed, 0)
        .figure("rejected with 401 after 24 h", expired.invalid, 0)
        .figure("slowest answer, ms", expired.slowest_millis(), ..=2000)
        .figure("attempts in the hour without keys", attempts, 240..=520)
        .figure("seconds from its return to the first answer", healed.as_secs(), ..=15)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_08_errors_for_an_hour() {
    let harness = Harness::warm(|attempt| if attempt.number == 0 { Reply::keys(&["a"]) } else { Reply::DOWN }).await;
    sleep(MINUTE * 50).await;
    let tally = harness.serve(HOUR + MINUTE * 16, SECOND, &["a"]).await;
    let first_failure = harness.provider.times()[1];
    let attempts =
        harness.provider.times().iter().filter(|at| (first_failure..first_failure + HOUR).contains(*at)).count();
    Row::new(8, "status 500 for an hour")
        .fetches(harness.provider.requests(), ..=2 * 15)
        .lost(tally.lost(), 0)
        .figure("attempts in the hour", attempts, 2..=13)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_09_asked_to_come_back_later() {
    let mut lost = 0;
    let mut requests = 0;
    let mut gaps = Vec::new();
    for (asked, honored) in [(MINUTE * 10, MINUTE * 10), (DAY, MINUTE * 15)] {
        let harness = Harness::warm(move |attempt| match attempt.number {
            0 => Reply::keys(&["a"]),
            _ => Reply::Failure { retry_after: Some(asked) },
        })
        .await;
        sleep(MINUTE * 50).await;
        lost += harness.serve(HOUR * 3, SECOND, &["a"]).await.lost();
        // Tokens with unknown keys do not bring it forward either.
        for _ in 0..100 {
            assert_eq!(harness.request("unknown").await.0, Outcome::Wait);
        }
        let times = harness.provider.times();
        gaps.extend(times[1..].windows(2).map(|pair| (pair[1] - pair[0], honored)));
        requests += harness.provider.requests();
    }
    let early = gaps.iter().filter(|(gap, honored)| gap < honored).count();
    let late = gaps.iter().filter(|(gap, _)| *gap > MINUTE * 15 + SECOND * 30).count();
    Row::new(9, "Retry-After of 10 min, of a day")
        .fetches(requests, 40..=80)
        .lost(lost, 0)
        .figure("attempts before 10 min and 15 min", early, 0)
        .figure("attempts later than 15 min 30 s", late, 0)
        .print();
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_10_good_and_bad_by_turns() {
    let harness =
        Harness::warm(|attempt| if attempt.number % 2 == 0 { Reply::keys(&["a"]) } else { Reply::DOWN }).await;
    let tally = harness.serve(DAY, SECOND, &["a"]).await;
    Row::new(10, "every other attempt fails for 24 h")
        .fetches(harness.provider.requests(), 80..=2 * 4 * 24)
        .lost(tally.lost(), 0)
        .figure("most attempts in an hour", harness.provider.most_within(HOUR), ..=4)
        .print();
}

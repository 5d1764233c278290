//! A hundred instances at once.

use std::time::Duration;

use tokio::time::sleep;

use super::harness::{HOUR, Harness, MINUTE, Reply, SECOND};
use super::table::Row;
use crate::keys::sample::id;
use crate::keys::source::Lookup;

#[tokio::test(start_paused = true)]
async fn scenario_47_a_hundred_instances() {
    // They start together while the provider is away, and all meet it when it comes.
    let away = MINUTE * 2;
    let script = move |attempt: super::harness::Attempt| match attempt.at {
        at if at < away => Reply::DOWN,
        at if at < HOUR * 4 => Reply::keys(&["a"]),
        _ => Reply::DOWN,
    };
    let harnesses: Vec<_> = (0..100).map(|_| Harness::cold(script)).collect();
    for harness in &harnesses {
        assert!(!harness.is_ready(), "which starts it");
    }
    sleep(away + MINUTE).await;
    let mut lost = 0;
    for _ in 3..360 {
        lost +=
            harnesses.iter().filter(|harness| !matches!(harness.store.lookup_now(&id("a")), Lookup::Found(_))).count();
        sleep(MINUTE).await;
    }
    let times: Vec<_> = harnesses.iter().map(|harness| harness.provider.times()).collect();

    // From the sixth retry of the start on, where the pace is steady.
    let starts: Vec<_> = times.iter().flat_map(|times| times[6..].iter().filter(|at| **at < away)).collect();
    // All lose it together, in the middle of their hour; from the second retry on.
    let losses: Vec<_> = times
        .iter()
        .flat_map(|times| times.iter().filter(|at| **at >= HOUR * 4).skip(3).filter(|at| **at < HOUR * 6))
        .collect();
    let firsts: Vec<_> = times.iter().filter_map(|times| times.iter().find(|at| **at > away + MINUTE)).collect();
    let spread = **firsts.iter().max().unwrap() - **firsts.iter().min().unwrap();
    let fetches: u64 = harnesses.iter().map(|harness| harness.provider.requests()).sum();
    Row::new(47, "100 instances start together and lose the provider together, 6 h")
        .fetches(fetches, 2 * 100 * 15..=2 * 100 * 60)
        .lost(lost, 0)
        .figure("most arrivals in a second at the start, from the sixth retry on", most_in_a_second(&starts), ..=30)
        .figure("after the loss, from the second retry on", most_in_a_second(&losses), ..=20)
        .figure("minutes over which the first hourly refreshes spread", spread.as_secs() / 60, 10..)
        .print();
}

fn most_in_a_second(times: &[&Duration]) -> usize {
    let within = |first: &&Duration| times.iter().filter(|at| (**first..**first + SECOND).contains(**at)).count();
    times.iter().map(within).max().unwrap_or(0)
}

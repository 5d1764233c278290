//! Requests that are dropped at every point where they can be.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;

use super::harness::{Attempt, Harness, MINUTE, Outcome, Reply, SECOND, ended, request};
use crate::ids::KeyId;

/// A future that is given up when it has been polled so many times without an outcome.
struct UpTo<F> {
    polls: usize,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for UpTo<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Lets a crowd of requests in which every n-th is given up after n polls run against a script, then asks once more.
async fn sweep(script: fn(Attempt) -> Reply, warm: bool) -> (Harness, usize) {
    let harness = if warm { Harness::warm(script).await } else { Harness::cold(script) };
    let mut crowd = Vec::new();
    for number in 0..200 {
        let store = Arc::clone(&harness.store);
        let future = Box::pin(async move { request(&store, &KeyId::new("wanted")).await });
        crowd.push(tokio::spawn(UpTo { polls: number % 10, future }));
        if number % 20 == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    }
    let mut finished = 0;
    for request in crowd {
        finished += usize::from(ended(request).await.unwrap().is_some());
    }
    (harness, finished)
}

#[tokio::test(start_paused = true)]
async fn cold_start_survives_dropped_requests() {
    let (harness, finished) = sweep(|_| Reply::keys(&["wanted"]).after(SECOND), false).await;
    assert!(finished > 0);
    assert_eq!(harness.request("wanted").await, (Outcome::Pass, Duration::ZERO));
    assert_eq!(harness.provider.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn on_demand_refresh_survives_dropped_requests() {
    let (harness, finished) = sweep(
        |attempt| match attempt.number {
            0 => Reply::keys(&["a"]),
            _ => Reply::keys(&["a", "wanted"]).after(SECOND),
        },
        true,
    )
    .await;
    assert!(finished > 0);
    assert_eq!(harness.request("wanted").await, (Outcome::Pass, Duration::ZERO));
    assert_eq!(harness.provider.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_survive_dropped_requests() {
    let (harness, _) =
        sweep(|attempt| if attempt.at < SECOND * 5 { Reply::DOWN } else { Reply::keys(&["wanted"]) }, false).await;
    sleep(MINUTE).await;
    assert_eq!(harness.request("wanted").await.0, Outcome::Pass);
}

#[tokio::test(start_paused = true)]
async fn dropped_requests_return_their_permits() {
    let harness = Harness::cold(|_| Reply::Silence);
    for _ in 0..5000 {
        let store = Arc::clone(&harness.store);
        let future = Box::pin(async move { request(&store, &KeyId::new("a")).await });
        assert_eq!(UpTo { polls: 1, future }.await, None, "it waits, and has a place");
    }
}

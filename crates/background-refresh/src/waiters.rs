//! Callers that wait for a change, until a deadline, and never too many at once.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::watch;

/// A bounded number of callers that wait. Dropping the future of one frees its permit.
#[derive(Debug)]
pub struct Waiters {
    limit: usize,
    waiting: AtomicUsize,
    changed: watch::Sender<()>,
}

/// Why a caller got no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WaitError {
    /// Others wait already, as many as may.
    TooMany,
    /// The deadline came first.
    TooLate,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many callers wait already",
            Self::TooLate => "the deadline came first",
        })
    }
}

impl std::error::Error for WaitError {}

impl Waiters {
    /// At most `limit` callers wait at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, waiting: AtomicUsize::new(0), changed: watch::Sender::new(()) }
    }

    /// Has every caller that waits look again. Call it after each change that may concern one.
    pub fn notify(&self) {
        self.changed.send_replace(());
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until `look` has an answer. It is called at once, then after each change.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooMany`] at once, [`WaitError::TooLate`] at the deadline.
    pub async fn wait_until<T>(&self, deadline: Instant, mut look: impl FnMut() -> Option<T>) -> Result<T, WaitError> {
        let _permit = Permit::take(self).ok_or(WaitError::TooMany)?;
        // Before the first look, so that no change after it is missed.
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(answer) = look() {
                return Ok(answer);
            }
            tokio::select! {
                biased;
                // The sender lives as long as `self`.
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(deadline.into()) => return Err(WaitError::TooLate),
            }
        }
    }
}

/// One of the permits.
struct Permit<'a>(&'a AtomicUsize);

impl<'a> Permit<'a> {
    fn take(waiters: &'a Waiters) -> Option<Self> {
        let take = |taken| (taken < waiters.limit).then_some(taken + 1);
        waiters.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Self(&waiters.waiting))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::now::monotonic_now;

    #[tokio::test(start_paused = true)]
    async fn answers_after_the_change() {
        let waiters = Arc::new(Waiters::new(1));
        let is_there = Arc::new(AtomicBool::new(false));
        let waiter = tokio::spawn({
            let (waiters, is_there) = (Arc::clone(&waiters), Arc::clone(&is_there));
            let deadline = monotonic_now() + Duration::from_secs(5);
            async move { waiters.wait_until(deadline, || is_there.load(Ordering::SeqCst).then_some(7)).await }
        });
        tokio::task::yield_now().await;
        waiters.notify();
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        is_there.store(true, Ordering::SeqCst);
        waiters.notify();
        assert_eq!(waiter.await.unwrap(), Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_at_the_deadline() {
        let waiters = Waiters::new(1);
        let before = monotonic_now();
        let outcome = waiters.wait_until(before + Duration::from_secs(5), || None::<()>).await;
        assert_eq!(outcome, Err(WaitError::TooLate));
        assert_eq!(monotonic_now() - before, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn rejects_one_too_many_and_frees_the_permit_of_a_dropped_waiter() {
        let waiters = Waiters::new(1);
        let deadline = monotonic_now() + Duration::from_secs(5);
        {
            let mut first = Box::pin(waiters.wait_until(deadline, || None::<()>));
            assert!(futures_poll(&mut first).await);
            assert_eq!(waiters.wait_until(deadline, || Some(())).await, Err(WaitError::TooMany));
            assert_eq!(waiters.waiting(), 1);
        }
        assert_eq!(waiters.waiting(), 0);
        assert_eq!(waiters.wait_until(deadline, || Some(())).await, Ok(()));
    }

    #[test]
    fn errors_say_what_was_too_much() {
        let texts = [WaitError::TooMany, WaitError::TooLate].map(|error| error.to_string());
        assert_eq!(texts, ["too many callers wait already", "the deadline came first"]);
    }

    /// Polls once. Says whether the future is pending.
    async fn futures_poll(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
    }
}

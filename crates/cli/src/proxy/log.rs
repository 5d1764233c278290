//! The log and the metrics of the proxy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter};
use tokio::time::Instant;

use super::failure::ForwardFailure;

/// Counts every request, and logs failures: at DEBUG each, at WARN at most one of each kind in [`PAUSE`].
#[derive(Debug, Default)]
pub(super) struct ProxyLog(Mutex<HashMap<ForwardFailure, Burst>>);

/// The failures of one kind since the last event.
#[derive(Debug, Default)]
struct Burst {
    logged: Option<Instant>,
    count: u64,
}

impl ProxyLog {
    pub(super) fn new() -> Self {
        describe_counter!(FORWARDED, Unit::Count, "Requests that the service answered");
        describe_counter!(
            FAILURES,
            Unit::Count,
            "Requests that got no answer of the service, by error type of RFC 9209"
        );
        counter!(FORWARDED).absolute(0);
        for failure in ForwardFailure::ALL {
            counter!(FAILURES, "error" => failure.as_str()).absolute(0);
        }
        Self::default()
    }

    pub(super) fn forwarded(&self) {
        counter!(FORWARDED).increment(1);
    }

    pub(super) fn failed(&self, failure: ForwardFailure, error: Option<&(dyn std::error::Error + 'static)>) {
        let kind = failure.as_str();
        counter!(FAILURES, "error" => kind).increment(1);
        tracing::debug!(error.type = kind, error, "a request was not forwarded");
        if let Some(count) = self.count(failure) {
            tracing::warn!(error.type = kind, error, count, "requests are not forwarded");
        }
    }

    /// The failures of this kind since the last event, if another event is due.
    fn count(&self, failure: ForwardFailure) -> Option<u64> {
        let mut bursts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = bursts.entry(failure).or_default();
        burst.count += 1;
        let now = Instant::now();
        if burst.logged.is_some_and(|logged| now.duration_since(logged) < PAUSE) {
            return None;
        }
        burst.logged = Some(now);
        Some(std::mem::take(&mut burst.count))
    }
}

const PAUSE: Duration = Duration::from_secs(10);
const FORWARDED: &str = "signalr_upstream_auth_proxy_forwarded_total";
const FAILURES: &str = "signalr_upstream_auth_proxy_failures_total";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_of_one_kind_are_logged_once_in_the_pause_with_their_count() {
        let log = ProxyLog::default();
        assert_eq!(log.count(ForwardFailure::Unreachable), Some(1));
        assert_eq!(log.count(ForwardFailure::Unreachable), None);
        assert_eq!(log.count(ForwardFailure::ResponseTimeout), Some(1));
        tokio::time::advance(PAUSE).await;
        assert_eq!(log.count(ForwardFailure::Unreachable), Some(2));
    }
}

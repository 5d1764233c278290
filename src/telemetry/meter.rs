//! What is counted and measured, through the facade of the crate [`metrics`](https://docs.rs/metrics): names,
//! units and labels. Install any of its recorders before you build the layer; without one, and without the
//! feature `metrics`, nothing is counted.
//!
//! | Name | Kind, unit | Labels | What |
//! |---|---|---|---|
//! | [`REQUESTS`] | counter | `outcome`, `kind` | checked requests |
//! | [`TOKEN_CACHE_HITS`] | counter | | requests whose token was in the token cache, so that no signature was verified |
//! | [`VERIFICATION_SECONDS`] | histogram, seconds | | one full check of a token after a miss, rejected tokens included, the wait for a key excluded |
//! | [`KEY_FETCHES`] | counter | `tenant`, `outcome` | attempts to fetch a tenant's keys |
//! | [`DISCOVERY_FAILURES`] | counter | `tenant` | successes among them that had to do without discovery |
//! | [`KEYS_LAST_SUCCESS_SECONDS`] | gauge, seconds since 1970 | `tenant` | when keys were last fetched; 0 before the first success |
//! | [`KEYS_CACHED`] | gauge | `tenant` | usable keys in the cache, as they were when the latest attempt ended |
//! | [`KEY_WAITERS`] | gauge | | requests that wait for a key now, because their token names one that is not cached |
//!
//! `outcome` of a request is `accepted`, `rejected` (400, 401 and 403) or `unavailable` (503); of a fetch, `success`
//! or `error`. `kind` is a [`RejectionKind::as_str`](crate::RejectionKind::as_str), or `none` for an
//! accepted request. `tenant` is a tenant of the policy. No label comes from a token, so their number is
//! bounded whoever calls.
//!
//! Every counter and every gauge exists from the start with 0, so that a rate has a beginning: those of requests when a
//! [`Validator`](crate::Validator) or a layer is built, those of a tenant with its keys. The time of the last success is a
//! timestamp, not an age: `time() - …` also grows while the task that fetches hangs. When the last key source of a tenant is
//! dropped, the tenant's gauges become NaN, which no alert compares with.

#[cfg(feature = "metrics")]
pub use names::{
    DISCOVERY_FAILURES, KEY_FETCHES, KEY_WAITERS, KEYS_CACHED, KEYS_LAST_SUCCESS_SECONDS, REQUESTS, TOKEN_CACHE_HITS,
    VERIFICATION_BUCKETS, VERIFICATION_SECONDS, describe,
};
#[cfg(feature = "remote")]
pub(crate) use record::TenantSeries;
pub(crate) use record::{KeyWaiter, Stopwatch, accepted, rejected, start, token_cache_hit};

#[cfg(feature = "metrics")]
mod names {
    use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    /// Checked requests. A counter by `outcome` and `kind`.
    pub const REQUESTS: &str = "signalr_upstream_auth_requests_total";

    /// Requests whose token was in the token cache. A counter.
    pub const TOKEN_CACHE_HITS: &str = "signalr_upstream_auth_token_cache_hits_total";

    /// One full check of a token, in seconds. A histogram.
    pub const VERIFICATION_SECONDS: &str = "signalr_upstream_auth_verification_seconds";

    /// Upper bounds of buckets for [`VERIFICATION_SECONDS`], in seconds. One of them is the limit of the guide's alert.
    pub const VERIFICATION_BUCKETS: [f64; 9] =
        [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.025, 0.25];

    /// Attempts to fetch keys. A counter by `tenant` and `outcome`.
    pub const KEY_FETCHES: &str = "signalr_upstream_auth_key_fetches_total";

    /// Successful attempts that had to use the last known discovery document. A counter by `tenant`.
    pub const DISCOVERY_FAILURES: &str = "signalr_upstream_auth_discovery_failures_total";

    /// When keys were last fetched, in seconds since 1970. 0 before the first success. A gauge by `tenant`.
    pub const KEYS_LAST_SUCCESS_SECONDS: &str = "signalr_upstream_auth_keys_last_success_timestamp_seconds";

    /// Usable keys. A gauge by `tenant`.
    pub const KEYS_CACHED: &str = "signalr_upstream_auth_keys_cached";

    /// Requests that wait for a key now. A gauge.
    pub const KEY_WAITERS: &str = "signalr_upstream_auth_key_waiters";

    /// Tells the installed recorder what each name means and its unit. Optional; to be called once, after
    /// the recorder was installed.
    pub fn describe() {
        describe_counter!(REQUESTS, Unit::Count, "Checked requests, by outcome and kind of rejection");
        describe_counter!(TOKEN_CACHE_HITS, Unit::Count, "Requests whose token was in the token cache");
        describe_histogram!(VERIFICATION_SECONDS, Unit::Seconds, "One full check of a token that was not cached");
        describe_counter!(KEY_FETCHES, Unit::Count, "Attempts to fetch a tenant's keys, by outcome");
        describe_counter!(DISCOVERY_FAILURES, Unit::Count, "Successful fetches that had to do without discovery");
        describe_gauge!(
            KEYS_LAST_SUCCESS_SECONDS,
            Unit::Seconds,
            "Unix time of the last successful fetch, 0 before it"
        );
        describe_gauge!(KEYS_CACHED, Unit::Count, "Usable keys of a tenant");
        describe_gauge!(KEY_WAITERS, Unit::Count, "Requests that wait for a key");
    }
}

#[cfg(feature = "metrics")]
mod record {
    #[cfg(feature = "remote")]
    use std::collections::BTreeMap;
    #[cfg(feature = "remote")]
    use std::sync::{Mutex, PoisonError};
    use std::time::Instant;

    use ::metrics::{Gauge, counter, gauge, histogram};
    use http::StatusCode;

    use super::names;
    #[cfg(feature = "remote")]
    use crate::clock::UnixTime;
    use crate::error::RejectionKind;
    #[cfg(feature = "remote")]
    use crate::ids::TenantId;

    /// Shows every series of requests with 0.
    pub(crate) fn start() {
        count_accepted(0);
        for kind in RejectionKind::ALL {
            count_rejected(*kind, 0);
        }
        counter!(names::TOKEN_CACHE_HITS).increment(0);
        // Not set to 0: requests of another layer may wait.
        gauge!(names::KEY_WAITERS).increment(0.0);
    }

    pub(crate) fn accepted() {
        count_accepted(1);
    }

    pub(crate) fn rejected(kind: RejectionKind) {
        count_rejected(kind, 1);
    }

    fn count_accepted(requests: u64) {
        counter!(names::REQUESTS, "outcome" => "accepted", "kind" => "none").increment(requests);
    }

    fn count_rejected(kind: RejectionKind, requests: u64) {
        let outcome = if kind.status() == StatusCode::SERVICE_UNAVAILABLE { "unavailable" } else { "rejected" };
        counter!(names::REQUESTS, "outcome" => outcome, "kind" => kind.as_str()).increment(requests);
    }

    pub(crate) fn token_cache_hit() {
        counter!(names::TOKEN_CACHE_HITS).increment(1);
    }

    /// The series of a tenant, as long as there are keys of it.
    #[cfg(feature = "remote")]
    pub(crate) struct TenantSeries(TenantId);

    #[cfg(feature = "remote")]
    impl TenantSeries {
        /// Shows every series of the tenant: with 0, unless other keys of the tenant have counted before.
        pub(crate) fn start(tenant: TenantId) -> Self {
            let is_first = count_stores(tenant, |stores| *stores += 1) == 1;
            let label = tenant.to_string();
            for outcome in ["success", "error"] {
                counter!(names::KEY_FETCHES, "tenant" => label.clone(), "outcome" => outcome).increment(0);
            }
            counter!(names::DISCOVERY_FAILURES, "tenant" => label.clone()).increment(0);
            for gauge in gauges(tenant) {
                // Those of keys that others serve must not look like none. NaN plus 0 is NaN.
                if is_first { gauge.set(0.0) } else { gauge.increment(0.0) }
            }
            Self(tenant)
        }

        /// A success had to do without discovery.
        pub(crate) fn discovery_failed(&self) {
            counter!(names::DISCOVERY_FAILURES, "tenant" => self.0.to_string()).increment(1);
        }

        /// An attempt has ended. `last_success` is `None` without a success, and while the wall clock is unreadable.
        pub(crate) fn fetched(&self, is_success: bool, last_success: Option<UnixTime>, usable: usize) {
            let outcome = if is_success { "success" } else { "error" };
            counter!(names::KEY_FETCHES, "tenant" => self.0.to_string(), "outcome" => outcome).increment(1);
            let [success, cached] = gauges(self.0);
            if let Some(at) = last_success.and_then(|at| u32::try_from(at.as_secs()).ok()) {
                success.set(f64::from(at));
            }
            // Never more than a thousand.
            cached.set(f64::from(u32::try_from(usable).unwrap_or(u32::MAX)));
        }
    }

    #[cfg(feature = "remote")]
    impl Drop for TenantSeries {
        fn drop(&mut self) {
            if count_stores(self.0, |stores| *stores -= 1) == 0 {
                gauges(self.0).iter().for_each(|gauge| gauge.set(f64::NAN));
            }
        }
    }

    #[cfg(feature = "remote")]
    fn gauges(tenant: TenantId) -> [Gauge; 2] {
        let tenant = tenant.to_string();
        [
            gauge!(names::KEYS_LAST_SUCCESS_SECONDS, "tenant" => tenant.clone()),
            gauge!(names::KEYS_CACHED, "tenant" => tenant),
        ]
    }

    /// Changes how many key stores of a tenant there are. Returns how many there are then.
    #[cfg(feature = "remote")]
    fn count_stores(tenant: TenantId, change: impl FnOnce(&mut usize)) -> usize {
        /// Of the process, as the recorder is.
        static STORES: Mutex<BTreeMap<TenantId, usize>> = Mutex::new(BTreeMap::new());
        let mut all = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        let stores = all.entry(tenant).or_default();
        change(stores);
        let left = *stores;
        if left == 0 {
            all.remove(&tenant);
        }
        left
    }

    /// A request that waits for a key, until it is dropped.
    pub(crate) struct KeyWaiter(Gauge);

    impl KeyWaiter {
        pub(crate) fn start() -> Self {
            let gauge = gauge!(names::KEY_WAITERS);
            gauge.increment(1.0);
            Self(gauge)
        }

        /// The key has come, or there is none. A request that is dropped before ends as well.
        pub(crate) fn end(self) {}
    }

    impl Drop for KeyWaiter {
        fn drop(&mut self) {
            self.0.decrement(1.0);
        }
    }

    /// Measures one check.
    pub(crate) struct Stopwatch(Instant);

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }

        pub(crate) fn stop(self) {
            histogram!(names::VERIFICATION_SECONDS).record(self.0.elapsed().as_secs_f64());
        }
    }
}

/// The same without the feature: nothing at all.
#[cfg(not(feature = "metrics"))]
mod record {
    use crate::error::RejectionKind;

    pub(crate) fn start() {}

    pub(crate) fn accepted() {}

    pub(crate) fn rejected(_: RejectionKind) {}

    pub(crate) fn token_cache_hit() {}

    #[cfg(feature = "remote")]
    pub(crate) struct TenantSeries;

    #[cfg(feature = "remote")]
    impl TenantSeries {
        pub(crate) fn start(_: crate::ids::TenantId) -> Self {
            Self
        }

        pub(crate) fn discovery_failed(&self) {}

        pub(crate) fn fetched(&self, _: bool, _: Option<crate::clock::UnixTime>, _: usize) {}
    }

    pub(crate) struct KeyWaiter;

    impl KeyWaiter {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(crate) fn end(self) {}
    }

    pub(crate) struct Stopwatch;

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(crate) fn stop(self) {}
    }
}

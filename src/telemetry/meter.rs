//! What is counted and measured, through the facade of the crate [`metrics`](https://docs.rs/metrics): names,
//! units and labels. Install any of its recorders before the first request; without one, and without the
//! feature `metrics`, nothing is counted.
//!
//! | Name | Kind, unit | Labels | What |
//! |---|---|---|---|
//! | [`REQUESTS`] | counter | `outcome`, `kind` | checked requests |
//! | [`TOKEN_CACHE_HITS`] | counter | | requests whose token was in the token cache, so that no signature was verified |
//! | [`VERIFICATION_SECONDS`] | histogram, seconds | | one full check of a token after a miss, rejected tokens included, the wait for a key excluded |
//! | [`KEY_FETCHES`] | counter | `tenant`, `outcome` | attempts to fetch a tenant's keys |
//! | [`DISCOVERY_FAILURES`] | counter | `tenant` | successes among them that had to do without discovery |
//! | [`KEY_AGE_SECONDS`] | gauge, seconds | `tenant` | since the last success, as it was when the latest attempt ended |
//! | [`KEYS_CACHED`] | gauge | `tenant` | usable keys in the cache, as they were when the latest attempt ended |
//!
//! `outcome` of a request is `accepted`, `rejected` (400, 401 and 403) or `unavailable` (503); of a fetch, `success`
//! or `error`. `kind` is a [`RejectionKind::as_str`](crate::RejectionKind::as_str), or `none` for an
//! accepted request. `tenant` is a tenant of the policy. No label comes from a token, so their number is
//! bounded whoever calls.
//!
//! While all is well an attempt ends every hour, and the age is 0 each time; while fetches fail, one ends
//! every quarter of an hour at the latest, and the age grows. A tenant that never had keys has no age.

#[cfg(feature = "metrics")]
pub use names::{
    DISCOVERY_FAILURES, KEY_AGE_SECONDS, KEY_FETCHES, KEYS_CACHED, REQUESTS, TOKEN_CACHE_HITS, VERIFICATION_SECONDS,
    describe,
};
pub(crate) use record::{Stopwatch, accepted, rejected, token_cache_hit};
#[cfg(feature = "remote")]
pub(crate) use record::{discovery_failed, keys_fetched};

#[cfg(feature = "metrics")]
mod names {
    use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    /// Checked requests. A counter by `outcome` and `kind`.
    pub const REQUESTS: &str = "signalr_upstream_auth_requests_total";

    /// Requests whose token was in the token cache. A counter.
    pub const TOKEN_CACHE_HITS: &str = "signalr_upstream_auth_token_cache_hits_total";

    /// One full check of a token, in seconds. A histogram.
    pub const VERIFICATION_SECONDS: &str = "signalr_upstream_auth_verification_seconds";

    /// Attempts to fetch keys. A counter by `tenant` and `outcome`.
    pub const KEY_FETCHES: &str = "signalr_upstream_auth_key_fetches_total";

    /// Successful attempts that had to use the last known discovery document. A counter by `tenant`.
    pub const DISCOVERY_FAILURES: &str = "signalr_upstream_auth_discovery_failures_total";

    /// The time since the last success, in seconds. A gauge by `tenant`.
    pub const KEY_AGE_SECONDS: &str = "signalr_upstream_auth_key_age_seconds";

    /// Usable keys. A gauge by `tenant`.
    pub const KEYS_CACHED: &str = "signalr_upstream_auth_keys_cached";

    /// Tells the installed recorder what each name means and its unit. Optional; to be called once, after
    /// the recorder was installed.
    pub fn describe() {
        describe_counter!(REQUESTS, Unit::Count, "Checked requests, by outcome and kind of rejection");
        describe_counter!(TOKEN_CACHE_HITS, Unit::Count, "Requests whose token was in the token cache");
        describe_histogram!(VERIFICATION_SECONDS, Unit::Seconds, "One full check of a token that was not cached");
        describe_counter!(KEY_FETCHES, Unit::Count, "Attempts to fetch a tenant's keys, by outcome");
        describe_counter!(DISCOVERY_FAILURES, Unit::Count, "Successful fetches that had to do without discovery");
        describe_gauge!(KEY_AGE_SECONDS, Unit::Seconds, "Time since the last successful fetch");
        describe_gauge!(KEYS_CACHED, Unit::Count, "Usable keys of a tenant");
    }
}

#[cfg(feature = "metrics")]
mod record {
    #[cfg(feature = "remote")]
    use std::time::Duration;
    use std::time::Instant;

    use ::metrics::{counter, histogram};
    use http::StatusCode;

    use super::names;
    use crate::error::RejectionKind;
    #[cfg(feature = "remote")]
    use crate::ids::TenantId;

    pub(crate) fn accepted() {
        counter!(names::REQUESTS, "outcome" => "accepted", "kind" => "none").increment(1);
    }

    pub(crate) fn rejected(kind: RejectionKind) {
        let outcome = if kind.status() == StatusCode::SERVICE_UNAVAILABLE { "unavailable" } else { "rejected" };
        counter!(names::REQUESTS, "outcome" => outcome, "kind" => kind.as_str()).increment(1);
    }

    pub(crate) fn token_cache_hit() {
        counter!(names::TOKEN_CACHE_HITS).increment(1);
    }

    #[cfg(feature = "remote")]
    pub(crate) fn discovery_failed(tenant: TenantId) {
        counter!(names::DISCOVERY_FAILURES, "tenant" => tenant.to_string()).increment(1);
    }

    #[cfg(feature = "remote")]
    pub(crate) fn keys_fetched(tenant: TenantId, is_success: bool, age: Option<Duration>, usable: usize) {
        let outcome = if is_success { "success" } else { "error" };
        let tenant = tenant.to_string();
        counter!(names::KEY_FETCHES, "tenant" => tenant.clone(), "outcome" => outcome).increment(1);
        if let Some(age) = age {
            ::metrics::gauge!(names::KEY_AGE_SECONDS, "tenant" => tenant.clone()).set(age.as_secs_f64());
        }
        // Never more than a thousand.
        let usable = u32::try_from(usable).unwrap_or(u32::MAX);
        ::metrics::gauge!(names::KEYS_CACHED, "tenant" => tenant).set(f64::from(usable));
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

    pub(crate) fn accepted() {}

    pub(crate) fn rejected(_: RejectionKind) {}

    pub(crate) fn token_cache_hit() {}

    #[cfg(feature = "remote")]
    pub(crate) fn discovery_failed(_: crate::ids::TenantId) {}

    #[cfg(feature = "remote")]
    pub(crate) fn keys_fetched(_: crate::ids::TenantId, _: bool, _: Option<std::time::Duration>, _: usize) {}

    pub(crate) struct Stopwatch;

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(crate) fn stop(self) {}
    }
}

//! What is counted and measured, through the facade of the crate [`metrics`](https://docs.rs/metrics): names, units
//! and labels. Install any of its recorders before the first call; without one, and without the feature `metrics`,
//! nothing is counted.
//!
//! | Name | Kind, unit | Labels | What |
//! |---|---|---|---|
//! | [`CALLS`] | counter | `operation`, `endpoint`, `outcome` | calls to the service, repetitions not counted |
//! | [`CALL_SECONDS`] | histogram, seconds | `operation`, `endpoint` | one call with all its tries and waits |
//! | [`REPEATED_CALLS`] | counter | `operation`, `endpoint` | tries after the first |
//! | [`NEGOTIATIONS`] | counter | `outcome` | clients that were handed over, or not |
//! | [`FETCHES`] | counter | `what`, `endpoint`, `outcome` | attempts to fetch an Entra token or a temporary access key |
//! | [`ENDPOINT_HEALTHY`] | gauge, 0 or 1 | `endpoint` | with several endpoints, what the last health check said |
//!
//! `outcome` of a call or a negotiation is `success` or an [`ErrorKind::as_str`](crate::ErrorKind::as_str); of a fetch,
//! `success` or `error`. `operation` is an [`Operation::as_str`](crate::Operation::as_str), `what` is `entra_token` or
//! `temporary_key`, and `endpoint` its name, or its host if it has none. No label comes from a client.

#[cfg(feature = "metrics")]
pub use names::{CALL_SECONDS, CALLS, ENDPOINT_HEALTHY, FETCHES, NEGOTIATIONS, REPEATED_CALLS, describe};
pub(crate) use record::{called, checked, fetched, negotiated, repeated};

#[cfg(feature = "metrics")]
mod names {
    use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    /// Calls to the service. A counter by `operation`, `endpoint` and `outcome`.
    pub const CALLS: &str = "signalr_serverless_calls_total";

    /// One call, in seconds. A histogram by `operation` and `endpoint`.
    pub const CALL_SECONDS: &str = "signalr_serverless_call_seconds";

    /// Tries after the first. A counter by `operation` and `endpoint`.
    pub const REPEATED_CALLS: &str = "signalr_serverless_repeated_calls_total";

    /// Negotiations. A counter by `outcome`.
    pub const NEGOTIATIONS: &str = "signalr_serverless_negotiations_total";

    /// Attempts to fetch a token or a key. A counter by `what`, `endpoint` and `outcome`.
    pub const FETCHES: &str = "signalr_serverless_fetches_total";

    /// Whether an endpoint is healthy, 0 or 1. A gauge by `endpoint`.
    pub const ENDPOINT_HEALTHY: &str = "signalr_serverless_endpoint_healthy";

    /// Tells the installed recorder what each name means and its unit. Optional; to be called once, after the
    /// recorder was installed.
    pub fn describe() {
        describe_counter!(CALLS, Unit::Count, "Calls to the service, by operation, endpoint and outcome");
        describe_histogram!(CALL_SECONDS, Unit::Seconds, "One call with all its tries and waits");
        describe_counter!(REPEATED_CALLS, Unit::Count, "Tries after the first");
        describe_counter!(NEGOTIATIONS, Unit::Count, "Negotiations, by outcome");
        describe_counter!(FETCHES, Unit::Count, "Attempts to fetch an Entra token or a temporary access key");
        describe_gauge!(ENDPOINT_HEALTHY, Unit::Count, "Whether an endpoint is healthy, 0 or 1");
    }
}

#[cfg(feature = "metrics")]
mod record {
    use std::sync::Arc;
    use std::time::Duration;

    use ::metrics::{counter, gauge, histogram};

    use super::names;
    use crate::error::ErrorKind;
    use crate::operation::Operation;

    pub(crate) fn called(operation: Operation, endpoint: &Arc<str>, error: Option<ErrorKind>, took: Duration) {
        let (operation, endpoint) = (operation.as_str(), Arc::clone(endpoint));
        let outcome = error.map_or("success", ErrorKind::as_str);
        counter!(names::CALLS, "operation" => operation, "endpoint" => Arc::clone(&endpoint), "outcome" => outcome)
            .increment(1);
        histogram!(names::CALL_SECONDS, "operation" => operation, "endpoint" => endpoint).record(took.as_secs_f64());
    }

    pub(crate) fn repeated(operation: Operation, endpoint: &Arc<str>) {
        counter!(names::REPEATED_CALLS, "operation" => operation.as_str(), "endpoint" => Arc::clone(endpoint))
            .increment(1);
    }

    pub(crate) fn negotiated(error: Option<ErrorKind>) {
        counter!(names::NEGOTIATIONS, "outcome" => error.map_or("success", ErrorKind::as_str)).increment(1);
    }

    pub(crate) fn fetched(what: &'static str, endpoint: &Arc<str>, is_success: bool) {
        let outcome = if is_success { "success" } else { "error" };
        counter!(names::FETCHES, "what" => what, "endpoint" => Arc::clone(endpoint), "outcome" => outcome).increment(1);
    }

    pub(crate) fn checked(endpoint: &Arc<str>, is_healthy: bool) {
        gauge!(names::ENDPOINT_HEALTHY, "endpoint" => Arc::clone(endpoint)).set(if is_healthy { 1.0 } else { 0.0 });
    }
}

/// The same without the feature: nothing at all.
#[cfg(not(feature = "metrics"))]
mod record {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::error::ErrorKind;
    use crate::operation::Operation;

    pub(crate) fn called(_: Operation, _: &Arc<str>, _: Option<ErrorKind>, _: Duration) {}

    pub(crate) fn repeated(_: Operation, _: &Arc<str>) {}

    pub(crate) fn negotiated(_: Option<ErrorKind>) {}

    pub(crate) fn fetched(_: &'static str, _: &Arc<str>, _: bool) {}

    pub(crate) fn checked(_: &Arc<str>, _: bool) {}
}

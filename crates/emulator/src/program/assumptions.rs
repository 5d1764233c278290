//! Assumptions as settings.

use std::time::Duration;

use serde::Deserialize;

use crate::assumptions::Assumptions;

/// [`Assumptions`] that differ from the default. Times are seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AssumptionSettings {
    /// [`Assumptions::fold_dot_segments`]
    pub fold_dot_segments: Option<bool>,
    /// [`Assumptions::decode_slash`]
    pub decode_slash: Option<bool>,
    /// [`Assumptions::clock_skew`]
    pub clock_skew_secs: Option<u64>,
    /// [`Assumptions::reject_send_to_missing_connection`]
    pub reject_send_to_missing_connection: Option<bool>,
    /// [`Assumptions::invocation_timeout`]
    pub invocation_timeout_secs: Option<u64>,
    /// [`Assumptions::connect_window`]
    pub connect_window_secs: Option<u64>,
    /// [`Assumptions::keep_alive`]
    pub keep_alive_secs: Option<u64>,
    /// [`Assumptions::client_timeout`]
    pub client_timeout_secs: Option<u64>,
    /// [`Assumptions::upstream_retry_delays`]
    pub upstream_retry_delays_secs: Option<Vec<u64>>,
    /// [`Assumptions::upstream_timeout`]
    pub upstream_timeout_secs: Option<u64>,
    /// [`Assumptions::close_when_connected_fails`]
    pub close_when_connected_fails: Option<bool>,
    /// [`Assumptions::sign_upstream_calls`]
    pub sign_upstream_calls: Option<bool>,
}

impl AssumptionSettings {
    pub(super) fn resolve(&self) -> Assumptions {
        let usual = Assumptions::default();
        let seconds = |chosen: Option<u64>, usual: Duration| chosen.map_or(usual, Duration::from_secs);
        let delays = self.upstream_retry_delays_secs.as_ref();
        Assumptions {
            fold_dot_segments: self.fold_dot_segments.unwrap_or(usual.fold_dot_segments),
            decode_slash: self.decode_slash.unwrap_or(usual.decode_slash),
            clock_skew: seconds(self.clock_skew_secs, usual.clock_skew),
            reject_send_to_missing_connection: self
                .reject_send_to_missing_connection
                .unwrap_or(usual.reject_send_to_missing_connection),
            invocation_timeout: seconds(self.invocation_timeout_secs, usual.invocation_timeout),
            connect_window: seconds(self.connect_window_secs, usual.connect_window),
            keep_alive: seconds(self.keep_alive_secs, usual.keep_alive),
            client_timeout: seconds(self.client_timeout_secs, usual.client_timeout),
            upstream_retry_delays: delays.map_or(usual.upstream_retry_delays, |delays| {
                delays.iter().copied().map(Duration::from_secs).collect()
            }),
            upstream_timeout: seconds(self.upstream_timeout_secs, usual.upstream_timeout),
            close_when_connected_fails: self.close_when_connected_fails.unwrap_or(usual.close_when_connected_fails),
            sign_upstream_calls: self.sign_upstream_calls.unwrap_or(usual.sign_upstream_calls),
        }
    }
}

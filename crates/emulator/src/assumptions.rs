//! Behavior of the service that no source confirms, as switches.

use std::time::Duration;

use crate::error::StartError;

/// How the emulator behaves where nobody outside of Microsoft knows how the service does.
///
/// The defaults are the likeliest guess, or the one that makes mistakes of a client visible. `docs/truth.md` of the
/// crate gives the reason for each.
///
/// A time of `Duration::MAX` never ends. One under a millisecond is an error at the start, except for
/// [`clock_skew`](Self::clock_skew) and the delays of [`upstream_retry_delays`](Self::upstream_retry_delays).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Assumptions {
    /// Paths are decoded once and then freed of `.` and `..` segments, so that a message for the user `..` reaches every
    /// client of the hub. With `false` such segments are ordinary names.
    pub fold_dot_segments: bool,
    /// `%2F` within a segment of a path is a slash of the name. With `false` the name contains the text `%2F`.
    pub decode_slash: bool,
    /// How far `exp` and `nbf` of tokens may be off.
    pub clock_skew: Duration,
    /// A message for a connection that is not there is answered with 404 and `Warning.Connection.NotExisted` instead
    /// of 202.
    pub reject_send_to_missing_connection: bool,
    /// How long `:invoke` waits for a client's answer.
    pub invocation_timeout: Duration,
    /// How long a client may take between the service's `negotiate` and its connection.
    pub connect_window: Duration,
    /// How often the service sends a ping to a client.
    pub keep_alive: Duration,
    /// How long a client may be silent before its connection ends.
    pub client_timeout: Duration,
    /// The waits before an upstream call is repeated after a broken connection, 408 or 5xx.
    pub upstream_retry_delays: Vec<Duration>,
    /// How long an upstream call may take, repetitions included.
    pub upstream_timeout: Duration,
    /// A client whose `connected` event is answered with a status other than 2xx is closed.
    pub close_when_connected_fails: bool,
    /// The emulator sends `X-ASRS-Signature` as long as the resource has access keys.
    pub sign_upstream_calls: bool,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            fold_dot_segments: true,
            decode_slash: true,
            clock_skew: Duration::ZERO,
            reject_send_to_missing_connection: false,
            invocation_timeout: Duration::from_secs(100),
            connect_window: Duration::from_secs(5),
            keep_alive: Duration::from_secs(15),
            client_timeout: Duration::from_secs(30),
            upstream_retry_delays: [1, 3, 5].map(Duration::from_secs).to_vec(),
            upstream_timeout: Duration::from_secs(100),
            close_when_connected_fails: false,
            sign_upstream_calls: true,
        }
    }
}

impl Assumptions {
    /// Checks that no time is too short to work with. The error names a field as a file writes it, or as code does.
    pub(crate) fn check(&self, from_file: bool) -> Result<(), StartError> {
        let times = [
            ("assumptions.invocation_timeout", "assumptions.invocation_timeout_secs", self.invocation_timeout),
            ("assumptions.connect_window", "assumptions.connect_window_secs", self.connect_window),
            ("assumptions.keep_alive", "assumptions.keep_alive_secs", self.keep_alive),
            ("assumptions.client_timeout", "assumptions.client_timeout_secs", self.client_timeout),
            ("assumptions.upstream_timeout", "assumptions.upstream_timeout_secs", self.upstream_timeout),
        ];
        let Some((in_code, in_file, time)) = times.into_iter().find(|(_, _, time)| *time < SHORTEST) else {
            return Ok(());
        };
        let shortest = if from_file { "1 second" } else { "1 millisecond" };
        let problem = format!("{time:?} is too short; write {shortest} or more");
        Err(StartError::Setting { field: if from_file { in_file } else { in_code }, problem })
    }
}

/// The resolution of tokio's timers.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_truth_names_every_switch() {
        let page = include_str!("../docs/truth.md");
        let text = format!("{:#?}", Assumptions::default());
        let names = text.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        let names: Vec<_> = names.map(|(name, _)| name).filter(|name| !name.starts_with(' ')).collect();
        assert_eq!(names.len(), 12, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}

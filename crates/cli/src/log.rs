//! The log, on standard error.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::LogFormat;

/// Writes events to standard error, from `level` on unless `RUST_LOG` says otherwise.
pub(crate) fn start(format: LogFormat, level: LevelFilter) {
    let wanted = env::var_os("RUST_LOG").map(|filter| filter.to_string_lossy().into_owned()).unwrap_or_default();
    let (filter, problem) = filter(wanted.trim(), level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(is_colored(&io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    if let Some(problem) = problem {
        tracing::warn!(filter = wanted, problem, "RUST_LOG is unusable; the default level applies");
    }
}

/// The filter that somebody wants, or what is wrong with it. Then the default level applies: a slip must not hide every
/// event. A level that is misspelled reads as a target.
fn filter(wanted: &str, level: LevelFilter) -> (Targets, Option<String>) {
    let default = Targets::new().with_default(level);
    if wanted.is_empty() {
        return (default, None);
    }
    match wanted.parse::<Targets>() {
        Err(error) => (default, Some(error.to_string())),
        Ok(filter) if filter.default_level().is_some() || filter.iter().any(|(target, _)| is_ours(target)) => {
            (filter, None)
        }
        Ok(filter) => {
            (filter.with_default(level), Some("it names neither a level nor a target of this program".to_owned()))
        }
    }
}

/// Whether a directive for this target is about events of this program. A target stands for each that begins with it.
fn is_ours(target: &str) -> bool {
    TARGETS.iter().any(|ours| target.starts_with(ours) || ours.starts_with(target))
}

/// Whether a stream gets colors: a terminal does, unless `NO_COLOR` is set and not empty (no-color.org).
pub(crate) fn is_colored(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Of the library and this program, which have one name, and of the emulator.
const TARGETS: [&str; 2] = ["signalr_upstream_auth", "signalr_emulator"];

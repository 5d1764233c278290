//! `emulate`: a local Azure SignalR Service with Microsoft Entra, in a process of its own.

mod files;
mod settings;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use signalr_emulator::{Emulator, EmulatorEvent, StartError, write_colored_log, write_log};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use tracing_subscriber::filter::LevelFilter;

use self::files::{Certificate, write_variables};
use crate::arguments::{EmulateArguments, LogFormat};
use crate::failure::Failure;
use crate::log;
use crate::output;
use crate::signals::Signals;

/// Runs the emulator until a signal ends it, and prints the loop.
///
/// # Errors
///
/// Settings and files are at fault (exit code 2), or a port is taken (exit code 1).
pub(crate) fn run(arguments: &EmulateArguments, format: LogFormat) -> Result<ExitCode, Failure> {
    // Standard output has the loop already.
    log::start(format, LevelFilter::WARN);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::failed(UNSTARTED, error))?;
    runtime.block_on(emulate(arguments))
}

async fn emulate(arguments: &EmulateArguments) -> Result<ExitCode, Failure> {
    let usage = |problem: String| Failure::usage(UNSTARTED, problem);
    let mut signals = Signals::new().map_err(|error| Failure::failed(UNSTARTED, error))?;
    let settings = settings::read(arguments).map_err(usage)?;
    let emulator = settings.builder().start().await.map_err(|error| {
        let problem = settings::as_written(&error, arguments);
        if matches!(error, StartError::Setting { .. }) { usage(problem) } else { Failure::failed(UNSTARTED, problem) }
    })?;
    // Before anybody can connect, so that no step is missing.
    let events = emulator.events();
    let certificate = Certificate::write(arguments.certificate.as_deref(), emulator.certificate_authority_pem());
    let certificate = certificate.map_err(usage)?;
    let variables = emulator.settings().other_process(certificate.path());
    let shown = write_variables(arguments.env_file.as_deref(), &variables).map_err(usage)?;
    print(&format!("{shown}\n{}", summary(&emulator, settings.upstream.len())));

    let log = tokio::spawn(show(events));
    signals.end().await;
    drop(emulator);
    // What happened before is told, unless nobody reads it.
    tokio::select! {
        _ = timeout(LAST_CALLS, log) => {}
        () = signals.end() => {}
    }
    drop(certificate);
    Ok(ExitCode::SUCCESS)
}

fn summary(emulator: &Emulator, upstreams: usize) -> String {
    let (endpoint, clients) = (emulator.endpoint(), emulator.client_endpoint());
    let app = if upstreams == 0 { "No app gets the events of clients: there is no --upstream.\n" } else { "" };
    format!("Emulating Azure SignalR Service at {endpoint}, for clients at {clients}. Not for production.\n{app}")
}

async fn show(events: Receiver<EmulatorEvent>) {
    let write = |line: &str| print(&format!("{line}\n"));
    if log::is_colored(&io::stdout()) { write_colored_log(events, write).await } else { write_log(events, write).await }
}

/// The emulator goes on when nobody reads its output any more.
fn print(text: &str) {
    let _ = output::print(text.as_bytes());
}

const UNSTARTED: &str = "this emulator cannot start";
const LAST_CALLS: Duration = Duration::from_secs(2);

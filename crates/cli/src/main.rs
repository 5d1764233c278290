//! Checks the Microsoft Entra tokens of Azure SignalR Service in front of a service in any language.
//!
//! `signalr-upstream-auth --help` lists the commands, the settings and the exit codes; the README has examples.

mod admin;
mod arguments;
mod check_azure;
mod current;
#[cfg(feature = "emulate")]
mod emulate;
mod explain;
mod failure;
mod forward_auth;
mod generate;
mod healthcheck;
mod identity;
mod log;
mod output;
mod proxy;
mod serve;
mod server;
mod service_url;
mod settings;
mod signals;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use forward_auth::ForwardAuth;
use proxy::Proxy;
use settings::Source;

/// glibc's allocator keeps the memory of connections that have closed. This one gives it back within ten seconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Arguments { config, log_format, command } = arguments();
    let source = Source::new(config);
    let outcome = match command {
        Command::Proxy(arguments) => {
            serve::run(&arguments.serve, &source, log_format, |current| Proxy::new(&arguments, current))
        }
        Command::ForwardAuth(arguments) => serve::run(&arguments, &source, log_format, ForwardAuth::new),
        Command::Explain(arguments) => explain::run(&arguments, &source, log_format),
        Command::CheckAzure(arguments) => check_azure::run(&arguments, &source),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments),
        #[cfg(feature = "emulate")]
        Command::Emulate(arguments) => emulate::run(&arguments, log_format),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { page } => generate::man(page.as_deref()),
    };
    outcome.unwrap_or_else(|failure| {
        output::complain(&failure.to_string());
        failure.exit_code()
    })
}

#[cfg(feature = "emulate")]
fn arguments() -> Arguments {
    Arguments::parse()
}

/// The command line, or what is wrong with it.
#[cfg(not(feature = "emulate"))]
fn arguments() -> Arguments {
    use clap::error::{ContextKind, ContextValue};

    Arguments::try_parse().unwrap_or_else(|mut error| {
        let unknown = error.get(ContextKind::InvalidSubcommand);
        if unknown == Some(&ContextValue::String("emulate".to_owned())) {
            let tip = vec![arguments::WITHOUT_EMULATOR.into()];
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tip));
            // A command that looks similar is none that the user means.
            error.remove(ContextKind::SuggestedSubcommand);
        }
        error.exit()
    })
}

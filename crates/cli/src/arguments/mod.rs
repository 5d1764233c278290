//! The command line.

#[cfg(feature = "emulate")]
mod emulate;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

#[cfg(feature = "emulate")]
pub(crate) use self::emulate::EmulateArguments;
use crate::service_url::ServiceUrl;

/// Checks the Microsoft Entra tokens of Azure SignalR Service in front of a service in any language.
#[derive(Debug, Parser)]
#[command(name = "signalr-upstream-auth", version, after_long_help = SETTINGS, propagate_version = true)]
pub(crate) struct Arguments {
    /// Read the settings of the check from this TOML file instead of the environment
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How the log on standard error is written
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check requests and forward the accepted ones to your service
    #[command(after_long_help = PROXY_EXAMPLES)]
    Proxy(Box<ProxyArguments>),
    /// Answer a proxy that asks before it forwards a request: nginx, Envoy, Traefik, Caddy
    #[command(after_long_help = FORWARD_AUTH_EXAMPLES)]
    ForwardAuth(ServeArguments),
    /// Say why a token is accepted or rejected, check by check
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArguments),
    /// Say whether a SignalR resource is configured so that its calls are accepted
    #[command(after_long_help = CHECK_AZURE_EXAMPLES)]
    CheckAzure(CheckAzureArguments),
    /// Ask a running instance whether it is ready, for containers without curl
    #[command(after_long_help = HEALTHCHECK_EXAMPLES)]
    Healthcheck(HealthcheckArguments),
    /// Run a local Azure SignalR Service with Microsoft Entra, for tests and for work without Azure
    #[cfg(feature = "emulate")]
    #[command(after_long_help = emulate::EXAMPLES)]
    Emulate(Box<EmulateArguments>),
    /// Print the completions for a shell
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions { shell: Shell },
    /// Print a manual page in roff
    #[command(after_long_help = MAN_EXAMPLES)]
    Man {
        /// The command whose page to print; without one, the page of the program
        #[arg(value_name = "COMMAND")]
        page: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// A token, an `Authorization` header, or all headers of a request; `-` or none for standard input
    pub(crate) file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CheckAzureArguments {
    /// JSON of `az signalr show`, an ARM template, an export, or `terraform show -json`; `-` or none for standard input
    pub(crate) file: Option<PathBuf>,
    /// Check only the upstream URLs with this prefix
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) url: String,
}

#[derive(Args, Debug)]
pub(crate) struct HealthcheckArguments {
    /// The admin address of the instance; an unspecified one, such as 0.0.0.0, means loopback
    #[arg(long, env = "ADMIN_ADDR", value_name = "ADDR", default_value_t = ADMIN, value_parser = address)]
    pub(crate) admin: SocketAddr,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) timeout: u64,
    /// Seconds to ask again until the instance is ready, for one that has just started
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) wait: u64,
}

/// What both servers take.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArguments {
    /// Where requests are checked
    #[arg(long, env = "LISTEN_ADDR", value_name = "ADDR", default_value_t = LISTEN, value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Where `/healthz`, `/readyz`, `/metrics` and `/status` are; let no proxy lead there
    #[arg(long, env = "ADMIN_ADDR", value_name = "ADDR", default_value_t = ADMIN, value_parser = address)]
    pub(crate) admin: SocketAddr,
    /// What to do until the first keys are loaded
    #[arg(long, value_name = "HOW", value_enum, default_value_t = WithoutKeys::Serve)]
    pub(crate) without_keys: WithoutKeys,
    /// After SIGTERM: seconds to go on serving while `/readyz` says 503, so that load balancers look elsewhere
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) not_ready: u64,
    /// Then: seconds to let the requests under way end
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) drain: u64,
    /// How many connections are served at a time, each with up to 55 KiB of memory; further ones wait
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: u32,
    /// Serve TLS with the certificate chain in this PEM file; it is read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ProxyArguments {
    /// Your service: `http://HOST:PORT`
    #[arg(long, value_name = "URL")]
    pub(crate) to: ServiceUrl,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
    /// Leave the header `Authorization` on the requests that your service gets
    #[arg(long)]
    pub(crate) keep_authorization: bool,
    /// How your service learns who connected, with which scheme and to which host
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PeerHeaders::Pass)]
    pub(crate) forwarded: PeerHeaders,
    /// Seconds until your service has to accept a connection; then the answer is 504
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) connect_timeout: u64,
    /// Seconds until the head of your service's answer has to be there; then the answer is 504
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// Seconds to keep an idle connection to your service; less than your service keeps it
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) keep_alive: u64,
    /// How many accepted requests your service gets at a time; further ones are answered 503
    #[arg(long, value_name = "COUNT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_requests: u32,
    /// Forward rejected requests as well, marked with `X-Upstream-Auth-Shadow`; keeps `Authorization`: for a trial only
    #[arg(long)]
    pub(crate) dangerous_shadow_mode: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text for each event
    Text,
    /// A JSON object for each event
    Json,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum WithoutKeys {
    /// Listen at once; requests are answered 503 until there are keys
    Serve,
    /// Listen once there are keys
    Wait,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PeerHeaders {
    /// Leave what came as it is
    Pass,
    /// Set `Forwarded` (RFC 7239) from the connection, and remove what came as `Forwarded` and `X-Forwarded-*`
    Forwarded,
    /// Set `X-Forwarded-For`, `-Proto` and `-Host` from the connection, and remove what came as `Forwarded` and `X-Forwarded-*`
    XForwarded,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("write IP and port, like {LISTEN}"))
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3001);

const SETTINGS: &str = "\
Settings of the check:
  SIGNALR_UPSTREAM_TENANT_IDS          tenant GUIDs, comma-separated
  SIGNALR_UPSTREAM_AUDIENCES           client ids and App ID URIs of your app registration
  SIGNALR_UPSTREAM_CALLER_OBJECT_IDS   object ids of the identities of your SignalR resources
  The page `settings` in the guide of signalr-upstream-auth lists the others. In a file for --config, names are in
  lower case without the prefix (tenant_ids), and lists are arrays.

Other variables:
  RUST_LOG   which events are logged, such as `debug` or `info,signalr_upstream_auth=debug`; a warning if it is unusable
  NO_COLOR   if set, no colors even on a terminal

Exit codes:
  0   success: a token is accepted, a resource has no fault, a server has ended after a signal
  1   rejected or failed
  2   the command line or the settings are at fault

Examples:
  signalr-upstream-auth proxy --to http://127.0.0.1:8080
  signalr-upstream-auth explain token.txt
  az signalr show --name NAME --resource-group GROUP | signalr-upstream-auth check-azure";

/// What to do about a command that only another build of the program has.
#[cfg(not(feature = "emulate"))]
pub(crate) const WITHOUT_EMULATOR: &str =
    "this program is built without its emulator; write `cargo install signalr-upstream-auth-cli --features emulate`";

const PROXY_EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth proxy --to http://127.0.0.1:8080
  signalr-upstream-auth proxy --to http://127.0.0.1:8080 --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key

Your service gets the caller in X-Upstream-Auth-Tenant-Id, -Object-Id, -Client-Id, -Audience and -Roles. Let nobody else
reach it.

SIGHUP reads the settings again, SIGTERM and SIGINT end the program after the drain; a second one ends it at once.";

const FORWARD_AUTH_EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth forward-auth
  signalr-upstream-auth forward-auth --listen 0.0.0.0:3000 --admin 0.0.0.0:3001

SIGHUP reads the settings again, SIGTERM and SIGINT end the program after the drain; a second one ends it at once.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth explain token.txt
  pbpaste | signalr-upstream-auth explain --json

The token is never printed. Exit code 0 says that it is accepted, 1 that it is rejected, 2 that the settings or the input
are at fault.";

const CHECK_AZURE_EXAMPLES: &str = "\
Examples:
  az signalr show --name NAME --resource-group GROUP | signalr-upstream-auth check-azure
  signalr-upstream-auth check-azure template.json --url https://api.example.net/

Each line begins with ok, FAIL, note, or ? where the file does not say. Exit code 0 says that nothing failed, 1 that
something did, 2 that there was nothing to check.";

const HEALTHCHECK_EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth healthcheck
  signalr-upstream-auth healthcheck --admin 127.0.0.1:3001 --timeout 1
  signalr-upstream-auth healthcheck --wait 30

Exit code 0 says that /readyz answered with success, 1 that it did not, or not within the wait.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth completions bash > /usr/share/bash-completion/completions/signalr-upstream-auth
  signalr-upstream-auth completions zsh > \"${fpath[1]}/_signalr-upstream-auth\"";

const MAN_EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth man > /usr/local/share/man/man1/signalr-upstream-auth.1
  signalr-upstream-auth man proxy | man -l -";

#[cfg(test)]
mod tests {
    use clap::{Arg, CommandFactory};

    use super::*;

    /// A row of the table of options in the README.
    fn row(option: &Arg) -> String {
        let quoted = |text: &str| format!("`{text}`");
        let long = quoted(&format!("--{}", option.get_long().unwrap_or_default()));
        let (mut values, mut default) = (String::new(), String::new());
        if option.get_action().takes_values() {
            let possible: Vec<_> = option.get_possible_values().iter().map(|value| quoted(value.get_name())).collect();
            let names = option.get_value_names().unwrap_or_default().iter().map(|name| quoted(name));
            values = if possible.is_empty() { names.collect::<Vec<_>>().join(" ") } else { possible.join(", ") };
            let defaults = option.get_default_values().iter().map(|value| quoted(&value.to_string_lossy()));
            default = defaults.collect::<Vec<_>>().join(" ");
        }
        let variable = option.get_env().map(|name| quoted(&name.to_string_lossy())).unwrap_or_default();
        let help = option.get_help().unwrap_or_default();
        format!("| {long} | {values} | {default} | {variable} | {help} |")
    }

    #[test]
    fn readme_has_every_option_of_proxy_with_its_default() {
        let mut command = Arguments::command();
        command.build();
        let proxy = command.find_subcommand("proxy").unwrap();
        let options = proxy.get_arguments().filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
        let table: String = options.map(|option| row(option) + "\n").collect();
        assert!(table.lines().count() > 15, "{table}");
        assert!(include_str!("../../README.md").contains(&table), "the README needs this table:\n{table}");
    }
}

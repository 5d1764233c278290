//! The command line of `emulate`.

use std::path::PathBuf;

use clap::Args;

/// What the command takes. `--config` has the same settings and more, and an option wins over its member.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EmulateArguments {
    /// Read the settings of the emulator from this TOML file; an option wins over what the file says
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The address of your app, with {hub}, {category} and {event} in path and query; repeat it for several, the first one
    /// gets the events
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Vec<String>,
    /// Write the environment variables of your app to this file; by default they are printed
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Write the certificate that your app has to trust to this PEM file; by default to one among the temporary files,
    /// until the end
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// The port of the service's endpoint, with TLS; 0 is a free one, as for each port
    #[arg(long, value_name = "PORT")]
    pub(crate) https_port: Option<u16>,
    /// The port where clients connect without TLS
    #[arg(long, value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// The port of Entra's token endpoint
    #[arg(long, value_name = "PORT")]
    pub(crate) authority_port: Option<u16>,
    /// The port of the managed identity's endpoint
    #[arg(long, value_name = "PORT")]
    pub(crate) identity_port: Option<u16>,
    /// The port of the proxy that leads your app to Entra
    #[arg(long, value_name = "PORT")]
    pub(crate) proxy_port: Option<u16>,
    /// Serve the REST API without TLS too, at the port for clients
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// A further host name of the service, such as contoso.service.signalr.net; let it lead to 127.0.0.1
    #[arg(long, value_name = "NAME")]
    pub(crate) host_name: Vec<String>,
    /// Emulate a resource without access keys (disableLocalAuth)
    #[arg(long)]
    pub(crate) disable_local_auth: bool,
    /// Let only pages of this origin negotiate, or * for all; repeat it for several
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allowed_origin: Vec<String>,
    /// Trust the certificates in this PEM file when an upstream has TLS
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_authority: Vec<PathBuf>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  signalr-upstream-auth emulate --upstream 'http://127.0.0.1:3000/upstream/{hub}/{category}/{event}' --env-file app.env
  set -a; . ./app.env; set +a    # in another terminal, then start your app there
  signalr-upstream-auth emulate --config emulator.toml

It listens on 127.0.0.1 only, and is not for production: whoever reaches it gets tokens. Standard output shows each step:
who connects, which upstream call is made, how your app answers, what it sends. SIGTERM and SIGINT end it.

A file for --config has the options with underscores, lists in the plural, and more than the options:
  http_port = 8888
  host_names = [\"contoso.service.signalr.net\"]
  allowed_origins = [\"http://localhost:5173\"]
  upstream_authorities = [\"-----BEGIN CERTIFICATE-----…\"]
  access_keys = { primary = \"…\", secondary = \"…\" }
  [[upstream]]
  url = \"http://127.0.0.1:3000/upstream/{hub}/{category}/{event}\"
  hub = \"chat\"              # also category, event and audience
  [assumptions]
  upstream_retry_delays_secs = [1, 1]";

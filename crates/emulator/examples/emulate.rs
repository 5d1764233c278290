//! An emulator as a process of its own, on loopback only. It writes the variables of an app, then shows the loop.
//!
//! ```text
//! cargo run -p signalr-emulator --example emulate -- \
//!     --upstream 'http://127.0.0.1:3000/upstream/{hub}/{category}/{event}' --env-file emulator.env
//! ```
//!
//! | Option | Meaning |
//! |---|---|
//! | `--upstream URL` | the address of the app; several are asked in their order |
//! | `--env-file FILE` | where the variables of the app are written; by default they are printed |
//! | `--certificate FILE` | where the authority's certificate is written; by default a file of the system's temporary folder |
//! | `--config FILE` | settings in TOML, those of `EmulatorSettings` |

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use signalr_emulator::{EmulatorSettings, env_file, write_log};

/// What the command line says.
#[derive(Default)]
struct Options {
    config: Option<PathBuf>,
    env_file: Option<PathBuf>,
    certificate: Option<PathBuf>,
    upstreams: Vec<String>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name}: write a value behind it"))?;
            match name.as_str() {
                "--config" => options.config = Some(value.into()),
                "--env-file" => options.env_file = Some(value.into()),
                "--certificate" => options.certificate = Some(value.into()),
                "--upstream" => options.upstreams.push(value),
                _ => return Err(format!("{name} is unknown; write --upstream, --env-file, --certificate or --config")),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut settings = match &options.config {
        Some(file) => {
            toml::from_str(&fs::read_to_string(file)?).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => EmulatorSettings::default(),
    };
    for url in &options.upstreams {
        settings = settings.with_upstream(url);
    }
    let emulator = settings.builder().start().await?;
    let events = emulator.events();

    let usual = || std::env::temp_dir().join(format!("signalr-emulator-{}.pem", std::process::id()));
    let certificate = options.certificate.unwrap_or_else(usual);
    fs::write(&certificate, emulator.certificate_authority_pem())?;
    let certificate = fs::canonicalize(certificate)?;
    let variables = env_file(&emulator.settings().other_process(&certificate.to_string_lossy()));
    let mut output = io::stdout();
    match &options.env_file {
        Some(file) => fs::write(file, variables)?,
        None => writeln!(output, "{variables}")?,
    }
    writeln!(output, "An emulator of Azure SignalR Service: {}", emulator.endpoint())?;
    write_log(events, |line| {
        // It goes on even if standard output is closed.
        let _ = writeln!(io::stdout(), "{line}");
    })
    .await;
    Ok(())
}

//! Says whether a SignalR resource is set up so that its calls get through.
//!
//! ```text
//! az signalr show --name NAME --resource-group GROUP | cargo run -p check_azure
//! cargo run -p check_azure -- template.json --url https://api.example.net/
//! ```
//!
//! It reads the JSON of `az signalr show` or `az signalr list`, of `az resource show`, an ARM template, an export or
//! `terraform show -json`, and compares it with the variables of [`Settings`]. With `--url` it looks only at the
//! upstream addresses that begin so. No connection is made.
//!
//! Each line begins with `ok`, `FAIL`, `?` (the file does not tell, as with values that come into being at deployment) or
//! `note`. It ends with 0 if nothing failed, with 1 if something did, and with 2 if there was nothing to check.

mod address;
mod check;
mod node;
mod pattern;
mod report;
mod resource;
mod terraform;
mod upstream;

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::process::ExitCode;

use check::Check;
use report::Report;
use serde_json::Value;
use signalr_upstream_auth::Settings;

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            print!("{report}");
            ExitCode::from(u8::from(report.has_failed()))
        }
        Err(error) => {
            eprintln!("nothing was checked\n{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Report, Box<dyn Error>> {
    let (mut file, mut url) = (None, String::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--url" => url = arguments.next().ok_or(USAGE)?,
            "-h" | "--help" => return Err(USAGE.into()),
            _ if file.is_some() => return Err(USAGE.into()),
            _ => file = Some(argument),
        }
    }
    let policy = Settings::from_env()?.policy()?;
    let text = match file {
        Some(file) if file != "-" => fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?,
        _ => io::read_to_string(io::stdin())?,
    };
    let json: Value = serde_json::from_str(&text).map_err(|error| format!("this is no JSON: {error}"))?;
    let json = terraform::to_resources(&json).unwrap_or(json);
    let mut report = Report::default();
    let resources = resource::find(&json);
    if resources.is_empty() {
        return Err("there is no resource of the type Microsoft.SignalRService/SignalR; try `az signalr show`".into());
    }
    for resource in &resources {
        Check { policy: &policy, url: &url, resource, report: &mut report }.run();
    }
    Ok(report)
}

const USAGE: &str = "usage: check_azure [--url PREFIX] [FILE]\n\
                     reads the JSON of `az signalr show`, an ARM template, an export or `terraform show -json` from FILE \
                     or standard input";

//! `check-azure`: says whether a SignalR resource is configured so that its calls are accepted.
//!
//! It reads the JSON of `az signalr show` or `az signalr list`, of `az resource show`, an ARM template, an export or
//! `terraform show -json`, and compares it with the settings. With `--url` it checks only the upstream URLs with that
//! prefix. It makes no connection.

mod address;
mod check;
mod node;
mod pattern;
mod report;
mod resource;
mod terraform;
mod upstream;

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use check::ResourceCheck;
use report::Report;
use serde_json::Value;

use crate::arguments::CheckAzureArguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::Source;

/// Prints the report. Exit code 0 says that nothing failed, 1 that something did.
pub(crate) fn run(arguments: &CheckAzureArguments, source: &Source) -> Result<ExitCode, Failure> {
    let report = report(arguments, source).map_err(|error| Failure::usage("nothing was checked", error))?;
    output::print(report.to_string().as_bytes())
        .map_err(|error| Failure::failed("the report was not printed", error))?;
    Ok(ExitCode::from(u8::from(report.has_failed())))
}

fn report(arguments: &CheckAzureArguments, source: &Source) -> Result<Report, Box<dyn Error>> {
    let policy = source.read()?.policy()?;
    let text = match &arguments.file {
        Some(file) if file != Path::new("-") => {
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?
        }
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
        ResourceCheck { policy: &policy, url: &arguments.url, resource, report: &mut report }.run();
    }
    Ok(report)
}

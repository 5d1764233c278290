//! `explain`: says why a token is rejected, check by check, with the settings of the servers.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use signalr_upstream_auth::Validator;
use signalr_upstream_auth::explain::Explanation;
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::{ExplainArguments, LogFormat};
use crate::failure::Failure;
use crate::log;
use crate::settings::Source;

/// Prints the explanation. Exit code 0 says that the token is accepted, 1 that it is rejected.
pub(crate) fn run(arguments: &ExplainArguments, source: &Source, format: LogFormat) -> Result<ExitCode, Failure> {
    log::start(format, LevelFilter::WARN);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(UNSAID, error))?;
    let is_accepted = runtime.block_on(print(arguments, source)).map_err(|error| Failure::usage(UNSAID, error))?;
    Ok(if is_accepted { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn print(arguments: &ExplainArguments, source: &Source) -> Result<bool, Box<dyn Error>> {
    let auth = source.read()?.into_layer()?;
    let text = input(arguments.file.as_deref())?;
    // What cannot be fetched is told by the explanation.
    let _ = auth.wait_for_keys().await;
    let explanation = explain(auth.validator(), &text).await?;
    let mut stdout = io::stdout().lock();
    if arguments.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&explanation)?)?;
    } else if log::is_colored(&stdout) {
        write!(stdout, "{}", explanation.colored())?;
    } else {
        write!(stdout, "{explanation}")?;
    }
    if explanation.is_accepted() && !arguments.json {
        writeln!(stdout, "\n{STILL_REJECTED}")?;
    }
    Ok(explanation.is_accepted())
}

async fn explain(validator: &Validator, text: &str) -> Result<Explanation, Box<dyn Error>> {
    let mut headers = headers(text);
    let text = text.trim();
    if headers.is_empty() && text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        headers.insert(AUTHORIZATION, HeaderValue::try_from(text)?);
    }
    Ok(if headers.is_empty() { validator.explain(text).await } else { validator.explain_headers(&headers).await })
}

/// The lines that are headers, `name: value`, also behind the `>` of `curl -v`.
fn headers(text: &str) -> HeaderMap {
    let header = |line: &str| {
        let (name, value) = line.strip_prefix("> ").unwrap_or(line).split_once(':')?;
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in text.lines().filter_map(header) {
        headers.append(name, value);
    }
    headers
}

/// The text of a file, or of standard input for none and for `-`.
fn input(file: Option<&Path>) -> Result<String, Box<dyn Error>> {
    match file {
        Some(file) if file != Path::new("-") => {
            read(File::open(file).map_err(|error| format!("{}: {error}", file.display()))?)
        }
        _ => read(io::stdin()),
    }
}

fn read(source: impl Read) -> Result<String, Box<dyn Error>> {
    let mut bytes = Vec::new();
    source.take(MAX_INPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// For whoever wonders why an accepted token does not get through.
const STILL_REJECTED: &str = "If SignalR still gets 401 or 403, something in front answers, such as App Service authentication or a gateway. An answer\n\
     is the layer's if it has an empty body and `Cache-Control: no-store`, and a counter of rejections moved.";

const UNSAID: &str = "nothing can be said of the token";

/// More than any request head that a server takes.
const MAX_INPUT: u64 = 1024 * 1024;

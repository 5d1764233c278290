//! `explain`: says why a token is rejected, check by check, with the settings of the servers.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use signalr_upstream_auth::Validator;
use signalr_upstream_auth::explain::Explanation;
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::{ExplainArguments, LogFormat};
use crate::failure::Failure;
use crate::log;
use crate::output;
use crate::settings::Source;

/// Prints the explanation. Exit code 0 says that the token is accepted, 1 that it is rejected.
pub(crate) fn run(arguments: &ExplainArguments, source: &Source, format: LogFormat) -> Result<ExitCode, Failure> {
    log::start(format, LevelFilter::WARN);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(UNSAID, error))?;
    let explained = runtime.block_on(explanation(arguments, source)).map_err(|error| Failure::usage(UNSAID, error))?;
    let text = text(&explained, arguments.json).map_err(|error| Failure::failed(UNSAID, error))?;
    output::print(text.as_bytes()).map_err(|error| Failure::failed("the explanation was not printed", error))?;
    Ok(if explained.is_accepted() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn explanation(arguments: &ExplainArguments, source: &Source) -> Result<Explanation, Box<dyn Error>> {
    let auth = source.read()?.into_layer()?;
    let text = input(arguments.file.as_deref())?;
    // What cannot be fetched is told by the explanation.
    let _ = auth.wait_for_keys().await;
    explain(auth.validator(), &text).await
}

/// What is printed of an explanation.
fn text(explanation: &Explanation, is_json: bool) -> Result<String, serde_json::Error> {
    if is_json {
        return Ok(serde_json::to_string_pretty(explanation)? + "\n");
    }
    let is_colored = log::is_colored(&io::stdout());
    let text = if is_colored { explanation.colored().to_string() } else { explanation.to_string() };
    Ok(if explanation.is_accepted() { format!("{text}\n{STILL_REJECTED}\n") } else { text })
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

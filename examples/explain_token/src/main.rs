//! Says why a token is rejected, check by check, with the settings of the servers.
//!
//! ```text
//! cargo run -p explain_token -- token.txt
//! pbpaste | cargo run -p explain_token
//! cargo run -p explain_token -- --json token.txt
//! ```
//!
//! It reads a bare token, the value of an `Authorization` header, or the headers of a whole request as `curl -v` and
//! most logs print them. The settings are the variables of [`Settings`](signalr_upstream_auth::Settings); the keys come
//! from Entra as for a server. It ends with 0 if the token is accepted, with 1 if it is rejected, and with 2 if nothing
//! could be said because of the settings or the input.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use signalr_upstream_auth::explain::Explanation;
use signalr_upstream_auth::{UpstreamAuthLayer, Validator};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).init();
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("nothing can be said of the token\n{error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the explanation and says whether the token is accepted.
async fn run() -> Result<bool, Box<dyn Error>> {
    let mut is_json = false;
    let mut file = None;
    for argument in env::args_os().skip(1) {
        match argument.to_str() {
            Some("--json") => is_json = true,
            Some("-h" | "--help") => return Err(USAGE.into()),
            _ if file.is_some() => return Err(USAGE.into()),
            _ => file = Some(argument),
        }
    }
    let auth = UpstreamAuthLayer::from_env()?;
    let text = match file {
        Some(file) if file != "-" => {
            read(File::open(&file).map_err(|error| format!("{}: {error}", file.to_string_lossy()))?)?
        }
        _ => read(io::stdin())?,
    };
    // What cannot be fetched is told by the explanation.
    let _ = auth.wait_for_keys().await;
    let explanation = explain(auth.validator(), &text).await?;
    let mut stdout = io::stdout().lock();
    if is_json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&explanation)?)?;
    } else if stdout.is_terminal() && env::var_os("NO_COLOR").is_none() {
        write!(stdout, "{}", explanation.colored())?;
    } else {
        write!(stdout, "{explanation}")?;
    }
    if explanation.is_accepted() && !is_json {
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

fn read(source: impl Read) -> Result<String, Box<dyn Error>> {
    let mut bytes = Vec::new();
    source.take(MAX_INPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// For whoever wonders why an accepted token does not get through.
const STILL_REJECTED: &str = "If SignalR still gets 401 or 403, something in front answers, such as App Service authentication or a gateway. An answer\n\
     is the layer's if it has an empty body and `Cache-Control: no-store`, and a counter of rejections moved.";

const USAGE: &str = "usage: explain_token [--json] [FILE]\n\
                     reads a token, an Authorization header or all headers of a request from FILE or standard input";

/// More than any request head that a server takes.
const MAX_INPUT: u64 = 1024 * 1024;

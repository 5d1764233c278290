//! Handing a client over to the service.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use signalr_serverless::{Error, ErrorKind, NegotiateOptions, NegotiateResponse};

use crate::Chat;

/// Where the client connects, and its token.
///
/// The user is whoever the client says it is. An app of your own takes the user from its own authentication.
pub(crate) async fn negotiate(
    State(chat): State<Chat>,
    Path(hub): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<NegotiateResponse, Fault> {
    let options = options(&parameters, chat.test_parameters)?;
    Ok(chat.service.hub(&hub)?.negotiate(options).await?)
}

/// No answer may be stored: the token is a secret, and an error passes.
pub(crate) async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Parameters that nobody reads are passed over: the client adds `negotiateVersion`.
fn options(parameters: &[(String, String)], test_parameters: bool) -> Result<NegotiateOptions, Fault> {
    let mut users = parameters.iter().filter(|(name, _)| name == "user").map(|(_, value)| value);
    let (Some(user), None) = (users.next(), users.next()) else { return Err(Fault::Request(USER)) };
    let mut options = NegotiateOptions::default().user_id(user);
    if !test_parameters {
        return Ok(options);
    }
    for (name, value) in parameters {
        options = match (name.as_str(), name.strip_prefix("claim.")) {
            (_, Some(claim)) => options.claim(claim, value),
            ("minutes", _) => {
                let minutes: u32 = value.parse().map_err(|_| Fault::Request(MINUTES))?;
                options.lifetime(Duration::from_secs(u64::from(minutes) * 60))
            }
            ("close_on_expiry", _) => {
                let close = value.parse().map_err(|_| Fault::Request(CLOSE_ON_EXPIRY))?;
                options.close_on_authentication_expiry(close)
            }
            _ => options,
        };
    }
    Ok(options)
}

/// Why a client is not handed over.
pub(crate) enum Fault {
    /// What is wrong with the request.
    Request(&'static str),
    /// What the library says.
    Service(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Request(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
            Self::Service(error) => error,
        };
        let is_role = matches!(error.kind(), ErrorKind::RoleMissing { .. });
        // The library's answer: a plain sentence without secrets; it logs the cause.
        let response = error.into_response();
        if !response.status().is_server_error() || is_role || response.headers().contains_key(RETRY_AFTER) {
            return response;
        }
        // Only a missing role is for an operator to mend. To a client all else is an outage.
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, COME_BACK)], UNAVAILABLE).into_response()
    }
}

const USER: &str = "Name one user: ?user=NAME";
const MINUTES: &str = "minutes: write a whole number";
const CLOSE_ON_EXPIRY: &str = "close_on_expiry: write true or false";
const UNAVAILABLE: &str = "Azure SignalR Service is not available now. Try again later.";

/// Seconds.
const COME_BACK: &str = "5";

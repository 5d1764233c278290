//! Handing a client over to the service.

use std::fmt;
use std::sync::Arc;

use azure_core::http::Method;
use background_refresh::jitter;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::client_token::{self, Claims, NegotiateOptions, TOKEN_LENGTH_MAX, Validity};
use crate::endpoints::{Destination, KeyWait, LiveEndpoint};
use crate::error::{Chain, Error, ErrorKind, Result};
use crate::events;
use crate::operation::Operation;
use crate::rest::{Segment, hub_call};
use crate::router::{EndpointStatus, Negotiation, Router, order};

/// What the client's `negotiate` is answered: where it connects, and its token.
///
/// It serializes to `{"url": …, "accessToken": …}`. `Debug` shows neither.
pub struct NegotiateResponse {
    url: Arc<str>,
    access_token: Zeroizing<String>,
}

impl NegotiateResponse {
    /// Where the client connects, with its hub.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client's token. It is a secret until it expires.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }
}

impl Serialize for NegotiateResponse {
    /// The names are those that `@microsoft/signalr` reads; it rejects others.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Named<'a> {
            url: &'a str,
            access_token: &'a str,
        }
        Named { url: &self.url, access_token: &self.access_token }.serialize(serializer)
    }
}

impl fmt::Debug for NegotiateResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegotiateResponse").finish_non_exhaustive()
    }
}

/// Where the clients of one hub can be sent.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) hub: &'a str,
    pub(crate) endpoints: &'a [Arc<LiveEndpoint>],
    /// One for each endpoint, in their order.
    pub(crate) destinations: &'a [Destination],
}

/// Negotiates at the endpoint that the router or the health says; without a router, at the next one where that fails
/// for want of a key or an answer.
pub(crate) async fn negotiate(
    places: Places<'_>,
    router: Option<&dyn Router>,
    options: &NegotiateOptions,
) -> Result<NegotiateResponse> {
    options.check()?;
    let Places { hub, endpoints, destinations } = places;
    let get = |index| endpoints.get(index).zip(destinations.get(index));
    let mut wait = KeyWait::default();
    if let ([endpoint], [destination]) = (endpoints, destinations) {
        return at(endpoint, destination, hub, options, &mut wait).await;
    }
    if let Some(router) = router {
        let statuses: Vec<EndpointStatus> = endpoints.iter().map(|endpoint| endpoint.status()).collect();
        let (endpoint, destination) = router
            .route(Negotiation { hub, user_id: options.user() }, &statuses)
            .and_then(get)
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, "the router chose no endpoint"))?;
        return at(endpoint, destination, hub, options, &mut wait).await;
    }
    let candidates: Vec<_> = endpoints.iter().map(|endpoint| endpoint.candidate()).collect();
    let mut failed = Error::new(ErrorKind::Unavailable, "there is no endpoint");
    for (endpoint, destination) in order(&candidates, jitter).into_iter().filter_map(get) {
        match at(endpoint, destination, hub, options, &mut wait).await {
            Err(error) if may_differ_elsewhere(error.kind()) => {
                let (endpoint, cause) = (endpoint.label(), Chain(&error));
                tracing::warn!(target: events::ENDPOINTS, %endpoint, %cause, "the client is sent to another endpoint");
                failed = error;
            }
            outcome => return outcome,
        }
    }
    Err(failed)
}

fn may_differ_elsewhere(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::RoleMissing { .. }
        | ErrorKind::Unauthorized
        | ErrorKind::NotFound
        | ErrorKind::Throttled { .. }
        | ErrorKind::Unavailable
        | ErrorKind::Credential
        | ErrorKind::KeyUnavailable
        | ErrorKind::Rejected
        | ErrorKind::InvalidAnswer => true,
        ErrorKind::TokenTooLong
        | ErrorKind::InvalidId
        | ErrorKind::InvalidName
        | ErrorKind::BodyTooLarge
        | ErrorKind::Config
        | ErrorKind::InvalidArguments
        | ErrorKind::InvalidOptions => false,
    }
}

async fn at(
    endpoint: &LiveEndpoint,
    destination: &Destination,
    hub: &str,
    options: &NegotiateOptions,
    wait: &mut KeyWait,
) -> Result<NegotiateResponse> {
    let signed = endpoint.with_key(wait, |key, now, end| {
        let validity = Validity::new(now, options.valid_for(), end).ok_or_else(|| {
            Error::new(ErrorKind::KeyUnavailable, "the temporary access key ends before a token could be used")
        })?;
        client_token::mint(key, &Claims { audience: &destination.audience, validity, options })
    });
    let access_token = match signed.await.map_err(|error| error.with_endpoint(endpoint.label()))? {
        Some(token) => token,
        // Boxed for the same reason as the wait for the key.
        None => Box::pin(minted_by_service(endpoint, hub, options)).await?,
    };
    Ok(NegotiateResponse { url: Arc::clone(&destination.url), access_token })
}

/// `POST /api/hubs/{hub}/:generateToken`, which answers `{"token": …}`.
async fn minted_by_service(
    endpoint: &LiveEndpoint,
    hub: &str,
    options: &NegotiateOptions,
) -> Result<Zeroizing<String>> {
    #[derive(Deserialize)]
    struct Minted {
        token: Zeroizing<String>,
    }
    let minutes = options.check_for_service()?;
    let mut call = hub_call(Operation::GenerateToken, Method::Post, hub, &[Segment::Fixed(":generateToken")]);
    if let Some(user) = options.user() {
        call.query("userId", user);
    }
    call.query("minutesToExpire", &minutes.to_string());
    let answer = endpoint.caller.call(&call.wants(MINTED_MAX)).await?;
    // The text of the parser's error may quote the token.
    let minted: Minted = serde_json::from_slice(&answer.body).map_err(|_| {
        Error::new(ErrorKind::InvalidAnswer, "the answer is not a JSON object with the text token")
            .with_endpoint(endpoint.label())
    })?;
    if minted.token.is_empty() {
        return Err(
            Error::new(ErrorKind::InvalidAnswer, "the token of the answer is empty").with_endpoint(endpoint.label())
        );
    }
    if minted.token.len() > TOKEN_LENGTH_MAX {
        return Err(client_token::too_long(minted.token.len()));
    }
    Ok(minted.token)
}

/// Far more than the longest token.
const MINTED_MAX: usize = 64 * 1024;

//! Carries out calls at one endpoint: authorization, tries, limits.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use background_refresh::{UnixTime, WallClock, jitter, monotonic_now};
use http::StatusCode;
use serde::Serialize;
use zeroize::Zeroizing;

use super::answer::{Answer, BodyProblem};
use super::base::Base;
use super::call::Call;
use super::retry::{self, Decision, Ended, Progress};
use super::transport::{Failure, Transport};
use crate::client_token::SigningKey;
use crate::entra::BearerToken;
use crate::error::{Cause, Chain, Error, ErrorKind, Result};
use crate::events;
use crate::health::Health;
use crate::instruments;
use crate::operation::{Absent, Repeat};
use crate::renewal::{Lease, Renewal};
use crate::retry_after;

/// Calls to one endpoint.
pub(crate) struct Caller {
    pub(crate) transport: Transport,
    pub(crate) base: Base,
    pub(crate) authorization: Authorization,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) health: Arc<Health>,
    /// The endpoint's name or host.
    pub(crate) endpoint: Arc<str>,
}

/// Where the header `Authorization` comes from.
pub(crate) enum Authorization {
    Entra(Renewal<BearerToken>),
    AccessKey(SigningKey),
}

/// The header of one try.
enum Header {
    None,
    Entra(Arc<Lease<BearerToken>>),
    Own(Zeroizing<String>),
}

impl Header {
    fn value(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Entra(lease) => Some(lease.value().header()),
            Self::Own(header) => Some(header),
        }
    }
}

/// How one try ended.
enum Outcome {
    NotSent(Cause),
    NoAnswer(Cause),
    Answered(Answer),
}

impl Caller {
    /// Carries out the call within [`CALL_LIMIT`]. A 404 that is an answer is one only for questions and for calls
    /// that want what it says.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer> {
        let started = monotonic_now();
        let result = self.repeat(call, started + CALL_LIMIT).await;
        let outcome = result.as_ref().err().map(Error::kind);
        instruments::called(call.operation, &self.endpoint, outcome, monotonic_now() - started);
        result.map_err(|error| error.with_endpoint(&self.endpoint))
    }

    async fn repeat(&self, call: &Call, deadline: Instant) -> Result<Answer> {
        let operation = call.operation;
        let mut tries = 0;
        let mut renewed = None::<Arc<Lease<BearerToken>>>;
        loop {
            let header = self.header(call, deadline).await?;
            // A credential may answer with the token that was just rejected.
            if let (Some(rejected), Header::Entra(lease)) = (&renewed, &header)
                && lease.value() == rejected.value()
            {
                return Err(Error::new(
                    ErrorKind::Unauthorized,
                    "the service rejects the token, and the credential has no other; check the endpoint, the tenant and this machine's clock",
                ));
            }
            tries += 1;
            let left = deadline.saturating_duration_since(monotonic_now());
            let limit = if operation.repeat() == Repeat::Idempotent { left.min(TRY_LIMIT) } else { left };
            let outcome = match self.attempt(call, header.value(), limit).await {
                Ok(outcome) => outcome,
                Err(error) => return Err(error),
            };
            let (ended, retry_after, error) = match outcome {
                Outcome::Answered(answer) if is_accepted(call, &answer) => {
                    self.health.answered();
                    match answer.body_problem {
                        None => return Ok(answer),
                        Some(BodyProblem::TooLarge) => {
                            return Err(invalid("the answer is larger than any of the service's"));
                        }
                        Some(BodyProblem::Broken) => {
                            let cause = Cause::text("the connection broke within the answer");
                            (Ended::NoAnswer, None, no_answer(cause))
                        }
                    }
                }
                Outcome::Answered(answer) => {
                    self.health.answered();
                    let retry_after = self.retry_after(&answer);
                    if answer.status == StatusCode::UNAUTHORIZED
                        && renewed.is_none()
                        && let (Authorization::Entra(renewal), Header::Entra(lease)) = (&self.authorization, header)
                        && renewal.invalidate(&lease)
                        && tries < retry::TRIES_MAX
                    {
                        renewed = Some(lease);
                        continue;
                    }
                    (Ended::Status(answer.status), retry_after, answer.error(operation, retry_after))
                }
                Outcome::NotSent(cause) => {
                    self.health.unreachable();
                    let text = "no connection to the service; nothing was sent";
                    (Ended::NotSent, None, Error::new(ErrorKind::Unavailable, text).with_cause(cause))
                }
                Outcome::NoAnswer(cause) => (Ended::NoAnswer, None, no_answer(cause)),
            };
            let left = deadline.saturating_duration_since(monotonic_now());
            let progress = Progress { tries, left, retry_after, jitter: jitter() };
            let decision = retry::decide(operation.repeat(), ended, progress);
            let (operation, endpoint) = (operation.as_str(), &self.endpoint);
            match decision {
                Decision::RepeatAfter(wait) => {
                    let (cause, wait_ms) = (Chain(&error), u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                    tracing::warn!(target: events::CALLS, operation, %endpoint, tries, wait_ms, %cause, "repeated");
                    instruments::repeated(call.operation, endpoint);
                    tokio::time::sleep(wait).await;
                }
                Decision::Stop => {
                    let cause = Chain(&error);
                    tracing::debug!(target: events::CALLS, operation, %endpoint, tries, %cause, "failed");
                    return Err(if retry::may_be_done(ended) { error.and_may_be_delivered() } else { error });
                }
            }
        }
    }

    /// One try.
    async fn attempt(&self, call: &Call, authorization: Option<&str>, limit: Duration) -> Result<Outcome> {
        let url = self.base.url(&call.target).ok_or_else(|| invalid("the address of the call is not a URL"))?;
        let exchange = async {
            match self.transport.send(call, url, authorization).await {
                Ok(response) => Outcome::Answered(Answer::read(call, response).await),
                Err(Failure::NotSent(cause)) => Outcome::NotSent(cause),
                Err(Failure::NoAnswer(cause)) => Outcome::NoAnswer(cause),
            }
        };
        Ok(match tokio::time::timeout(limit, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::NoAnswer(Cause::text("no answer came in time")),
        })
    }

    async fn header(&self, call: &Call, deadline: Instant) -> Result<Header> {
        if call.operation.role().is_none() {
            return Ok(Header::None);
        }
        match &self.authorization {
            Authorization::Entra(renewal) => Ok(Header::Entra(renewal.get(deadline).await?)),
            Authorization::AccessKey(key) => self.own_token(key, call).map(Header::Own),
        }
    }

    /// A token for one request. Source: `AccessTokenHttpMessageHandler.cs` of
    /// [Azure/azure-signalr](https://github.com/Azure/azure-signalr): the audience is the URL without its query.
    fn own_token(&self, key: &SigningKey, call: &Call) -> Result<Zeroizing<String>> {
        #[derive(Serialize)]
        struct OwnClaims<'a> {
            aud: Cow<'a, str>,
            iat: u64,
            nbf: u64,
            exp: u64,
        }
        let now = self.clock.now().map(UnixTime::as_secs).ok_or_else(no_clock)?;
        let path = call.target.split('?').next().unwrap_or_default();
        let claims =
            OwnClaims { aud: [self.base.as_str(), path].concat().into(), iat: now, nbf: now, exp: now + OWN_LIFETIME };
        let token = key.sign(&claims).ok_or_else(|| invalid("the token of the request is not JSON"))?;
        Ok(Zeroizing::new(["Bearer ", token.as_str()].concat()))
    }

    fn retry_after(&self, answer: &Answer) -> Option<Duration> {
        retry_after::parse(answer.retry_after.as_deref()?, self.clock.now())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn is_accepted(call: &Call, answer: &Answer) -> bool {
    answer.status.is_success() || (call.operation.absent() != Absent::Error && answer.is_absent())
}

fn no_answer(cause: Cause) -> Error {
    Error::new(ErrorKind::Unavailable, "the service did not answer; it may have carried out the call").with_cause(cause)
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidAnswer, text)
}

pub(crate) fn no_clock() -> Error {
    Error::new(ErrorKind::Unavailable, "this machine's clock cannot be read")
}

/// The whole call, with the wait for a token and between tries.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(30);

/// One try of a call that may be repeated without an answer.
const TRY_LIMIT: Duration = Duration::from_secs(10);

/// How long a token for one request is valid, in seconds.
const OWN_LIFETIME: u64 = 600;

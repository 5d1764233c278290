//! The types of `upstream` as axum extractors and responses.

use axum_core::RequestExt;
use axum_core::body::Body;
use axum_core::extract::{FromRequest, FromRequestParts, Request};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::telemetry::events;
use crate::upstream::answer::completion::Completion;
use crate::upstream::answer::handler_error::HandlerError;
use crate::upstream::body::read_body;
use crate::upstream::call::connection::Disconnected;
use crate::upstream::call::context::Context;
use crate::upstream::call::headers;
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::invocation::Invocation;
use crate::upstream::payload::{Payload, protocol_of};

/// An axum extractor of all arguments of an invocation, by position.
///
/// [`Invocation::arguments`] describes the possible types. A tuple suits most methods; a single argument is a tuple of
/// one.
///
/// ```
/// use signalr_upstream_auth::upstream::{Arguments, Reply};
///
/// async fn add(Arguments((a, b)): Arguments<(i64, i64)>) -> Reply<i64> {
///     Reply(a.wrapping_add(b))
/// }
/// ```
///
/// If the arguments do not match the type, the client gets an error completion with status 200. The call did arrive,
/// and the service must not repeat it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "users destructure this wrapper in the list of parameters")]
pub struct Arguments<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Arguments<T> {
    type Rejection = ArgumentsRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, ArgumentsRejection> {
        let invocation = Invocation::from_request(request, state)
            .await
            .map_err(|error| ArgumentsRejection { error, invocation: None })?;
        match invocation.arguments() {
            Ok(arguments) => Ok(Self(arguments)),
            Err(error) => Err(ArgumentsRejection { error, invocation: Some(invocation) }),
        }
    }
}

/// The rejection of [`Arguments`]: the call is malformed, or its arguments do not match the type.
#[derive(Clone, Debug)]
pub struct ArgumentsRejection {
    error: Error,
    /// `None` if the call is malformed.
    invocation: Option<Invocation>,
}

impl ArgumentsRejection {
    /// The error. The response to [`ErrorKind::ArgumentsMismatch`] is an error completion; the response to any other
    /// kind has its status.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl IntoResponse for ArgumentsRejection {
    fn into_response(self) -> Response {
        match self.invocation {
            Some(invocation) => HandlerError::from(self.error).complete(&invocation).into_response(),
            None => self.error.into_response(),
        }
    }
}

/// Also marks the secret headers as sensitive.
impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        headers::mark_sensitive(&mut parts.headers);
        match parts.extensions.get::<Self>() {
            Some(context) => Ok(context.clone()),
            None => Self::from_headers(&parts.headers),
        }
    }
}

/// Also parses the headers. axum's `DefaultBodyLimit` applies.
impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if let Some(payload) = request.extensions().get::<Self>() {
            return Ok(payload.clone());
        }
        let (mut parts, body) = request.with_limited_body().into_parts();
        let context = Context::from_request_parts(&mut parts, state).await?;
        protocol_of(&context, &parts.headers)?;
        // `with_limited_body` has applied the limit.
        let body = read_body(body, usize::MAX).await?;
        Self::parse(&context, &parts.headers, body)
    }
}

/// Also parses the headers; another event gives [`ErrorKind::EventMismatch`]. axum's `DefaultBodyLimit` applies.
impl<S: Send + Sync> FromRequest<S> for Invocation {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match Payload::from_request(request, state).await? {
            Payload::Message(invocation) => Ok(invocation),
            Payload::Connected(_) | Payload::Disconnected(_) => Err(ErrorKind::EventMismatch.into()),
        }
    }
}

/// Also parses the headers; another event gives [`ErrorKind::EventMismatch`]. axum's `DefaultBodyLimit` applies.
impl<S: Send + Sync> FromRequest<S> for Disconnected {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match Payload::from_request(request, state).await? {
            Payload::Disconnected(disconnected) => Ok(disconnected),
            Payload::Connected(_) | Payload::Message(_) => Err(ErrorKind::EventMismatch.into()),
        }
    }
}

impl IntoResponse for Completion {
    fn into_response(self) -> Response {
        self.to_response::<Body>()
    }
}

/// [`Error::to_response`], and an event at `DEBUG`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        tracing::debug!(
            target: events::UPSTREAM,
            { error.type = self.kind().as_str(), header = self.header().map(http::HeaderName::as_str) },
            "upstream call rejected"
        );
        self.to_response::<Body>()
    }
}

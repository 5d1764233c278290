//! The types of this module as axum extractors and responses.

use axum_core::RequestExt;
use axum_core::body::Body;
use axum_core::extract::{FromRequest, FromRequestParts, Request};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::upstream::answer::completion::Completion;
use crate::upstream::answer::handler_error::HandlerError;
use crate::upstream::body::read_body;
use crate::upstream::call::connection::Disconnected;
use crate::upstream::call::context::Context;
use crate::upstream::call::headers;
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::invocation::Invocation;
use crate::upstream::hub::protocol::Protocol;
use crate::upstream::payload::Payload;

/// All arguments of an invocation as one type, by position: an axum extractor.
///
/// What the type may be stands at [`Invocation::arguments`]. A tuple fits most methods; one argument
/// is a tuple of one.
///
/// ```
/// use signalr_upstream_auth::upstream::{Arguments, Reply};
///
/// async fn add(Arguments((a, b)): Arguments<(i64, i64)>) -> Reply<i64> {
///     Reply(a.wrapping_add(b))
/// }
/// ```
///
/// If they do not fit, the client gets an error completion that says so, with status 200: the call
/// did arrive, and a repetition would not help.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper to be taken apart in the list of parameters")]
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

/// Why there are no [`Arguments`]: the call cannot be read, or its arguments are others.
#[derive(Clone, Debug)]
pub struct ArgumentsRejection {
    error: Error,
    /// There if the call could be read.
    invocation: Option<Invocation>,
}

impl ArgumentsRejection {
    /// What is wrong. [`ErrorKind::ArgumentsMismatch`] is answered with an error completion, the
    /// others with their status.
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

/// Marks the secret headers as sensitive on the way.
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

/// Reads the headers, too. axum's `DefaultBodyLimit` holds.
impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if let Some(payload) = request.extensions().get::<Self>() {
            return Ok(payload.clone());
        }
        let (mut parts, body) = request.with_limited_body().into_parts();
        let context = Context::from_request_parts(&mut parts, state).await?;
        Protocol::from_headers(&parts.headers)?;
        // The limit is in the body already.
        let body = read_body(body, usize::MAX).await?;
        Self::parse(&context, &parts.headers, body)
    }
}

/// Reads the headers, too; other events are an [`ErrorKind::EventMismatch`]. axum's `DefaultBodyLimit` holds.
impl<S: Send + Sync> FromRequest<S> for Invocation {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match Payload::from_request(request, state).await? {
            Payload::Message(invocation) => Ok(invocation),
            Payload::Connected(_) | Payload::Disconnected(_) => Err(ErrorKind::EventMismatch.into()),
        }
    }
}

/// Reads the headers, too; other events are an [`ErrorKind::EventMismatch`]. axum's `DefaultBodyLimit` holds.
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

/// [`Error::to_response`], and a line in the log at `DEBUG`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        tracing::debug!(
            target: crate::telemetry::events::UPSTREAM,
            { error.kind = self.kind().as_str(), error.header = self.header().map(http::HeaderName::as_str) },
            "upstream call rejected"
        );
        self.to_response::<Body>()
    }
}

//! The error of a handler: the message for the client, and the cause for the log.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use crate::error::Chain;
use crate::telemetry::escape::escape_and_cut;
use crate::telemetry::events;
use crate::upstream::answer::completion::{Completion, METHOD_FAILED};
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::invocation::Invocation;

/// Why a handler failed.
///
/// There are two kinds:
///
/// - [`HandlerError::new`] creates an error for the client, which reads its message.
/// - `?` converts any other error into one for the log. The client only reads that the method failed, since the text
///   of a database error, for example, must not leave the server. The one exception is
///   [`ErrorKind::ArgumentsMismatch`]: the client reads that its arguments do not fit.
///
/// Like `anyhow::Error`, this type does not implement [`std::error::Error`]. That allows the conversion from every type
/// that does.
///
/// ```
/// use signalr_upstream_auth::upstream::{HandlerError, Reply};
///
/// async fn divide(text: &str, by: i64) -> Result<Reply<i64>, HandlerError> {
///     let number: i64 = text.parse()?;                        // the client reads "The method failed"
///     let quotient = number.checked_div(by).ok_or_else(|| HandlerError::new("Cannot divide"))?; // "Cannot divide"
///     Ok(Reply(quotient))
/// }
/// ```
///
/// In both cases the response to a message is an error completion with status 200, as in Microsoft's Azure Functions
/// trigger. A connection event has no completion; its response has the status of [`status`](Self::status).
pub struct HandlerError {
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    unexpected: bool,
}

impl HandlerError {
    /// Creates an error whose message the client reads. With an empty message, the client reads that the method failed.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        let message = Some(message.into()).filter(|text: &Cow<'_, str>| !text.is_empty());
        Self { message: message.unwrap_or(Cow::Borrowed(METHOD_FAILED)), source: None, unexpected: false }
    }

    /// The message that the client reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The cause, for the log.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    /// The status of the response to a connection event: 403 for an error from [`new`](Self::new), as in Microsoft's
    /// Azure Functions trigger, and 500 for an unexpected one. The service probably repeats a call after 500, but not
    /// after 403. In both cases the connection stays open.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.unexpected { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::FORBIDDEN }
    }

    /// Creates the completion of an invocation. Logs the error.
    pub(crate) fn complete(&self, invocation: &Invocation) -> Completion {
        self.log(Some(invocation.target()));
        Completion::error(invocation, &self.message)
    }

    /// Logs unexpected errors at `WARN`, and the others at `DEBUG`, since clients can cause them at will.
    pub(crate) fn log(&self, target: Option<&str>) {
        let target = target.map(|target| escape_and_cut(target, TARGET_BYTES));
        if self.unexpected {
            let error = self.source.as_ref().map(|source| shown(&Chain(source.as_ref())));
            tracing::warn!(target: events::UPSTREAM, { rpc.method = target, error }, "upstream handler failed");
        } else {
            let message = shown(&self.message);
            // The place of a mismatch in the arguments.
            let cause = self.source.as_ref().and_then(|source| source.source()).map(|cause| shown(&Chain(cause)));
            tracing::debug!(
                target: events::UPSTREAM,
                { rpc.method = target, message_to_client = message, cause },
                "upstream handler rejected"
            );
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let source: Box<dyn StdError + Send + Sync> = Box::new(error);
        let mismatch = source
            .downcast_ref::<Error>()
            .filter(|error| error.kind() == ErrorKind::ArgumentsMismatch)
            .map(ToString::to_string);
        Self {
            unexpected: mismatch.is_none(),
            message: mismatch.map_or(Cow::Borrowed(METHOD_FAILED), Cow::Owned),
            source: Some(source),
        }
    }
}

/// Shows the message and the cause.
impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError").field("message", &self.message).field("source", &self.source).finish()
    }
}

/// Shows the message that the client reads.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a handler says, for the log. It may quote the client's arguments unescaped, line breaks included.
fn shown(text: &dyn fmt::Display) -> String {
    escape_and_cut(&text.to_string(), TEXT_BYTES)
}

/// The maximum length of a text of a handler in the log, in bytes.
const TEXT_BYTES: usize = 512;

/// The maximum length of a method's name in the log, in bytes. The client chooses the name.
const TARGET_BYTES: usize = 64;

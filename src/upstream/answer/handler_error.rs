//! The error of a handler: what the client is told, and what only the log is.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use crate::upstream::answer::completion::{Completion, METHOD_FAILED};
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::invocation::Invocation;

/// Why a handler failed.
///
/// There are two kinds, and the way one is made decides which it is:
///
/// - [`HandlerError::new`] is meant for the client, which reads its text.
/// - What `?` makes of any other error is meant for the log. The client only reads that the method
///   failed, since the text of a database error is nobody's business. The one exception is
///   [`ErrorKind::ArgumentsMismatch`]: the client is told that its arguments do not fit.
///
/// Like `anyhow::Error` it does not implement [`std::error::Error`] itself; that is what lets it be
/// made from everything that does.
///
/// ```
/// use signalr_upstream_auth::upstream::{HandlerError, Reply};
///
/// async fn divide(text: &str, by: i64) -> Result<Reply<i64>, HandlerError> {
///     let number: i64 = text.parse()?;                        // the client reads "The method failed"
///     let quotient = number.checked_div(by).ok_or_else(|| HandlerError::new("Cannot divide"))?; // it reads this
///     Ok(Reply(quotient))
/// }
/// ```
///
/// A message is answered with status 200 and an error completion in both cases, as Microsoft's own
/// receiver does. A connection event has no completion; it is answered with [`status`](Self::status).
pub struct HandlerError {
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    unexpected: bool,
}

impl HandlerError {
    /// An error whose text the client reads. For an empty text it reads that the method failed.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        let message = Some(message.into()).filter(|text: &Cow<'_, str>| !text.is_empty());
        Self { message: message.unwrap_or(Cow::Borrowed(METHOD_FAILED)), source: None, unexpected: false }
    }

    /// What the client reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error behind it, for the log.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    /// The answer to a connection event: 403 for an error made with [`new`](Self::new), as Microsoft's
    /// own receiver answers, and 500 for an unexpected one. The service probably repeats a call
    /// after 500, and does not after 403. Either way the connection stays open.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.unexpected { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::FORBIDDEN }
    }

    /// The answer to an invocation. Logs the error.
    pub(crate) fn complete(&self, invocation: &Invocation) -> Completion {
        self.log(Some(invocation.target()));
        Completion::error(invocation, &self.message)
    }

    /// Unexpected errors at `WARN`, the others, which clients can cause at will, at `DEBUG`.
    pub(crate) fn log(&self, target: Option<&str>) {
        let target = target.map(|target| shortened(target, TARGET_CHARS));
        if self.unexpected {
            let error = self.source.as_ref().map(|source| -> &(dyn StdError + 'static) { source.as_ref() });
            tracing::warn!(target: crate::telemetry::events::UPSTREAM, { upstream.target = target, error }, "upstream handler failed");
        } else {
            tracing::debug!(
                target: crate::telemetry::events::UPSTREAM,
                { upstream.target = target, message_to_client = &*self.message, cause = self.mismatch() },
                "upstream handler rejected"
            );
        }
    }

    /// Where the arguments do not fit. The text can quote them as they are, line breaks included.
    fn mismatch(&self) -> Option<String> {
        let cause = self.source.as_ref()?.source()?;
        Some(shortened(&cause.to_string(), CAUSE_CHARS))
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

/// Shows the error behind it, too.
impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError").field("message", &self.message).field("source", &self.source).finish()
    }
}

/// Shows what the client reads.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn shortened(text: &str, chars: usize) -> String {
    text.escape_debug().take(chars).collect()
}

/// How much of the reason why arguments do not fit, which may quote them, goes into the log.
const CAUSE_CHARS: usize = 256;

/// How much of a method's name, the client's own words, goes into the log.
const TARGET_CHARS: usize = 64;

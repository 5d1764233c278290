//! What the handlers of messages and of connection events may return.

use http::StatusCode;
use serde::Serialize;

use crate::upstream::answer::completion::{Completion, METHOD_FAILED};
use crate::upstream::answer::handler_error::HandlerError;
use crate::upstream::hub::invocation::Invocation;

/// What can answer an invocation. The handlers of messages return one of these and nothing else, so
/// nothing can reach the client's stream that is not a completion.
///
/// | A handler returns | The client reads |
/// |---|---|
/// | `()` | a completion without a result |
/// | [`Reply`]`(value)` | a completion with this result |
/// | [`Completion`] | this completion, made by hand; an error completion if it was made for another invocation |
/// | [`HandlerError`] | an error completion |
/// | `Result<any of these, HandlerError or an error>` | what is in it |
///
/// ```
/// use signalr_upstream_auth::upstream::{HandlerError, IntoCompletion, Invocation, Protocol, Reply};
///
/// fn echo(invocation: &Invocation) -> Result<Reply<String>, HandlerError> {
///     let (text,) = invocation.arguments()?;
///     Ok(Reply(text))
/// }
///
/// let body = br#"{"type":1,"invocationId":"42","target":"echo","arguments":[]}"#;
/// let invocation = Invocation::parse(Protocol::Json, body.as_slice())?;
/// let completion = echo(&invocation).into_completion(&invocation);
/// assert_eq!(
///     completion.as_bytes(),
///     b"{\"type\":3,\"invocationId\":\"42\",\"error\":\"The arguments do not fit the method\"}\x1e",
/// );
/// # Ok::<(), signalr_upstream_auth::upstream::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer an invocation",
    note = "return `Reply(value)` for a result, `()` for none, or a `Result` of these with an error"
)]
pub trait IntoCompletion {
    /// Writes the answer to this invocation. Errors are logged.
    fn into_completion(self, invocation: &Invocation) -> Completion;
}

/// The value that a method returns to the client.
///
/// Not written if the client waits for no answer.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper for any value, made by its users")]
pub struct Reply<T>(pub T);

impl<T: Serialize> IntoCompletion for Reply<T> {
    fn into_completion(self, invocation: &Invocation) -> Completion {
        Completion::result(invocation, &self.0).into_completion(invocation)
    }
}

impl IntoCompletion for () {
    fn into_completion(self, invocation: &Invocation) -> Completion {
        Completion::void(invocation)
    }
}

impl IntoCompletion for Completion {
    /// One that answers another call would break the client's stream, or leave it waiting.
    fn into_completion(self, invocation: &Invocation) -> Completion {
        if self.answers(invocation) {
            return self;
        }
        tracing::warn!(target: crate::telemetry::events::UPSTREAM, "upstream handler returned a completion of another invocation");
        Self::error(invocation, METHOD_FAILED)
    }
}

impl IntoCompletion for HandlerError {
    fn into_completion(self, invocation: &Invocation) -> Completion {
        self.complete(invocation)
    }
}

impl<T: IntoCompletion, E: Into<HandlerError>> IntoCompletion for Result<T, E> {
    fn into_completion(self, invocation: &Invocation) -> Completion {
        match self {
            Ok(answer) => answer.into_completion(invocation),
            Err(error) => error.into().complete(invocation),
        }
    }
}

/// What can answer a `connected` or `disconnected` event: nobody reads a body there, so a status is
/// the whole answer.
///
/// | A handler returns | The service reads |
/// |---|---|
/// | `()` | 200 |
/// | [`StatusCode`] | this status |
/// | [`HandlerError`] | 403 or 500, see [`HandlerError::status`] |
/// | `Result<any of these, HandlerError or an error>` | what is in it |
///
/// A status other than 200 and 204 is logged by the service. It does not close the connection, as far
/// as is known; 408 and 5xx are probably repeated after 1, 3 and 5 seconds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a connection event",
    note = "return `()`, a `StatusCode`, or a `Result` of these with an error"
)]
pub trait IntoStatus {
    /// The status of the answer. Errors are logged.
    fn into_status(self) -> StatusCode;
}

impl IntoStatus for () {
    fn into_status(self) -> StatusCode {
        StatusCode::OK
    }
}

impl IntoStatus for StatusCode {
    fn into_status(self) -> StatusCode {
        self
    }
}

impl IntoStatus for HandlerError {
    fn into_status(self) -> StatusCode {
        self.log(None);
        self.status()
    }
}

impl<T: IntoStatus, E: Into<HandlerError>> IntoStatus for Result<T, E> {
    fn into_status(self) -> StatusCode {
        match self {
            Ok(answer) => answer.into_status(),
            Err(error) => error.into().into_status(),
        }
    }
}

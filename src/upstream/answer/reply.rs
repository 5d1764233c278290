//! The return types of handlers, for messages and for connection events.

use http::StatusCode;
use serde::Serialize;

use crate::telemetry::events;
use crate::upstream::answer::completion::{Completion, METHOD_FAILED};
use crate::upstream::answer::handler_error::HandlerError;
use crate::upstream::hub::invocation::Invocation;

/// A type that can answer an invocation. Handlers of messages return one of these, so that only completions reach the
/// client's stream.
///
/// | A handler returns | The client reads |
/// |---|---|
/// | `()` | a completion without a result |
/// | [`Reply`]`(value)` | a completion with this result |
/// | [`Completion`] | this completion; an error completion if it belongs to another invocation |
/// | [`HandlerError`] | an error completion |
/// | `Result<T, E>` of these, where `E` is [`HandlerError`] or any error | the completion of the value or of the error |
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
    /// Creates the completion of this invocation. Logs errors.
    fn into_completion(self, invocation: &Invocation) -> Completion;
}

/// The value that a method returns to the client. It is not serialized if the client waits for no completion.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "users construct this wrapper for any value")]
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
    /// A completion of another invocation would break the client's stream, or leave the client waiting.
    fn into_completion(self, invocation: &Invocation) -> Completion {
        if self.answers(invocation) {
            return self;
        }
        tracing::warn!(target: events::UPSTREAM, "upstream handler returned a completion of another invocation");
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

/// A type that can answer a `connected` or `disconnected` event. The service reads no body there, so the answer is a
/// status.
///
/// | A handler returns | The service reads |
/// |---|---|
/// | `()` | 200 |
/// | [`StatusCode`] | this status |
/// | [`HandlerError`] | 403 or 500, see [`HandlerError::status`] |
/// | `Result<T, E>` of these, where `E` is [`HandlerError`] or any error | the status of the value or of the error |
///
/// The service logs any status but 200 and 204. As far as is known, no status closes the connection. The service
/// probably repeats the call after 408 and 5xx, after 1, 3 and 5 seconds. That is observed and unofficial: Microsoft does
/// not document it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a connection event",
    note = "return `()`, a `StatusCode`, or a `Result` of these with an error"
)]
pub trait IntoStatus {
    /// The status of the response. Logs errors.
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

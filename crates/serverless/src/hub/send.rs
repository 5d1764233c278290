//! Sending messages.

use std::future::IntoFuture;

use azure_core::http::Method;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{HubClient, Lives, Prepared};
use crate::error::{Error, ErrorKind, Result};
use crate::ids;
use crate::operation::Operation;
use crate::payload::{Arguments, RequestBody};
use crate::rest::{Call, Segment};

/// # Sending
///
/// Each method calls `target`, a method of the client, with `arguments`. Role: *SignalR REST API Owner*. Source:
/// [REST API](https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).
///
/// Errors of each: [`InvalidArguments`](crate::ErrorKind::InvalidArguments),
/// [`BodyTooLarge`](crate::ErrorKind::BodyTooLarge) beyond 1 MB, [`InvalidId`](crate::ErrorKind::InvalidId), and those of
/// a call. After one with [`Error::may_be_delivered`] clients may have the message.
impl HubClient {
    /// Sends to every connection of the hub: `POST :send`.
    pub fn send_to_all(&self, target: &str, arguments: impl Arguments) -> SendRequest {
        let call = self.message(Operation::SendToAll, target, arguments, &[Segment::Fixed(":send")]);
        SendRequest(Prepared { hub: self.clone(), call, lives: Lives::Anywhere })
    }

    /// Sends to every connection of a group: `POST groups/{group}/:send`.
    pub fn send_to_group(&self, group: &str, target: &str, arguments: impl Arguments) -> SendRequest {
        let segments = [Segment::Fixed("groups"), Segment::Id(group), Segment::Fixed(":send")];
        let call =
            ids::check_group(group).and_then(|()| self.message(Operation::SendToGroup, target, arguments, &segments));
        SendRequest(Prepared { hub: self.clone(), call, lives: Lives::Anywhere })
    }

    /// Sends to every connection of a user: `POST users/{user}/:send`.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn send_to_user(&self, user: &str, target: &str, arguments: impl Arguments) -> Result<()> {
        let segments = [Segment::Fixed("users"), Segment::Id(user), Segment::Fixed(":send")];
        let call = ids::check("user id", user)
            .and_then(|()| self.message(Operation::SendToUser, target, arguments, &segments));
        Prepared { hub: self.clone(), call, lives: Lives::Anywhere }.run().await
    }

    /// Sends to one connection: `POST connections/{connection}/:send`.
    ///
    /// # Errors
    ///
    /// As above, and [`NotFound`](crate::ErrorKind::NotFound) if the service says that there is no such connection.
    pub async fn send_to_connection(&self, connection: &str, target: &str, arguments: impl Arguments) -> Result<()> {
        let call = self.connection_message(Operation::SendToConnection, connection, ":send", target, arguments);
        Prepared { hub: self.clone(), call, lives: Lives::AtOne }.run().await
    }

    /// Calls a method of one client and returns its result: `POST connections/{connection}/:invoke`.
    ///
    /// The call and the client together have 30 s. It is repeated as little as a message is.
    ///
    /// # Errors
    ///
    /// As above; [`InvalidAnswer`](crate::ErrorKind::InvalidAnswer) if the result is no `R`, or comes from a client of
    /// the MessagePack protocol.
    pub async fn invoke_connection<R: DeserializeOwned>(
        &self,
        connection: &str,
        target: &str,
        arguments: impl Arguments,
    ) -> Result<R> {
        #[derive(Deserialize)]
        struct Completion<'a> {
            #[serde(default, borrow)]
            result: Option<&'a serde_json::value::RawValue>,
            #[serde(default)]
            protocol: Option<String>,
        }
        let call = self.connection_message(Operation::InvokeConnection, connection, ":invoke", target, arguments)?;
        let answer = self.at_each(&call.wants(RESULT_MAX)).await.first()?;
        let invalid = |text: &'static str| Error::new(ErrorKind::InvalidAnswer, text);
        let completion: Completion<'_> = serde_json::from_slice(&answer.body)
            .map_err(|_| invalid("the answer is not a JSON object with the member result"))?;
        if completion.protocol.is_some_and(|protocol| !protocol.eq_ignore_ascii_case("json")) {
            return Err(invalid("the client does not use the JSON protocol, whose results are all that can be read"));
        }
        serde_json::from_str(completion.result.map_or("null", serde_json::value::RawValue::get))
            .map_err(|_| invalid("the client's result is not of the type that was asked for"))
    }

    fn connection_message(
        &self,
        operation: Operation,
        connection: &str,
        action: &'static str,
        target: &str,
        arguments: impl Arguments,
    ) -> Result<Call> {
        ids::check("connection id", connection)?;
        let segments = [Segment::Fixed("connections"), Segment::Id(connection), Segment::Fixed(action)];
        self.message(operation, target, arguments, &segments)
    }

    fn message(
        &self,
        operation: Operation,
        target: &str,
        arguments: impl Arguments,
        segments: &[Segment<'_>],
    ) -> Result<Call> {
        let RequestBody(body) = arguments.into_body(target)?;
        Ok(self.call(operation, Method::Post, segments).with_body(body))
    }
}

/// A message that is sent when you await it.
#[derive(Debug)]
#[must_use = "nothing is sent until you await it"]
pub struct SendRequest(Prepared);

impl SendRequest {
    /// Leaves these connections out.
    pub fn excluded(self, connections: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(self.0.exclude(connections))
    }
}

impl IntoFuture for SendRequest {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.run())
    }
}

/// A result is a message of the client's, with the same limit as one of the app's.
const RESULT_MAX: usize = 2 * 1024 * 1024;

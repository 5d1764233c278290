//! Sending, invoking, streams.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};

use super::call::{Call, DataPlane, Done};
use super::payload::Payload;
use super::problem::Problem;
use crate::hub::{Outbound, Recipients};
use crate::operation::Operation;
use crate::protocol::{Frames, InvocationResult, Outcome};
use crate::web::{full, json};

impl DataPlane {
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let excluded = call.excluded();
        let recipients = match call.route.operation {
            Operation::SendToUser => Recipients::User { user: &call.route.user, excluded: &[] },
            Operation::SendToGroup => Recipients::Group { group: call.group()?, excluded: &excluded },
            Operation::SendToConnection => Recipients::Connection(&call.route.connection),
            _ => Recipients::All { excluded: &excluded },
        };
        let frames = Payload::read(call)?.frames(None);
        if call.route.operation == Operation::SendToConnection && self.assumptions.reject_send_to_missing_connection {
            self.check_connection(call, "Warning.Connection.NotExisted")?;
        }
        let reached = self.hubs.send(&call.hub, recipients, &Outbound::Frames(Arc::new(frames)));
        Ok(Done::status(StatusCode::ACCEPTED).to(reached))
    }

    pub(super) async fn invoke(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let payload = Payload::read(call)?;
        if matches!(payload, Payload::Ready(_)) {
            let text = "An invocation cannot be sent as ready messages: they lack the invocation's id.";
            return Err(Problem::bad_request("Request.Body", text));
        }
        let connection = &call.route.connection;
        let invocation = self.hubs.invoke(&call.hub, connection, |id| payload.frames(Some(id)));
        let (id, receiver) = invocation.ok_or_else(|| missing_connection("Warning.Connection.NotExisted"))?;
        let result = tokio::time::timeout(self.assumptions.invocation_timeout, receiver).await;
        self.hubs.drop_invocation(connection, &id);
        let answer = match result {
            Ok(Ok(InvocationResult::Value(value))) => {
                let wants_message_pack = call.content_type().eq_ignore_ascii_case("application/x-msgpack");
                match (value, wants_message_pack) {
                    (None, _) => json(StatusCode::OK, &Map::new()),
                    (Some((value, _)), false) => {
                        json(StatusCode::OK, &Value::from(Map::from_iter([("result".to_owned(), value)])))
                    }
                    (Some((_, value)), true) => {
                        let mut bytes = Vec::new();
                        // A vector takes every byte.
                        let _ =
                            rmpv::encode::write_value(&mut bytes, &rmpv::Value::Map(vec![("result".into(), value)]));
                        full(StatusCode::OK, "application/x-msgpack", bytes)
                    }
                }
            }
            Ok(Ok(InvocationResult::Error(error))) => {
                return Err(Problem::bad_request("Invocation.Failed", error));
            }
            Ok(Err(_)) => return Err(missing_connection("Warning.Connection.NotExisted")),
            Err(_) => {
                return Err(Problem::of_status(StatusCode::GATEWAY_TIMEOUT, "The client did not answer in time."));
            }
        };
        Ok(Done { answer, delivered_to: vec![connection.clone()] })
    }

    pub(super) fn send_stream_item(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let stream = stream_id(call)?;
        let item: Value = serde_json::from_slice(&call.body)
            .map_err(|_| Problem::bad_request("Request.Body", "The item is no JSON value."))?;
        let mut reached = self.to_connection(call, Frames::stream_item(stream, &item));
        if call.query.first("completed").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            reached = self.to_connection(call, Frames::completion(stream, &Outcome::Void));
        }
        Ok(Done::status(StatusCode::ACCEPTED).to(reached))
    }

    /// The error is in `reason` by the API's description, in `error` by the SDK.
    pub(super) fn complete_stream(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let stream = stream_id(call)?;
        let error = call.query.first("reason").or_else(|| call.query.first("error"));
        let outcome = error.map_or(Outcome::Void, |text| Outcome::Error(text.to_owned()));
        let reached = self.to_connection(call, Frames::completion(stream, &outcome));
        Ok(Done::status(StatusCode::ACCEPTED).to(reached))
    }

    fn to_connection(&self, call: &Call<'_>, frames: Frames) -> Vec<String> {
        let recipients = Recipients::Connection(&call.route.connection);
        self.hubs.send(&call.hub, recipients, &Outbound::Frames(Arc::new(frames)))
    }

    pub(super) fn check_connection(&self, call: &Call<'_>, code: &'static str) -> Result<(), Problem> {
        if self.hubs.has_connection(&call.hub, &call.route.connection) { Ok(()) } else { Err(missing_connection(code)) }
    }
}

pub(super) fn missing_connection(code: &'static str) -> Problem {
    Problem::missing(code, "The connection does not exist.")
}

fn stream_id<'a>(call: &'a Call<'_>) -> Result<&'a str, Problem> {
    let stream = call.route.stream.as_str();
    if stream.chars().count() <= 100 {
        return Ok(stream);
    }
    Err(Problem::bad_request("Request.StreamId", "A stream's id has 1 to 100 characters."))
}

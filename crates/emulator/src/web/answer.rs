//! Answers and their bodies.

use std::io;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;

/// A body that may break off: an error closes the connection.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) type Answer = Response<AnswerBody>;

/// A whole body.
pub(crate) fn full(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(whole(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// No body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// A JSON body.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    // What is given here are objects with text keys, which always have a JSON form.
    let text = serde_json::to_string(body).unwrap_or_default();
    full(status, "application/json; charset=utf-8", text)
}

fn whole(bytes: Bytes) -> AnswerBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

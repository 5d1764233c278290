//! One request and its answer, with the fault between them.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;

use super::body::faulty;
use super::{Act, Fault};
use crate::net::{ConnectionControl, Reaction};
use crate::web::{Answer, empty};

/// What became of a request.
pub(crate) struct Exchange<N> {
    pub(crate) reaction: Reaction,
    /// What was processed, and what came of it.
    pub(crate) note: Option<N>,
    /// The body of the request as far as it was read.
    pub(crate) body: Bytes,
    /// Whether the body was longer than the limit.
    pub(crate) too_long: bool,
}

impl<N> Exchange<N> {
    /// The status of the answer, if there is one.
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.reaction {
            Reaction::Answer(answer) => Some(answer.status().as_u16()),
            Reaction::Close | Reaction::Hang => None,
        }
    }
}

/// Reads a request of at most `limit` bytes of body and lets it be processed, unless the fault says otherwise.
pub(crate) async fn exchange<B, N, F>(
    fault: Fault,
    connection: ConnectionControl,
    request: Request<B>,
    limit: usize,
    process: impl FnOnce(Parts, Bytes) -> F,
) -> Exchange<N>
where
    B: Body<Data = Bytes> + Unpin,
    F: Future<Output = (Answer, N)>,
{
    let nothing = |body: Bytes| Exchange { reaction: Reaction::Close, note: None, body, too_long: false };
    if !fault.delay.is_zero() {
        tokio::time::sleep(fault.delay).await;
    }
    if matches!(fault.act, Act::Reset) && !fault.processed {
        connection.reset_at_end();
        return nothing(Bytes::new());
    }

    let (parts, body) = request.into_parts();
    let stop = match fault.act {
        Act::ResetWhileReading(bytes) => Some(bytes),
        _ => None,
    };
    let body = match read(body, limit, stop).await {
        Read::Whole(body) => body,
        Read::Stopped(body) => {
            connection.reset_at_end();
            return nothing(body);
        }
        Read::Broken(body) => return nothing(body),
        Read::TooLong => {
            let reaction = Reaction::Answer(empty(StatusCode::PAYLOAD_TOO_LARGE));
            return Exchange { reaction, too_long: true, ..nothing(Bytes::new()) };
        }
    };
    if stop.is_some() {
        connection.reset_at_end();
        return nothing(body);
    }

    let (usual, note) = if fault.processed {
        let (answer, note) = process(parts, body.clone()).await;
        (Some(answer), Some(note))
    } else {
        (None, None)
    };
    let hangs = matches!(fault.act, Act::Hang);
    let reaction = match distort(fault, usual, connection).await {
        Some(answer) => Reaction::Answer(answer),
        None if hangs => Reaction::Hang,
        None => Reaction::Close,
    };
    Exchange { reaction, note, body, too_long: false }
}

async fn distort(fault: Fault, usual: Option<Answer>, connection: ConnectionControl) -> Option<Answer> {
    let mut answer = match fault.act {
        Act::Hang => return None,
        Act::Reset | Act::ResetWhileReading(_) => {
            connection.reset_at_end();
            return None;
        }
        Act::Pass => usual?,
        Act::Answer { status, content_type, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut answer = crate::web::full(status, "", body);
            answer.headers_mut().remove(CONTENT_TYPE);
            if let Some(value) = content_type.and_then(|text| HeaderValue::from_str(&text).ok()) {
                answer.headers_mut().insert(CONTENT_TYPE, value);
            }
            answer
        }
        Act::Body(fault) => {
            let (mut parts, body) = usual?.into_parts();
            // Bodies of processed requests are whole ones that never fail.
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            parts.headers.remove(CONTENT_LENGTH);
            // These have no body to break off.
            if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
                parts.status = StatusCode::OK;
            }
            Answer::from_parts(parts, faulty(body, fault, connection))
        }
    };
    for (name, value) in fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    Some(answer)
}

enum Read {
    Whole(Bytes),
    Stopped(Bytes),
    Broken(Bytes),
    TooLong,
}

async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B, limit: usize, stop: Option<usize>) -> Read {
    if usize::try_from(body.size_hint().lower()).map_or(true, |lower| lower > limit) {
        return Read::TooLong;
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken(bytes.freeze()) };
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if stop.is_some_and(|stop| bytes.len() >= stop) {
            return Read::Stopped(bytes.freeze());
        }
        if bytes.len() > limit {
            return Read::TooLong;
        }
    }
    Read::Whole(bytes.freeze())
}

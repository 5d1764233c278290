//! One request and its response.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use tokio::time::sleep;

use super::Ending;
use super::body::{DocumentBody, Framing, Spaces, framing_before};
use super::faulty_stream::{Script, Wire};
use crate::fault::{Action, Content, Offset, Response};
use crate::site::{Page, Site};

/// The connection ends without a response of hyper's. [`Wire::ending`] says how.
#[derive(Debug)]
pub(crate) struct NoResponse;

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault ends the connection without a response")
    }
}

impl Error for NoResponse {}

/// Counts a request and makes the response that its fault wants.
pub(crate) async fn exchange(
    site: &Site,
    wire: &Arc<Wire>,
    request: http::Request<Incoming>,
) -> Result<http::Response<DocumentBody>, NoResponse> {
    // A client that takes the mock for a proxy sends the absolute form (RFC 9112 section 3.2.2).
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let (page, fault) = site.answer(target);
    if !fault.delay.is_zero() {
        sleep(fault.delay).await;
    }
    match fault.action {
        Action::Respond if request.method() == Method::GET => Ok(respond(page, fault.response, wire)),
        Action::Respond => Ok(method_not_allowed(wire)),
        Action::Hang => std::future::pending().await,
        Action::Raw(bytes) => end(wire, Ending::Raw(bytes)),
        Action::Reset => end(wire, Ending::Reset),
    }
}

fn respond(page: Page, fault: Response, wire: &Arc<Wire>) -> http::Response<DocumentBody> {
    let framing = if fault.headers.contains_key(CONTENT_LENGTH) {
        Framing::ClaimedLength
    } else if fault.chunked {
        Framing::Chunked
    } else {
        Framing::Length
    };
    let document = Bytes::from(page.body);
    let (spaces, text) = match fault.content {
        Content::Document => (Spaces::Count(0), document),
        Content::Endless => (Spaces::Endless, Bytes::new()),
        Content::Padded(length) => (Spaces::Count(length.saturating_sub(document.len())), document),
        Content::Bytes(bytes) => (Spaces::Count(0), bytes),
    };
    let text_length = text.len();
    let body = DocumentBody::new(spaces, text, framing, Arc::clone(wire));
    let length = body.length().unwrap_or(usize::MAX);
    let cut = fault.delivery.cut.map(|cut| {
        let offset = match cut.at {
            Offset::Bytes(bytes) => bytes,
            Offset::Halfway => length / 2,
        };
        let framing = if fault.chunked { framing_before(offset, length, length - text_length) } else { 0 };
        (offset.saturating_add(framing), cut.then)
    });
    wire.begin(Script::new(fault.delivery, cut));

    let mut response = http::Response::new(body);
    *response.status_mut() = fault.status.unwrap_or(page.status);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400, private"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.extend(fault.headers);
    response
}

fn method_not_allowed(wire: &Arc<Wire>) -> http::Response<DocumentBody> {
    wire.begin(Script::default());
    let body = DocumentBody::new(Spaces::Count(0), Bytes::new(), Framing::Length, Arc::clone(wire));
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn end<T>(wire: &Wire, ending: Ending) -> Result<T, NoResponse> {
    wire.set_ending(ending);
    Err(NoResponse)
}

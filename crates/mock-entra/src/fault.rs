//! What can go wrong between a validator and Entra.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What the mock does in place of its usual response.
///
/// A constructor says what is wrong. [`header`](Self::header), [`chunked`](Self::chunked) and
/// [`delayed`](Self::delayed) modify it; the first two have no effect on a fault without a response of its own.
///
/// ```
/// use std::time::Duration;
/// use mock_entra::Fault;
///
/// let overloaded = Fault::status(503).header("Retry-After", "600");
/// let slow = Fault::delay(Duration::from_secs(1));
/// let huge = Fault::oversize(10_000_000).chunked();
/// ```
///
/// | Constructor | What the client sees |
/// |---|---|
/// | [`none`](Self::none) | the usual response |
/// | [`delay`](Self::delay) | the usual response, later |
/// | [`status`](Self::status), [`redirect`](Self::redirect) | another status, without a body |
/// | [`content`](Self::content), [`empty`](Self::empty), [`html`](Self::html), [`gzip`](Self::gzip) | 200 with another body |
/// | [`oversize`](Self::oversize), [`endless`](Self::endless) | 200 with too long a body |
/// | [`drip_head`](Self::drip_head), [`drip_body`](Self::drip_body) | the usual response, one byte at a time |
/// | [`truncated`](Self::truncated), [`cut_chunk`](Self::cut_chunk) | part of the response, then the end of the connection |
/// | [`hang`](Self::hang), [`hang_in_body`](Self::hang_in_body) | nothing, or part of the response, then silence |
/// | [`reset`](Self::reset), [`reset_after`](Self::reset_after), [`reset_when_idle`](Self::reset_when_idle) | a TCP reset before or after the response |
/// | [`raw`](Self::raw) | bytes of your choice, then the end of the connection |
#[derive(Clone, Debug)]
#[must_use = "a fault has no effect until you give it to a mock"]
pub struct Fault {
    pub(crate) delay: Duration,
    pub(crate) action: Action,
    pub(crate) response: Response,
}

/// What becomes of the request.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// The response is written.
    Respond,
    /// Nothing is ever written.
    Hang,
    /// These bytes are written in place of a response; then the connection is closed.
    Raw(Bytes),
    /// The connection is reset.
    Reset,
}

/// A response and how it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    /// Replaces the document's own status.
    pub(crate) status: Option<StatusCode>,
    /// Added to the usual headers; replace those of the same name.
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    pub(crate) chunked: bool,
    pub(crate) delivery: Delivery,
}

/// The body of a response.
#[derive(Clone, Debug, Default)]
pub(crate) enum Content {
    #[default]
    Document,
    /// Spaces without end.
    Endless,
    /// The document behind as many spaces as make the body this long.
    Padded(usize),
    Bytes(Bytes),
}

/// How the bytes of a response reach the client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) drip: Option<Drip>,
    pub(crate) cut: Option<Cut>,
    /// Resets the connection once it has carried this many responses.
    pub(crate) reset_after: Option<usize>,
    /// Resets the connection if no other request comes within this time.
    pub(crate) reset_when_idle: Option<Duration>,
}

/// One byte at a time, with this pause between two bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drip {
    pub(crate) part: Part,
    pub(crate) pause: Duration,
}

/// A part of a response on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The status line and the headers, with the blank line.
    Head,
    /// Everything behind it, chunk framing included.
    Body,
}

/// Where a body breaks off, and what follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) at: Offset,
    pub(crate) then: Then,
}

/// A place in a body, without regard to chunk framing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offset {
    Bytes(usize),
    Halfway,
}

/// What follows a body that breaks off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Then {
    /// The connection is closed.
    Close,
    /// The connection stays open, and nothing follows.
    Hang,
}

impl Fault {
    /// No fault: the usual response. For a [script](crate::MockEntra::script), and to start from.
    pub fn none() -> Self {
        Self { delay: Duration::ZERO, action: Action::Respond, response: Response::default() }
    }

    /// Resets the connection when the request has arrived, without a byte of a response.
    ///
    /// For a port where nobody listens, [stop](crate::MockEntra::stop) the mock and keep its URL.
    pub fn reset() -> Self {
        Self { action: Action::Reset, ..Self::none() }
    }

    /// Reads the request and never responds. The connection stays open until the client closes it.
    pub fn hang() -> Self {
        Self { action: Action::Hang, ..Self::none() }
    }

    /// Writes exactly these bytes, then closes the connection.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { action: Action::Raw(bytes.into()), ..Self::none() }
    }

    /// The usual response, later.
    pub fn delay(wait: Duration) -> Self {
        Self::none().delayed(wait)
    }

    /// A status with an empty body.
    ///
    /// # Panics
    ///
    /// If the number is not the status of a final response, 200 to 999. For others use [`raw`](Self::raw).
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
        assert!(status.is_some(), "a final response has a status from 200 to 999");
        Self::responding(Response { status, ..Self::with_body(Bytes::new()) })
    }

    /// A redirect: a status such as 302 or 307, and the `Location`.
    ///
    /// # Panics
    ///
    /// As [`status`](Self::status), and if the location is not a valid header value.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// 200 with another body of another media type.
    ///
    /// To change one place of a document, start from [`discovery_document`](crate::MockEntra::discovery_document) or
    /// [`key_document`](crate::MockEntra::key_document).
    ///
    /// # Panics
    ///
    /// If the media type is not a valid header value.
    pub fn content(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::responding(Self::with_body(body.into())).header("Content-Type", content_type)
    }

    /// 200 with an empty body.
    pub fn empty() -> Self {
        Self::content(JSON, "")
    }

    /// 200 with a page for people, as a captive portal gives for every URL.
    pub fn html() -> Self {
        Self::content("text/html; charset=utf-8", "<!DOCTYPE html><html><title>Sign in</title><p>Sign in first.</html>")
    }

    /// 200 with `Content-Encoding: gzip` and these bytes as the body, whether they are gzip or not.
    pub fn gzip(body: impl Into<Bytes>) -> Self {
        Self::content(JSON, body).header("Content-Encoding", "gzip")
    }

    /// The document behind as many spaces as make the body this long. It is valid JSON: a reader without a limit
    /// accepts it.
    pub fn oversize(bytes: usize) -> Self {
        Self::responding(Response { content: Content::Padded(bytes), ..Response::default() })
    }

    /// A body of spaces that never ends, in chunks.
    pub fn endless() -> Self {
        Self::responding(Response { content: Content::Endless, chunked: true, ..Response::default() })
    }

    /// Closes the connection after this many bytes of the body. `Content-Length` promises all of them.
    pub fn truncated(bytes: usize) -> Self {
        Self::cut(Cut { at: Offset::Bytes(bytes), then: Then::Close })
    }

    /// Closes the connection in the middle of a chunk.
    pub fn cut_chunk() -> Self {
        Self::cut(Cut { at: Offset::Halfway, then: Then::Close }).chunked()
    }

    /// Sends this many bytes of the body and then nothing. The connection stays open until the client closes it.
    pub fn hang_in_body(bytes: usize) -> Self {
        Self::cut(Cut { at: Offset::Bytes(bytes), then: Then::Hang })
    }

    /// The usual response, its status line and headers one byte at a time with this pause between two bytes.
    pub fn drip_head(pause: Duration) -> Self {
        Self::delivered(Delivery { drip: Some(Drip { part: Part::Head, pause }), ..Delivery::default() })
    }

    /// The usual response, its body one byte at a time with this pause between two bytes.
    pub fn drip_body(pause: Duration) -> Self {
        Self::delivered(Delivery { drip: Some(Drip { part: Part::Body, pause }), ..Delivery::default() })
    }

    /// The usual response; the mock resets the connection behind it once the connection has carried this many.
    pub fn reset_after(responses: usize) -> Self {
        Self::delivered(Delivery { reset_after: Some(responses), ..Delivery::default() })
    }

    /// The usual response; the mock resets the connection if it is idle for this long afterwards.
    pub fn reset_when_idle(wait: Duration) -> Self {
        Self::delivered(Delivery { reset_when_idle: Some(wait), ..Delivery::default() })
    }

    /// Adds a header, or replaces the usual one of that name.
    ///
    /// A `Content-Length` of your own stands even if the body has another length: a longer body is cut, and behind a
    /// shorter one nothing follows.
    ///
    /// # Panics
    ///
    /// If the name or the value is not a valid header. For such bytes use [`raw`](Self::raw).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(parsed_name), Ok(parsed_value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
            panic!("`{name}: {value}` is not a valid header");
        };
        self.response.headers.insert(parsed_name, parsed_value);
        self
    }

    /// Sends the body in chunks, without `Content-Length`.
    pub fn chunked(mut self) -> Self {
        self.response.chunked = true;
        self
    }

    /// Waits before it does anything else, once the request has arrived.
    pub fn delayed(mut self, wait: Duration) -> Self {
        self.delay = wait;
        self
    }

    fn responding(response: Response) -> Self {
        Self { response, ..Self::none() }
    }

    fn with_body(body: Bytes) -> Response {
        Response { content: Content::Bytes(body), ..Response::default() }
    }

    fn delivered(delivery: Delivery) -> Self {
        Self::responding(Response { delivery, ..Response::default() })
    }

    fn cut(cut: Cut) -> Self {
        Self::delivered(Delivery { cut: Some(cut), ..Delivery::default() })
    }
}

const JSON: &str = "application/json; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "from 200 to 999")]
    fn rejects_interim_status() {
        let _ = Fault::status(103);
    }

    #[test]
    #[should_panic(expected = "is not a valid header")]
    fn rejects_line_break_in_header() {
        let _ = Fault::none().header("X-One", "a\r\nb");
    }

    #[test]
    fn later_header_replaces_earlier_one_of_the_name() {
        let fault = Fault::empty().header("content-type", "text/plain");
        assert_eq!(fault.response.headers.get_all("Content-Type").iter().collect::<Vec<_>>(), ["text/plain"]);
    }
}

//! What can go wrong between a validator and Entra.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::requests::Endpoint;
use signalr_upstream_auth::TenantId;

/// How a request is answered, if not well.
///
/// A constructor says what is wrong; [`header`](Self::header), [`chunked`](Self::chunked) and
/// [`delayed`](Self::delayed) can be added to those that write an answer.
///
/// ```
/// use std::time::Duration;
/// use mock_entra::Fault;
///
/// let overloaded = Fault::status(503).header("Retry-After", "600");
/// let slow = Fault::delay(Duration::from_secs(1));
/// let huge = Fault::oversize(10_000_000).chunked();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until it is put in place"]
pub struct Fault {
    pub(super) delay: Duration,
    pub(super) act: Act,
    pub(super) answer: Answer,
}

/// What becomes of the request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// The answer is written.
    Answer,
    /// Nothing is ever written.
    Hang,
    /// Bytes are written in the place of an answer, then the connection is closed.
    Raw(Bytes),
    /// The connection is reset.
    Reject,
}

/// An answer and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// In the place of the document's own.
    pub(super) status: Option<u16>,
    /// Beside the usual ones or in their place.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) chunked: bool,
    pub(super) drip: Option<Drip>,
    pub(super) stop: Option<Stop>,
    /// Resets the connection once this many answers were written to it.
    pub(super) reset_after: Option<usize>,
    /// Resets the connection if no other request comes within this time.
    pub(super) reset_when_idle: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// The document.
    Document,
    /// Spaces without end.
    Endless,
    /// The document behind so many spaces that the whole has this length.
    Padded(usize),
    Text(Bytes),
}

/// One byte at a time, with this pause between them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Drip {
    Body(Duration),
    Head(Duration),
}

/// Where a body breaks off: after so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// The connection is closed there.
    Close(usize),
    /// Half of the body is sent, then the connection is closed.
    CloseHalfway,
    /// The connection stays open, and nothing follows.
    Hang(usize),
}

impl Fault {
    /// No fault: the good answer. For a [script](super::MockEntra::script), and as the start of other faults.
    pub fn none() -> Self {
        Self { delay: Duration::ZERO, act: Act::Answer, answer: Answer::GOOD }
    }

    /// Resets the connection when the request has come, without a byte of an answer.
    ///
    /// For a port where nobody listens, drop the mock and keep its URL.
    pub fn connection_refused() -> Self {
        Self { act: Act::Reject, ..Self::none() }
    }

    /// Reads the request and never answers. The connection stays open until the client closes it.
    pub fn hang() -> Self {
        Self { act: Act::Hang, ..Self::none() }
    }

    /// Writes exactly these bytes, then closes the connection.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { act: Act::Raw(bytes.into()), ..Self::none() }
    }

    /// The good answer after a while.
    pub fn delay(wait: Duration) -> Self {
        Self::none().delayed(wait)
    }

    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        let body = Body::Text(Bytes::new());
        Self::answering(Answer { status: Some(status), body, ..Answer::GOOD })
    }

    /// A redirection: a status such as 302 or 307, and the `Location`.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// 200 with another body of another type.
    ///
    /// The documents themselves are at hand as [`discovery_document`](super::MockEntra::discovery_document) and
    /// [`key_document`](super::MockEntra::key_document), so that a test can change one place of them.
    pub fn content(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::answering(Answer { body: Body::Text(body.into()), ..Answer::GOOD }).header("Content-Type", content_type)
    }

    /// 200 with an empty body.
    pub fn empty() -> Self {
        Self::content("application/json; charset=utf-8", "")
    }

    /// 200 with a page for people, as the portal of a network gives in the place of everything.
    pub fn html() -> Self {
        Self::content("text/html; charset=utf-8", "<!DOCTYPE html><html><title>Sign in</title><p>Sign in first.</html>")
    }

    /// 200 with `Content-Encoding: gzip` and these bytes as the body, whether they are gzip or not.
    pub fn gzip(body: impl Into<Bytes>) -> Self {
        Self::content("application/json; charset=utf-8", body).header("Content-Encoding", "gzip")
    }

    /// The good document behind so many spaces that the body has this many bytes. It is valid JSON: a reader without a
    /// limit takes it.
    pub fn oversize(bytes: usize) -> Self {
        Self::answering(Answer { body: Body::Padded(bytes), ..Answer::GOOD })
    }

    /// A body of spaces that never ends, in chunks.
    pub fn endless() -> Self {
        Self::answering(Answer { body: Body::Endless, chunked: true, ..Answer::GOOD })
    }

    /// Closes the connection after so many bytes of the body, of which `Content-Length` promises all.
    pub fn truncated(bytes: usize) -> Self {
        Self::answering(Answer { stop: Some(Stop::Close(bytes)), ..Answer::GOOD })
    }

    /// Closes the connection in the middle of a chunk.
    pub fn cut_chunk() -> Self {
        Self::answering(Answer { stop: Some(Stop::CloseHalfway), chunked: true, ..Answer::GOOD })
    }

    /// Falls silent after so many bytes of the body. The connection stays open until the client closes it.
    pub fn hang_in_body(bytes: usize) -> Self {
        Self::answering(Answer { stop: Some(Stop::Hang(bytes)), ..Answer::GOOD })
    }

    /// The good answer, its status line and headers one byte at a time with this pause between them.
    pub fn drip_head(pause: Duration) -> Self {
        Self::answering(Answer { drip: Some(Drip::Head(pause)), ..Answer::GOOD })
    }

    /// The good answer, its body one byte at a time with this pause between them.
    pub fn drip_body(pause: Duration) -> Self {
        Self::answering(Answer { drip: Some(Drip::Body(pause)), ..Answer::GOOD })
    }

    /// The good answer; the connection is reset behind it if it was the last of so many on that connection.
    pub fn reset_after(answers: usize) -> Self {
        Self::answering(Answer { reset_after: Some(answers), ..Answer::GOOD })
    }

    /// The good answer; the connection is reset if it then lies idle for so long.
    pub fn reset_when_idle(wait: Duration) -> Self {
        Self::answering(Answer { reset_when_idle: Some(wait), ..Answer::GOOD })
    }

    /// Adds a header, or replaces the usual one of that name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.answer.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the body in chunks, without `Content-Length`.
    pub fn chunked(mut self) -> Self {
        self.answer.chunked = true;
        self
    }

    /// Waits before anything else is done, once the request has come.
    pub fn delayed(mut self, wait: Duration) -> Self {
        self.delay = wait;
        self
    }

    fn answering(answer: Answer) -> Self {
        Self { answer, ..Self::none() }
    }
}

impl Answer {
    const GOOD: Self = Self {
        status: None,
        headers: Vec::new(),
        body: Body::Document,
        chunked: false,
        drip: None,
        stop: None,
        reset_after: None,
        reset_when_idle: None,
    };
}

/// The requests that a fault is for: an [`Endpoint`], or [that of one tenant](Endpoint::of).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    endpoint: Endpoint,
    tenant: Option<TenantId>,
}

impl Endpoint {
    /// This endpoint for one tenant only.
    #[must_use]
    pub const fn of(self, tenant: TenantId) -> Target {
        Target { endpoint: self, tenant: Some(tenant) }
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, tenant: None }
    }
}

impl Target {
    fn covers(self, endpoint: Option<Endpoint>, tenant: Option<TenantId>) -> bool {
        let right_endpoint = self.endpoint == Endpoint::Any || Some(self.endpoint) == endpoint;
        let right_tenant = self.tenant.is_none() || self.tenant == tenant;
        right_endpoint && right_tenant
    }
}

/// The faults that are in place.
#[derive(Debug, Default)]
pub(super) struct FaultPlan {
    /// Each for one request.
    script: Vec<(Target, VecDeque<Fault>)>,
    /// Until further notice; the latest comes first.
    standing: VecDeque<(Target, Fault)>,
}

impl FaultPlan {
    pub(super) fn stand(&mut self, target: Target, fault: Fault) {
        self.standing.retain(|(present, _)| *present != target);
        self.standing.push_front((target, fault));
    }

    pub(super) fn script(&mut self, target: Target, faults: impl IntoIterator<Item = Fault>) {
        match self.script.iter_mut().find(|(present, _)| *present == target) {
            Some((_, queue)) => queue.extend(faults),
            None => self.script.push((target, faults.into_iter().collect())),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault for the next request: the next of the script, else the latest standing one, else none.
    pub(super) fn next(&mut self, endpoint: Option<Endpoint>, tenant: Option<TenantId>) -> Fault {
        let scripted = self
            .script
            .iter_mut()
            .filter(|(target, _)| target.covers(endpoint, tenant))
            .find_map(|(_, queue)| queue.pop_front());
        let standing = || self.standing.iter().find(|(target, _)| target.covers(endpoint, tenant));
        scripted.or_else(|| standing().map(|(_, fault)| fault.clone())).unwrap_or_else(Fault::none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(plan: &mut FaultPlan, endpoint: Endpoint, tenant: Option<TenantId>) -> Option<u16> {
        plan.next(Some(endpoint), tenant).answer.status
    }

    #[test]
    fn a_script_goes_before_a_standing_fault_and_is_used_up() {
        let mut plan = FaultPlan::default();
        plan.stand(Endpoint::Keys.into(), Fault::status(500));
        plan.script(Endpoint::Keys.into(), [Fault::status(501), Fault::none()]);
        plan.script(Endpoint::Keys.into(), [Fault::status(502)]);
        let statuses: Vec<_> = (0..5).map(|_| status_of(&mut plan, Endpoint::Keys, None)).collect();
        assert_eq!(statuses, [Some(501), None, Some(502), Some(500), Some(500)]);
        assert_eq!(status_of(&mut plan, Endpoint::Discovery, None), None);
        plan.clear();
        assert_eq!(status_of(&mut plan, Endpoint::Keys, None), None);
    }

    #[test]
    fn a_fault_of_one_tenant_leaves_the_others_alone() {
        let one: TenantId = "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let two: TenantId = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let mut plan = FaultPlan::default();
        plan.stand(Endpoint::Any.of(one), Fault::status(500));
        plan.stand(Endpoint::Keys.of(one), Fault::status(501));
        assert_eq!(status_of(&mut plan, Endpoint::Keys, Some(one)), Some(501));
        assert_eq!(status_of(&mut plan, Endpoint::Discovery, Some(one)), Some(500));
        assert_eq!(status_of(&mut plan, Endpoint::Keys, Some(two)), None);
        assert_eq!(status_of(&mut plan, Endpoint::Keys, None), None);
    }
}

//! What can go wrong between a client and the emulator.

mod apply;
mod body;
mod plan;

use std::time::Duration;

use bytes::Bytes;

pub(crate) use apply::exchange;
pub use plan::{FaultTarget, Faults};

/// One thing that goes wrong with one request.
///
/// A fault has three parts: a delay before anything happens, whether the request takes effect, and what is answered. A
/// request without effect is never processed: nothing is sent, no connection is closed.
///
/// ```
/// use signalr_emulator::Fault;
///
/// let busy = Fault::status(429).header("Retry-After", "7");
/// let delivered_all_the_same = Fault::status(500).after_processing();
/// # let _ = (busy, delivered_all_the_same);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until it is put in place"]
pub struct Fault {
    delay: Duration,
    processed: bool,
    act: Act,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Act {
    /// The usual answer.
    Pass,
    /// Another answer.
    Answer { status: u16, content_type: Option<String>, body: Bytes },
    /// No answer and an open connection.
    Hang,
    /// No answer and a reset.
    Reset,
    /// A reset as soon as so many bytes of the request's body have come.
    ResetWhileReading(usize),
    /// The usual answer with another body.
    Body(BodyFault),
}

#[derive(Clone, Copy, Debug)]
enum BodyFault {
    /// An orderly close after so many bytes.
    Truncate(usize),
    /// A reset after so many bytes.
    Reset(usize),
    /// Silence after so many bytes.
    Hang(usize),
    /// So many bytes of padding, then the usual body.
    Pad(usize),
    /// Padding without an end.
    Endless,
}

impl Fault {
    /// No fault: lets a request pass, for gaps in a script.
    pub fn none() -> Self {
        Self::new(true, Act::Pass)
    }

    /// The usual answer after a wait in tokio's time.
    pub fn delay(wait: Duration) -> Self {
        Self::none().delayed(wait)
    }

    /// An empty answer of this status instead of the usual one. The request has no effect, unless you add
    /// [`after_processing`](Self::after_processing). A status outside of 100 to 999 becomes 500.
    pub fn status(status: u16) -> Self {
        Self::new(false, Act::Answer { status, content_type: None, body: Bytes::new() })
    }

    /// Another answer instead of the usual one. The request has no effect, unless you add
    /// [`after_processing`](Self::after_processing).
    pub fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(false, Act::Answer { status, content_type: Some(content_type.to_owned()), body: body.into() })
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// No answer; the connection stays open. The request has no effect.
    pub fn hang() -> Self {
        Self::new(false, Act::Hang)
    }

    /// A reset of the connection once the head of the request is there. The request has no effect.
    pub fn reset_before() -> Self {
        Self::new(false, Act::Reset)
    }

    /// A reset of the connection once so many bytes of the request's body are there. The request has no effect.
    pub fn reset_while_reading(bytes: usize) -> Self {
        Self::new(false, Act::ResetWhileReading(bytes))
    }

    /// A reset of the connection in the place of the answer. The request has taken effect.
    pub fn reset_after() -> Self {
        Self::new(true, Act::Reset)
    }

    /// A reset of the connection after the head and so many bytes of the answer's body. The request has taken effect.
    pub fn reset_in_answer(bytes: usize) -> Self {
        Self::new(true, Act::Body(BodyFault::Reset(bytes)))
    }

    /// An orderly close after so many bytes of the answer's body, which promises more. The request has taken effect.
    pub fn truncated(bytes: usize) -> Self {
        Self::new(true, Act::Body(BodyFault::Truncate(bytes)))
    }

    /// Silence after so many bytes of the answer's body. The request has taken effect.
    pub fn hang_in_answer(bytes: usize) -> Self {
        Self::new(true, Act::Body(BodyFault::Hang(bytes)))
    }

    /// The usual answer behind so many bytes of blanks. The request has taken effect.
    pub fn oversize(bytes: usize) -> Self {
        Self::new(true, Act::Body(BodyFault::Pad(bytes)))
    }

    /// An answer that never ends. The request has taken effect.
    pub fn endless() -> Self {
        Self::new(true, Act::Body(BodyFault::Endless))
    }

    /// Adds a header to the answer, or replaces one. A name or value that HTTP does not allow is left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits first, in tokio's time.
    pub fn delayed(mut self, wait: Duration) -> Self {
        self.delay = wait;
        self
    }

    /// Lets the request take effect before the fault shows, as when the service answers 500 to a message that it sent.
    pub fn after_processing(mut self) -> Self {
        self.processed = true;
        self
    }

    fn new(processed: bool, act: Act) -> Self {
        Self { delay: Duration::ZERO, processed, act, headers: Vec::new() }
    }
}

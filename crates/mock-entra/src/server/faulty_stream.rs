//! The transport under hyper: it slows, cuts and breaks what hyper writes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::Ending;
use crate::fault::{Delivery, Drip, Part, Then};
use crate::requests::Counter;

/// What the requests of a connection ask of its transport.
#[derive(Debug, Default)]
pub(crate) struct Wire(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    script: Script,
    /// The responses that hyper has buffered to their end.
    responses: usize,
    /// hyper has the whole response, so the next flush brings the last byte of it to the client.
    buffered: bool,
    ending: Ending,
}

/// How one response is delivered.
#[derive(Debug, Default)]
pub(crate) struct Script {
    delivery: Delivery,
    /// The number of bytes behind the head that are sent, and what follows.
    cut: Option<(usize, Then)>,
    progress: Progress,
}

impl Script {
    pub(crate) fn new(delivery: Delivery, cut: Option<(usize, Then)>) -> Self {
        Self { delivery, cut, progress: Progress::default() }
    }

    /// How many of these bytes may be sent at once, and the pause before them.
    fn next(&self, bytes: &[u8]) -> (usize, Option<Drip>) {
        let head = self.progress.head_in(bytes);
        let allowed = match self.cut {
            Some((limit, _)) => bytes.len().min(head + (limit - self.progress.body.min(limit))),
            None => bytes.len(),
        };
        let part = if head > 0 { Part::Head } else { Part::Body };
        match self.delivery.drip {
            Some(drip) if drip.part == part => (allowed.min(1), (self.progress.latest == Some(part)).then_some(drip)),
            Some(_) if head > 0 => (allowed.min(head), None),
            _ => (allowed, None),
        }
    }
}

/// What is sent of a response.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The bytes of [`END_OF_HEAD`] that were sent last; all of them behind the head.
    matched: usize,
    /// The bytes behind the head.
    body: usize,
    /// The part that the latest byte belongs to.
    latest: Option<Part>,
}

impl Progress {
    /// How many of the next bytes still belong to the head.
    fn head_in(mut self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.extends_head(**byte)).count()
    }

    /// Whether the next byte still belongs to the head. If so, it counts as sent.
    fn extends_head(&mut self, byte: u8) -> bool {
        let is_in_head = self.matched < END_OF_HEAD.len();
        if is_in_head {
            let goes_on = byte == END_OF_HEAD[self.matched];
            self.matched = if goes_on { self.matched + 1 } else { usize::from(byte == END_OF_HEAD[0]) };
        }
        is_in_head
    }

    fn add(&mut self, sent: &[u8]) {
        let head = sent.iter().take_while(|byte| self.extends_head(**byte)).count();
        self.body += sent.len() - head;
        self.latest = Some(if head == sent.len() { Part::Head } else { Part::Body });
    }
}

impl Wire {
    /// The next response is delivered by this script. hyper has flushed the one before, unless a client that pipelines
    /// does not read: faults are not meant for such clients.
    pub(crate) fn begin(&self, script: Script) {
        let mut state = self.state();
        state.script = script;
        state.buffered = false;
    }

    pub(crate) fn set_buffered(&self) {
        self.state().buffered = true;
    }

    pub(crate) fn set_ending(&self, ending: Ending) {
        self.state().ending = ending;
    }

    pub(crate) fn ending(&self) -> Ending {
        self.state().ending.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that delivers responses as their [`Script`] says and counts the bytes that it sends.
#[derive(Debug)]
pub(crate) struct FaultyStream<'a, S> {
    stream: &'a mut S,
    wire: Arc<Wire>,
    counter: &'a Counter,
    /// The pause between two bytes of a drip.
    pause: Option<Pin<Box<Sleep>>>,
    /// The time that the connection may be idle.
    idle: Option<Pin<Box<Sleep>>>,
    /// The client has closed its side.
    is_client_gone: bool,
}

impl<'a, S> FaultyStream<'a, S> {
    pub(crate) fn new(stream: &'a mut S, wire: Arc<Wire>, counter: &'a Counter) -> Self {
        Self { stream, wire, counter, pause: None, idle: None, is_client_gone: false }
    }

    /// An error while a fault holds bytes back from a client that is gone: hyper would wait for ever to send them.
    fn expect_client(&self) -> io::Result<()> {
        if self.is_client_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FaultyStream<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut *self.stream).poll_read(cx, buffer) {
            Poll::Ready(outcome) => {
                self.idle = None;
                self.is_client_gone = outcome.is_err() || buffer.filled().len() == before;
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                if let Some(idle) = &mut self.idle {
                    ready!(idle.as_mut().poll(cx));
                    self.wire.set_ending(Ending::Reset);
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FaultyStream<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (allowed, drip, cut) = {
            let state = self.wire.state();
            let (allowed, drip) = state.script.next(bytes);
            (allowed, drip, state.script.cut)
        };
        if let (0, Some((_, then))) = (allowed, cut) {
            self.expect_client()?;
            return match then {
                Then::Close => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                // The end of the client's side wakes the task.
                Then::Hang => Poll::Pending,
            };
        }
        if let Some(drip) = drip {
            self.expect_client()?;
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(drip.pause)));
            ready!(pause.as_mut().poll(cx));
        }
        let written = ready!(Pin::new(&mut *self.stream).poll_write(cx, &bytes[..allowed]))?;
        self.pause = None;
        self.counter.sent(written);
        self.wire.state().script.progress.add(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    /// hyper flushes the stream when it has written all that it had buffered.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.stream).poll_flush(cx))?;
        let (ends, idle) = {
            let mut state = self.wire.state();
            if !std::mem::take(&mut state.buffered) {
                return Poll::Ready(Ok(()));
            }
            state.responses += 1;
            let delivery = &state.script.delivery;
            let is_reset = delivery.reset_after.is_some_and(|responses| state.responses >= responses);
            let idle = delivery.reset_when_idle;
            let is_closed = matches!(state.script.cut, Some((_, Then::Close)));
            if is_reset {
                state.ending = Ending::Reset;
            }
            (is_reset || is_closed, idle)
        };
        self.idle = idle.map(|wait| Box::pin(sleep(wait)));
        // It wakes the task, and then hyper reads.
        if self.idle.as_mut().is_some_and(|idle| idle.as_mut().poll(cx).is_ready()) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(if ends { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) })
    }

    /// Nothing: the server ends the stream when it knows how.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The blank line that ends a head (RFC 9112 section 2.1).
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

//! Bodies that break off, fall silent or never end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::BodyFault;
use crate::net::ConnectionControl;
use crate::web::AnswerBody;

/// The body that a fault makes of the usual one.
pub(super) fn faulty(usual: Bytes, fault: BodyFault, connection: ConnectionControl) -> AnswerBody {
    let promised = usual.len();
    let part = |bytes: usize| usual.slice(..bytes.min(usual.len()));
    let (bytes, promised, end) = match fault {
        // The promise is one byte more than comes, also when the usual body is shorter than what is asked for.
        BodyFault::Truncate(bytes) => (part(bytes), Some(promised.max(part(bytes).len() + 1)), End::Close),
        BodyFault::Reset(bytes) => (part(bytes), Some(promised.max(part(bytes).len() + 1)), End::Reset),
        BodyFault::Hang(bytes) => (part(bytes), Some(promised.max(part(bytes).len() + 1)), End::Silence),
        BodyFault::Pad(bytes) => {
            let padded: Bytes = [vec![b' '; bytes], usual.to_vec()].concat().into();
            (padded.clone(), Some(padded.len()), End::Whole)
        }
        BodyFault::Endless => (Bytes::new(), None, End::Never),
    };
    FaultyBody { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), promised, end, flushes: 2, connection }
        .boxed_unsync()
}

#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    Close,
    Reset,
    Silence,
    Never,
}

struct FaultyBody {
    bytes: Option<Bytes>,
    promised: Option<usize>,
    end: End,
    /// How often the server gets a chance to write what it has before the body breaks off.
    flushes: usize,
    connection: ConnectionControl,
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if matches!(self.end, End::Never) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PADDING)))));
        }
        if matches!(self.end, End::Whole) {
            return Poll::Ready(None);
        }
        if matches!(self.end, End::Silence) {
            return Poll::Pending;
        }
        if self.flushes > 0 {
            self.flushes -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if matches!(self.end, End::Reset) {
            self.connection.reset_at_end();
        }
        Poll::Ready(Some(Err(io::Error::other("the body breaks off"))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.promised.and_then(|promised| u64::try_from(promised).ok()) {
            Some(promised) => SizeHint::with_exact(promised),
            None => SizeHint::default(),
        }
    }
}

const PADDING: &[u8] = &[b' '; 16 * 1024];

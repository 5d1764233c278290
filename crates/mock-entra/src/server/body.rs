//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::faulty_stream::Wire;

/// Spaces, then a text, in pieces that fit into memory. It tells the wire when hyper has buffered it to its end.
#[derive(Debug)]
pub(crate) struct DocumentBody {
    spaces: Spaces,
    text: Bytes,
    framing: Framing,
    wire: Arc<Wire>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Spaces {
    Endless,
    Count(usize),
}

/// How the client learns where the body ends (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// By a `Content-Length` that hyper writes.
    Length,
    Chunked,
    /// By a `Content-Length` of the fault, right or wrong.
    ClaimedLength,
}

impl DocumentBody {
    pub(crate) fn new(spaces: Spaces, text: Bytes, framing: Framing, wire: Arc<Wire>) -> Self {
        Self { spaces, text, framing, wire }
    }

    /// The length, unless the body is endless.
    pub(crate) fn length(&self) -> Option<usize> {
        match self.spaces {
            Spaces::Endless => None,
            Spaces::Count(spaces) => spaces.checked_add(self.text.len()),
        }
    }

    /// The next piece. Empty at the end.
    fn next_piece(&mut self) -> Bytes {
        let count = match &mut self.spaces {
            Spaces::Endless => SPACES.len(),
            Spaces::Count(left) => {
                let count = SPACES.len().min(*left);
                *left -= count;
                count
            }
        };
        if count > 0 { Bytes::from_static(&SPACES[..count]) } else { std::mem::take(&mut self.text) }
    }
}

/// How many bytes chunk framing adds in front of a place of a body that [`DocumentBody`] would send: the sizes and line
/// ends of the chunks before it and the size line of the chunk that it is in (RFC 9112 section 7.1).
pub(crate) fn framing_before(offset: usize, length: usize, spaces: usize) -> usize {
    let (mut start, mut framing) = (0, 0);
    loop {
        let size = if start < spaces { SPACES.len().min(spaces - start) } else { length.saturating_sub(start) };
        framing += format!("{size:X}\r\n").len();
        start += size;
        if size == 0 || offset < start {
            return framing;
        }
        framing += LINE_END;
    }
}

impl Body for DocumentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.next_piece();
        if piece.is_empty() && self.framing == Framing::ClaimedLength {
            // hyper takes no more than is claimed. If less is there, the client waits for the rest in vain.
            return Poll::Pending;
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.framing == Framing::Length && self.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        let length =
            self.length().filter(|_| self.framing == Framing::Length).and_then(|length| u64::try_from(length).ok());
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for DocumentBody {
    /// hyper drops a body once it has the last byte of it.
    fn drop(&mut self) {
        self.wire.set_buffered();
    }
}

const LINE_END: usize = 2;
static SPACES: [u8; 16 * 1024] = [b' '; 16 * 1024];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_counts_size_lines_and_line_ends_of_chunks() {
        // One chunk of 100 bytes: `64\r\n` in front of every byte of it.
        assert_eq!(framing_before(0, 100, 0), 4);
        assert_eq!(framing_before(99, 100, 0), 4);
        // `4000\r\n`, 16,384 spaces, `\r\n`, then `5\r\n`.
        assert_eq!(framing_before(16_383, 16_389, 16_384), 6);
        assert_eq!(framing_before(16_384, 16_389, 16_384), 6 + 2 + 3);
        assert_eq!(framing_before(0, 0, 0), 3);
    }
}

//! A TCP stream that ends with a reset when it is told to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Lets whoever answers a request decide how its connection ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionControl {
    reset: Arc<AtomicBool>,
}

impl ConnectionControl {
    /// The connection ends with a reset (RFC 9293 section 3.10.7) instead of an orderly close, whenever it ends.
    pub(crate) fn reset_at_end(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    control: ConnectionControl,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, control: ConnectionControl) -> Self {
        Self { stream, control }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::SeqCst) {
            reset_on_close(&self.stream);
        }
    }
}

/// Lets the close of a stream be a reset: with a linger of zero what is unsent is dropped (socket(7), `SO_LINGER`).
pub(super) fn reset_on_close(stream: &TcpStream) {
    // A stream that is gone already needs no reset.
    let _ = stream.set_zero_linger();
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

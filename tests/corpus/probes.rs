//! What watches a request: its body, its polls and its log.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tracing_subscriber::fmt::MakeWriter;

/// A body that tells when it is polled.
pub struct Untouchable(pub Arc<AtomicBool>);

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.store(true, Ordering::Relaxed);
        Poll::Ready(None)
    }
}

/// A future whose panic is `None` and whose polls are counted.
pub struct Watched<F> {
    pub future: Pin<Box<F>>,
    pub polls: usize,
}

impl<F: Future> Future for Watched<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls += 1;
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// Where log lines go.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Default for Log {
    fn default() -> Self {
        // Room enough that its growth is not taken for that of the service.
        Self(Arc::new(Mutex::new(Vec::with_capacity(4_000_000))))
    }
}

impl Log {
    /// How many signatures were verified, by what has been written since the log was taken.
    pub fn signatures(&self) -> u64 {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memchr::memmem::find_iter(&log, "verifying a signature").map(|_| 1).sum()
    }

    pub fn take(&self) -> String {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&log).into_owned();
        log.clear();
        text
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

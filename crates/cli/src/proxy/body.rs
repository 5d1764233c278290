//! A body whose beginning is at hand.
//!
//! hyper reads a body only once somebody asks for it. Without this module the head of a message is written first and its
//! body a moment later, each with a system call of its own, and each wakes the peer. The messages of SignalR are short, so
//! this is the rule and not the exception.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::timeout;

/// A body with what has been read of it already.
#[derive(Debug)]
pub(super) struct Begun<B: Body> {
    first: Option<Result<Frame<Bytes>, B::Error>>,
    rest: B,
}

impl<B: Body<Data = Bytes> + Unpin> Begun<B> {
    /// Waits a moment for the beginning of a short body, and not at all for that of another: a long one is streamed, and
    /// one of unknown length may be a stream of events.
    pub(super) async fn new(mut rest: B) -> Self {
        let is_short = rest.size_hint().exact().is_some_and(|length| length <= SHORT);
        let first = match is_short && !rest.is_end_stream() {
            true => timeout(MOMENT, rest.frame()).await.ok().flatten(),
            false => None,
        };
        Self { first, rest }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Begun<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(Ok(first)) = &self.first else { return self.rest.size_hint() };
        let read = first.data_ref().and_then(|data| u64::try_from(data.len()).ok()).unwrap_or_default();
        let rest = self.rest.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            whole.set_upper(upper.saturating_add(read));
        }
        whole
    }
}

/// What one read of a connection may bring.
const SHORT: u64 = 64 * 1024;

/// A peer that has sent the head alone sends the body some time: the head does not wait for it.
const MOMENT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{Full, Limited, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, Infallible>>;

    fn frames(parts: &[&'static str]) -> Frames {
        parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect()
    }

    #[tokio::test]
    async fn keeps_size_and_content_of_a_short_body() {
        let body = Begun::new(Full::new(Bytes::from_static(b"message"))).await;
        assert!(body.first.is_some());
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "message");
    }

    #[tokio::test]
    async fn empty_body_has_ended() {
        let body = Begun::new(Full::new(Bytes::new())).await;
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_wait_for_a_body_of_unknown_length() {
        let began = tokio::time::Instant::now();
        let body = Begun::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>())).await;
        assert!(body.first.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_wait_for_a_long_body() {
        let began = tokio::time::Instant::now();
        let body = Begun::new(Late { length: SHORT + 1, late: Duration::from_secs(60), sleep: None }).await;
        assert!(body.first.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_a_moment_only_for_a_short_body_that_is_late() {
        let began = tokio::time::Instant::now();
        let body = Begun::new(Late { length: 4, late: Duration::from_secs(60), sleep: None }).await;
        assert!(body.first.is_none());
        assert_eq!(began.elapsed(), MOMENT);
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "late");
        assert_eq!(began.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn passes_all_parts_on_in_order() {
        let body = Begun { first: frames(&["a"]).pop(), rest: StreamBody::new(stream::iter(frames(&["b", "c"]))) };
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn passes_an_error_on() {
        let body = Begun::new(Limited::new(Full::new(Bytes::from_static(b"message")), 3)).await;
        assert!(body.collect().await.is_err());
    }

    /// A body of known length that comes late, in one part.
    struct Late {
        length: u64,
        late: Duration,
        sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    }

    impl Body for Late {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.length == 0 {
                return Poll::Ready(None);
            }
            let late = self.late;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(late)));
            std::task::ready!(sleep.as_mut().poll(context));
            self.length = 0;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"late")))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.length)
        }
    }
}

//! The connections to the service.
//!
//! hyper's HTTP/1.1 speaks on them. The task that serves a request polls the connection to the service as well, so a
//! message passes from one socket to the other within one poll. With a task for each connection, as hyper-util's client
//! has, every message wakes a task on either side. Such a task is started only for a message that is not complete when
//! the head of the response arrives.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep};
use tower::Service;

use crate::service_url::ServiceUrl;

/// Sends requests to one service, and keeps idle connections for a time. Clones share them.
#[derive(Debug)]
pub(super) struct Client<B: Body + 'static>(Arc<Shared<B>>);

struct Shared<B: Body + 'static> {
    connector: HttpConnector,
    to: Uri,
    keep_alive: Duration,
    /// The one that was used last is at the end, and is used next.
    idle: Mutex<Vec<Idle<B>>>,
}

struct Idle<B: Body + 'static> {
    connection: Connection<B>,
    since: Instant,
}

struct Connection<B: Body + 'static> {
    sender: SendRequest<B>,
    /// `None` once it has ended.
    io: Option<Box<http1::Connection<TokioIo<TcpStream>, B>>>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Error {
    /// There is no connection. The request was not sent.
    Connect(Box<dyn StdError + Send + Sync>),
    /// The connection broke before the response.
    Send(hyper::Error),
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Needs a runtime.
    pub(super) fn new(connector: HttpConnector, to: &ServiceUrl, keep_alive: Duration) -> Self {
        let shared = Arc::new(Shared { connector, to: to.uri(), keep_alive, idle: Mutex::default() });
        tokio::spawn(close_idle(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// Sends a request. Its target is the path and the query alone.
    ///
    /// A request that the service may have begun is never sent twice. One that could not be written, since the service has
    /// just closed the connection, is sent on another.
    pub(super) async fn request(&self, mut request: Request<B>) -> Result<Response<Incoming>, Error> {
        while let Some(mut connection) = self.0.take() {
            match connection.send(request).await {
                Ok(response) => {
                    self.0.keep(connection);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Error::Send(error.into_error())),
                },
            }
        }
        let mut connection = self.0.connect().await?;
        let response = connection.send(request).await.map_err(|error| Error::Send(error.into_error()))?;
        self.0.keep(connection);
        Ok(response)
    }
}

impl<B> Shared<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    async fn connect(&self) -> Result<Connection<B>, Error> {
        let stream = self.connector.clone().call(self.to.clone()).await;
        let stream = stream.map_err(|error| Error::Connect(error.into()))?;
        let (sender, io) = http1::handshake(stream).await.map_err(Error::Send)?;
        Ok(Connection { sender, io: Some(Box::new(io)) })
    }

    /// An idle connection, if there is one.
    fn take(&self) -> Option<Connection<B>> {
        loop {
            // Not in the pattern of a `while let`: it would hold the lock while a connection is closed.
            let idle = self.idle().pop();
            let mut idle = idle?;
            if self.is_usable(&mut idle) {
                return Some(idle.connection);
            }
        }
    }

    fn is_usable(&self, idle: &mut Idle<B>) -> bool {
        idle.since.elapsed() < self.keep_alive && idle.connection.is_open()
    }

    /// Keeps a connection for the next request, as soon as this one and its response are complete.
    fn keep(self: &Arc<Self>, mut connection: Connection<B>) {
        if self.keep_alive.is_zero() && connection.is_idle() {
            return;
        }
        if connection.is_idle() {
            self.idle().push(Idle { connection, since: Instant::now() });
        } else if connection.io.is_some() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                connection.finish().await;
                shared.keep(connection);
            });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<B>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Whether the connection may carry a request: no other is under way.
    fn is_idle(&self) -> bool {
        self.io.is_some() && self.sender.is_ready()
    }

    /// Whether the service has not closed the idle connection. Nobody is woken when it does so later.
    fn is_open(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop())).is_pending() && self.is_idle()
    }

    async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        // The response is there only after a poll of the connection, and that is right before. So no waker is needed: one
        // would wake this very task, for each request. Without the budget of tokio, which would need it as well.
        let mut response = pin!(unconstrained(self.sender.try_send_request(request)));
        poll_fn(|context| {
            let _ = self.poll(context);
            response.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// Waits until the messages under way are complete, or the connection has ended.
    async fn finish(&mut self) {
        poll_fn(|context| match self.poll(context) {
            Poll::Pending if !self.is_idle() => Poll::Pending,
            Poll::Pending | Poll::Ready(()) => Poll::Ready(()),
        })
        .await;
    }

    /// Reads and writes what can be read and written. Ready when the connection has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(io) = &mut self.io {
            // An error reaches whoever waits for the response.
            let _ = ready!(Pin::new(io).poll(context));
            // What waits for a response learns that there will be none.
            self.io = None;
        }
        Poll::Ready(())
    }
}

/// Closes connections that have been idle too long, and those that the service has closed.
async fn close_idle<B>(shared: Weak<Shared<B>>)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    loop {
        sleep(PAUSE).await;
        let Some(shared) = shared.upgrade() else { return };
        let ended: Vec<_> = shared.idle().extract_if(.., |idle| !shared.is_usable(idle)).collect();
        // Without the lock.
        drop(ended);
    }
}

const PAUSE: Duration = Duration::from_secs(1);

impl<B: Body + 'static> fmt::Debug for Shared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("to", &self.to).field("keep_alive", &self.keep_alive).finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect(_) => "no connection to the service",
            Self::Send(_) => "the connection to the service broke before the response",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) => Some(&**error),
            Self::Send(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream;
    use http_body_util::{BodyExt, Full, StreamBody};
    use hyper::body::Frame;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const KEEP_ALIVE: Duration = Duration::from_secs(60);

    /// The listener of a service, and a client for it.
    async fn service<B>() -> (TcpListener, Client<B>)
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let to = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        (listener, Client::new(HttpConnector::new(), &to, KEEP_ALIVE))
    }

    /// Answers `times` requests on each connection, then closes it. The number of connections.
    fn answer(listener: TcpListener, times: usize) -> Arc<AtomicUsize> {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                for _ in 0..times {
                    if !read_head(&mut stream).await {
                        break;
                    }
                    stream.write_all(ANSWER).await.unwrap();
                }
            }
        });
        connections
    }

    /// Whether there was one.
    async fn read_head(stream: &mut TcpStream) -> bool {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap() == 0 {
                return false;
            }
        }
        true
    }

    fn request<B>(body: B) -> Request<B> {
        Request::post("/").header("host", "app").body(body).unwrap()
    }

    async fn hello(client: &Client<Full<Bytes>>) {
        let response = client.request(request(Full::default())).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn one_connection_carries_one_request_after_the_other() {
        let (listener, client) = service().await;
        let connections = answer(listener, 100);
        for _ in 0..10 {
            hello(&client).await;
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn connection_that_the_service_has_closed_is_not_used() {
        let (listener, client) = service().await;
        let connections = answer(listener, 1);
        for number in 1..=5 {
            hello(&client).await;
            assert_eq!(connections.load(Ordering::Relaxed), number);
            while client.0.idle().iter_mut().any(|idle| idle.connection.is_open()) {
                yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn request_that_was_not_written_comes_back() {
        let (listener, client) = service().await;
        answer(listener, 0);
        let mut connection = client.0.connect().await.unwrap();
        while connection.is_open() {
            yield_now().await;
        }
        let mut error = connection.send(request(Full::from("body"))).await.unwrap_err();
        assert!(error.take_message().is_some());
    }

    #[tokio::test]
    async fn request_that_the_service_may_have_begun_is_not_sent_again() {
        let (listener, client) = service().await;
        let connections = answer(listener, 0);
        let error = client.request(request(Full::from("body"))).await.unwrap_err();
        assert!(matches!(error, Error::Send(_)), "{error:?}");
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_is_closed_in_time() {
        let (listener, client) = service().await;
        let connections = answer(listener, 100);
        hello(&client).await;
        assert_eq!(client.0.idle().len(), 1);
        sleep(KEEP_ALIVE + 2 * PAUSE).await;
        assert_eq!(client.0.idle().len(), 0);
        hello(&client).await;
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn request_that_is_given_up_closes_its_connection() {
        let (listener, client) = service().await;
        let (begun, is_begun) = oneshot::channel();
        let seen = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(read_head(&mut stream).await);
            begun.send(()).unwrap();
            stream.read(&mut [0]).await.unwrap()
        });
        tokio::select! {
            response = client.request(request(Full::default())) => panic!("{response:?}"),
            _ = is_begun => {}
        }
        assert_eq!(seen.await.unwrap(), 0);
        assert!(client.0.idle().is_empty());
    }

    #[tokio::test]
    async fn connection_is_kept_once_a_body_is_complete_that_outlasts_the_response() {
        let (listener, client) = service().await;
        let (last, is_last) = oneshot::channel::<()>();
        let seen = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 1024];
            let mut length = stream.read(&mut seen).await.unwrap();
            stream.write_all(ANSWER).await.unwrap();
            while !seen[..length].ends_with(b"0\r\n\r\n") {
                length += stream.read(&mut seen[length..]).await.unwrap();
            }
            stream
        });
        let body = Box::pin(stream::once(async {
            is_last.await.unwrap();
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"last")))
        }));
        let response = client.request(request(StreamBody::new(body))).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
        assert!(client.0.idle().is_empty());
        last.send(()).unwrap();
        let _stream = seen.await.unwrap();
        while client.0.idle().is_empty() {
            yield_now().await;
        }
    }
}

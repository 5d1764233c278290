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

//! Accepts connections and serves HTTP/1.1 and HTTP/2 on them, until the drain.

pub(crate) mod phase;
pub(crate) mod tls;
mod workers;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use self::phase::{Phase, Phases};
use self::tls::Tls;
use self::workers::Workers;

/// Who connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) is_tls: bool,
}

/// Answers requests.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// The same for another thread, which shares no connection with this one.
    fn for_worker(&self) -> Self {
        self.clone()
    }
}

/// Serves connections with one service.
#[derive(Clone, Debug)]
pub(crate) struct Server<A> {
    workers: Workers<A>,
    phases: Phases,
    tls: Option<Tls>,
    http: Builder<TokioExecutor>,
    connections: Arc<Semaphore>,
    max_connections: u32,
}

impl<A: Answer> Server<A> {
    /// Starts so many threads, which serve nothing yet.
    ///
    /// # Errors
    ///
    /// The operating system starts no thread.
    pub(crate) fn new(
        threads: usize,
        service: &A,
        phases: Phases,
        tls: Option<Tls>,
        max_connections: u32,
    ) -> io::Result<Self> {
        let mut http = Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(MAX_HEAD);
        let max_head = u32::try_from(MAX_HEAD).unwrap_or(u32::MAX);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(max_head)
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(PATIENCE);
        let connections = usize::try_from(max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        let workers = Workers::start(threads, || service.for_worker())?;
        Ok(Self { workers, phases, tls, http, connections: Arc::new(Semaphore::new(connections)), max_connections })
    }

    /// Serves the connections of a listener until the drain begins.
    pub(crate) async fn serve(&self, listener: TcpListener) {
        let accepting = async {
            loop {
                // A connection that has to wait stays in the queue of the operating system.
                let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
                let (stream, peer) = accept(&listener).await;
                self.spawn(stream, peer, permit);
            }
        };
        tokio::select! {
            () = accepting => {}
            () = self.phases.reached(Phase::Draining) => {}
        }
        // Who is in the queue has connected before the end. Further ones must not put it off for ever.
        for _ in 0..BACKLOG {
            let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else { break };
            let Ok((stream, peer)) = timeout(Duration::ZERO, accept(&listener)).await else { break };
            self.spawn(stream, peer, permit);
        }
    }

    /// Reads the certificate again, if there is one.
    pub(crate) fn look_for_certificate(&self) {
        if let Some(tls) = &self.tls {
            tls.look();
        }
    }

    /// Waits until every connection has ended. It takes every permit, so nothing may be accepted any more.
    pub(crate) async fn drained(&self) {
        let _ = self.connections.acquire_many(self.max_connections).await;
    }

    /// How many connections there are, with the one that the listener waits for.
    pub(crate) fn open(&self) -> usize {
        usize::try_from(self.max_connections).unwrap_or(usize::MAX).saturating_sub(self.connections.available_permits())
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let server = self.clone();
        self.workers.spawn(stream, async move |stream, service| {
            let _permit = permit;
            // Small answers are not to wait for more.
            let _ = stream.set_nodelay(true);
            let is_tls = server.tls.is_some();
            let peer = Peer { address: peer, is_tls };
            match &server.tls {
                None => server.connection(stream, peer, service, &server.http).await,
                // In a box: a connection without TLS keeps no room for it.
                Some(tls) => Box::pin(server.handshake(stream, peer, service, tls)).await,
            }
        });
    }

    async fn handshake(&self, stream: TcpStream, peer: Peer, service: A, tls: &Tls) {
        match timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let http = self.http.clone();
                let http = if is_http2 { http.http2_only() } else { http.http1_only() };
                self.connection(stream, peer, service, &http).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn connection<S>(&self, stream: S, peer: Peer, service: A, http: &Builder<TokioExecutor>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Arc::new(Notify::new());
        let service = service_fn(|request: Request<Incoming>| {
            asked.notify_one();
            let (service, phases) = (service.clone(), self.phases.clone());
            // In a box: an idle connection keeps no room for it.
            Box::pin(async move {
                let version = request.version();
                let mut response = service.answer(request, peer).await;
                // A client must not send its next request just when an idle connection is closed.
                if phases.current() > Phase::Serving && version < Version::HTTP_2 {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            })
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        // Who connects and asks nothing is sent away. In the drain, who has just connected has a second to ask.
        let silent = async {
            tokio::select! {
                () = asked.notified() => self.phases.reached(Phase::Draining).await,
                () = sleep(PATIENCE) => {}
                () = async {
                    self.phases.reached(Phase::Draining).await;
                    sleep(LAST_CHANCE).await;
                } => {}
            }
        };
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = silent => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(error, "a connection has failed");
        }
    }
}

/// The next connection. What fails here is a connection that has ended already, or a limit of the operating system, which
/// passes.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many connections wait in the queue of the operating system.
pub(crate) const BACKLOG: u32 = 1024;

/// A token has at most 16 KiB, and the call also carries the client's query.
const MAX_HEAD: usize = 32 * 1024;

const MAX_STREAMS: u32 = 256;

/// How long a client may take for a handshake or its first request.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take for a head, and stay idle before it. Proxies keep idle connections for 60 seconds: it is to be
/// they who close them, or a call meets a connection that is just being closed.
const HEAD_PATIENCE: Duration = Duration::from_secs(90);

const LAST_CHANCE: Duration = Duration::from_secs(1);

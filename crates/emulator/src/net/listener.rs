//! Listeners and their connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::tasks::Tasks;
use super::wire::{ConnectionControl, Wire, reset_on_close};
use crate::web::Answer;

/// What becomes of a request's connection.
pub(crate) enum Reaction {
    Answer(Answer),
    /// It ends without an answer.
    Close,
    /// It stays open without an answer.
    Hang,
}

/// Answers the requests of a listener.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers a request. It runs to its end also when the client gives up meanwhile, as on a real service.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: ConnectionControl,
    ) -> impl Future<Output = Reaction> + Send;

    /// Whether connections are reset as soon as they are there.
    fn resets_connections(&self) -> bool;

    /// Ends what goes on beside connections and requests, and waits for it.
    fn end(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A listener that does not accept yet.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds a port of 127.0.0.1; 0 takes a free one.
    pub(crate) async fn new(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the result is dropped. With an acceptor every connection speaks TLS.
    pub(crate) fn serve(self, tls: Option<TlsAcceptor>, handler: Arc<impl Handler>) -> Serving {
        let (stop, stopped) = oneshot::channel();
        Serving { task: tokio::spawn(accept(self.listener, tls, handler, stopped)), stop: Some(stop) }
    }
}

/// The accepting task and its connections. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Serving {
    /// Ends it, and waits until the port is free and all connections are closed.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        // A task that panicked has ended as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handler: Arc<impl Handler>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    let handling = Tasks::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A failure here concerns one connection, or the process has no file handles left for a while.
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                if handler.resets_connections() {
                    reset_on_close(&stream);
                    continue;
                }
                connections.spawn(connection(stream, tls.clone(), Arc::clone(&handler), handling.clone()));
            }
            Some(_) = connections.join_next() => (),
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
    handling.end().await;
    handler.end().await;
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, handler: Arc<impl Handler>, handling: Tasks) {
    let control = ConnectionControl::default();
    // Small answers must not wait for the acknowledgement of others.
    let _ = stream.set_nodelay(true);
    let wire = Wire::new(stream, control.clone());
    match tls {
        None => serve_http(wire, control, handler, handling).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(wire).await {
                serve_http(stream, control, handler, handling).await;
            }
        }
    }
}

/// Serves one connection. Its requests run in `handling`.
pub(super) async fn serve_http<S>(stream: S, control: ConnectionControl, handler: Arc<impl Handler>, handling: Tasks)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let (handler, control) = (Arc::clone(&handler), control.clone());
        let (reaction, reacted) = oneshot::channel();
        handling.spawn(async move {
            // The client may have given up.
            let _ = reaction.send(handler.handle(request, control).await);
        });
        async move {
            match reacted.await {
                Ok(Reaction::Answer(answer)) => Ok(answer),
                Ok(Reaction::Close) | Err(_) => Err(NoAnswer),
                Ok(Reaction::Hang) => std::future::pending().await,
            }
        }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // Clients that leave and bodies that break off end here; neither is news to anyone.
    let _ = connection.with_upgrades().await;
}

/// Tells hyper to close the connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends without an answer")]
struct NoAnswer;

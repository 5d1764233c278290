//! A proxy that leads to one handler, whatever the host: programs reach it under a name that is another's.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;

use super::listener::{Handler, Reaction, serve_http};
use super::tasks::Tasks;
use super::wire::ConnectionControl;
use crate::web::empty;

/// Answers `CONNECT` (RFC 9110 section 9.3.6) for one host with a tunnel to a handler, over TLS. It leads nowhere else.
pub(crate) struct Proxy<H> {
    /// Host and port.
    target: String,
    tls: TlsAcceptor,
    handler: Arc<H>,
    tunnels: Tasks,
    /// The requests in tunnels.
    handling: Tasks,
}

impl<H: Handler> Proxy<H> {
    pub(crate) fn new(target: &str, tls: TlsAcceptor, handler: Arc<H>) -> Self {
        Self { target: target.to_owned(), tls, handler, tunnels: Tasks::new(), handling: Tasks::new() }
    }
}

impl<H: Handler> Handler for Proxy<H> {
    async fn handle(self: Arc<Self>, request: Request<Incoming>, connection: ConnectionControl) -> Reaction {
        let leads_here = request.uri().authority().is_some_and(|authority| authority.as_str() == self.target);
        if request.method() != Method::CONNECT || !leads_here {
            return Reaction::Answer(empty(StatusCode::FORBIDDEN));
        }
        // A tunnel must not hold the proxy: it ends when the proxy is dropped.
        let (tls, handler, handling) = (self.tls.clone(), Arc::clone(&self.handler), self.handling.clone());
        let tunnel = async move {
            let Ok(stream) = hyper::upgrade::on(request).await else { return };
            if let Ok(stream) = tls.accept(TokioIo::new(stream)).await {
                serve_http(stream, connection, handler, handling).await;
            }
        };
        self.tunnels.spawn(tunnel);
        Reaction::Answer(empty(StatusCode::OK))
    }

    fn resets_connections(&self) -> bool {
        false
    }

    async fn end(&self) {
        self.tunnels.end().await;
        self.handling.end().await;
    }
}

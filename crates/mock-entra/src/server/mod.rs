//! The HTTP/1.1 server: hyper on a [`FaultyStream`], which delivers the bytes of a response as its fault says.

mod body;
mod exchange;
mod faulty_stream;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::site::Site;
use exchange::exchange;
use faulty_stream::{FaultyStream, Wire};

/// A listener on a free port of the loopback interface.
pub(crate) fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A small buffer keeps the count of bytes sent close to what the client has read.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

/// Accepts connections and serves them. Dropping the future closes the listener and the connections.
pub(crate) async fn accept(listener: TcpListener, site: Arc<Site>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_tcp(stream, Arc::clone(&site)));
                }
                // The process has no file descriptors left; connections that end give some back.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// How a connection ends.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Ending {
    #[default]
    Close,
    /// These bytes are written first.
    Raw(Bytes),
    Reset,
}

/// Serves one connection to its end, over any transport. The caller makes the reset, which only TCP has.
pub(crate) async fn serve(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), site: &Site) -> Ending {
    let _open = site.counter.connection();
    let wire = Arc::new(Wire::default());
    let io = TokioIo::new(FaultyStream::new(&mut *stream, Arc::clone(&wire), &site.counter));
    let service = service_fn(|request| exchange(site, &wire, request));
    // An error means that the client is gone, or that a fault wants the connection to end.
    let _ = http1::Builder::new()
        .auto_date_header(false)
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .title_case_headers(true)
        .serve_connection(io, service)
        .await;
    let ending = wire.ending();
    if let Ending::Raw(bytes) = &ending
        && stream.write_all(bytes).await.is_ok()
    {
        site.counter.sent(bytes.len());
    }
    if ending != Ending::Reset {
        let _ = stream.shutdown().await;
    }
    ending
}

async fn serve_tcp(mut stream: TcpStream, site: Arc<Site>) {
    // Single bytes leave at once instead of waiting for others.
    let _ = stream.set_nodelay(true);
    if serve(&mut stream, &site).await == Ending::Reset {
        reset(&stream);
    }
}

/// Makes the close of the stream a reset.
#[allow(deprecated, reason = "`set_zero_linger`, which replaces it, came only with tokio 1.50")]
fn reset(stream: &TcpStream) {
    let _ = stream.set_linger(Some(Duration::ZERO));
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const BACKLOG: u32 = 1024;
/// Bounds the head of a request, and what hyper buffers of a response.
const BUFFER: usize = 64 * 1024;
const SEND_BUFFER: u32 = 64 * 1024;

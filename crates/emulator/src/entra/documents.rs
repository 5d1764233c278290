//! The documents of the built-in Entra at the authority's port.

use std::io;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::mock::MockEntra;
use crate::net::Tasks;
use crate::web::Answer;

/// Asks the mock over a connection in memory, so that its tenants, faults and counts are those of its own port. The error
/// is a connection that ended without an answer.
pub(super) async fn document(mock: &MockEntra, tasks: &Tasks, asked: &Parts) -> Result<Answer, hyper::Error> {
    let (client, server) = tokio::io::duplex(BUFFER);
    tasks.spawn(mock.serve(server));
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await?;
    tasks.spawn(async move {
        // What fails here fails in the answer, too.
        let _ = connection.await;
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = asked.method.clone();
    *request.uri_mut() = asked.uri.path_and_query().cloned().map(Into::into).unwrap_or_default();
    if let Some(host) = asked.headers.get(HOST) {
        request.headers_mut().insert(HOST, host.clone());
    }
    let (mut parts, body) = sender.send_request(request).await?.into_parts();
    // RFC 9110 section 7.6.1: these are of the connection in memory.
    for name in [CONNECTION, TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    Ok(Answer::from_parts(parts, body.map_err(io::Error::other).boxed_unsync()))
}

/// Small, so that the mock sends little more than the client has read.
const BUFFER: usize = 16 * 1024;

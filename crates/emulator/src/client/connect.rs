//! `GET /client/?hub=…`: a WebSocket (RFC 6455).

use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::room::ClientRoom;
use super::session::Session;
use super::socket::LARGEST_MESSAGE;
use super::token::ClientToken;
use crate::random;
use crate::web::{Answer, Query};

impl ClientRoom {
    pub(super) fn connect(
        self: &Arc<Self>,
        hub: String,
        token: ClientToken,
        parts: &mut Parts,
        query: &Query,
    ) -> Result<Answer, (StatusCode, &'static str)> {
        let connection_id = match query.first("id") {
            // Who skips the negotiation has no token of a connection.
            None => random::text(33),
            Some(token) => self.take_negotiated(token, &hub).ok_or((
                StatusCode::NOT_FOUND,
                "no connection was negotiated under this `id` within the last seconds",
            ))?,
        };
        let mut request = Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers.clone();
        let response = create_response(&request)
            .map_err(|_| (StatusCode::BAD_REQUEST, "the request is no WebSocket handshake (RFC 6455 section 4.2.1)"))?;
        request.extensions_mut().extend(std::mem::take(&mut parts.extensions));

        let upgrade = hyper::upgrade::on(&mut request);
        let client_query = parts.uri.query().unwrap_or_default().to_owned();
        let breaks = self.hubs.breaks();
        let session = Session { room: Arc::clone(self), hub, connection_id, token, client_query };
        self.spawn(async move {
            // A client that leaves in between is none.
            let Ok(upgraded) = upgrade.await else { return };
            let config = WebSocketConfig::default()
                .read_buffer_size(BUFFER)
                .write_buffer_size(BUFFER)
                .max_message_size(Some(LARGEST_MESSAGE));
            let stream = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
            session.run(socket, breaks).await;
        });
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        Ok(response.map(|()| body))
    }
}

/// The library keeps 128 KiB for each of both by default; most clients are idle.
const BUFFER: usize = 4096;

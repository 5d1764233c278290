//! A WebSocket as a stream of hub messages.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::protocol::{HubProtocol, split_json, split_message_pack};

pub(super) type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Why no further message comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SocketEnd {
    /// The client closed in order.
    Closed,
    /// The connection broke.
    Broken,
    /// What came is no framing of the protocol.
    Invalid,
}

pub(super) struct Socket {
    stream: Stream,
    buffer: BytesMut,
    write_timeout: Duration,
    last_sent: Instant,
}

impl Socket {
    pub(super) fn new(stream: Stream, write_timeout: Duration) -> Self {
        Self { stream, buffer: BytesMut::new(), write_timeout, last_sent: Instant::now() }
    }

    /// The next message. Cancellation loses nothing: bytes are in the buffer before this waits again.
    pub(super) async fn next(&mut self, protocol: HubProtocol) -> Result<Bytes, SocketEnd> {
        loop {
            let whole = match protocol {
                HubProtocol::Json => split_json(&mut self.buffer),
                HubProtocol::MessagePack => {
                    split_message_pack(&mut self.buffer, LARGEST_MESSAGE).map_err(|_| SocketEnd::Invalid)?
                }
            };
            if let Some(message) = whole {
                return Ok(message);
            }
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => self.buffer.extend_from_slice(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => self.buffer.extend_from_slice(&bytes),
                Some(Ok(Message::Close(_))) => return Err(SocketEnd::Closed),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => (),
                Some(Err(_)) | None => return Err(SocketEnd::Broken),
            }
            if self.buffer.len() > LARGEST_MESSAGE {
                return Err(SocketEnd::Invalid);
            }
        }
    }

    /// When bytes left for the last time.
    pub(super) fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Sends framed bytes: as text in JSON, as binary in MessagePack. Whether they left.
    pub(super) async fn send(&mut self, protocol: HubProtocol, bytes: &Bytes) -> bool {
        let text = match protocol {
            HubProtocol::Json => tokio_tungstenite::tungstenite::Utf8Bytes::try_from(bytes.clone()).ok(),
            HubProtocol::MessagePack => None,
        };
        // An upstream's answer goes out as it came, also when it is not UTF-8.
        let message = text.map_or_else(|| Message::Binary(bytes.clone()), Message::Text);
        let sent = tokio::time::timeout(self.write_timeout, self.stream.send(message)).await;
        self.last_sent = Instant::now();
        matches!(sent, Ok(Ok(())))
    }

    /// Closes in order, or answers the client's close.
    pub(super) async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let closing = async {
            self.stream.close(Some(frame)).await.ok();
            while let Some(Ok(_)) = self.stream.next().await {}
        };
        // A client that does not answer the close is left alone.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit that the service has for answers of upstreams; one for clients is not documented.
pub(super) const LARGEST_MESSAGE: usize = 16 * 1024 * 1024;

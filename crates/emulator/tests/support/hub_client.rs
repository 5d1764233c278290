//! A client of a hub, byte by byte.

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use signalr_emulator::Emulator;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{ask, sign};

/// A client token, signed with the primary key.
pub(crate) fn client_token(emulator: &Emulator, hub: &str, further: &Value) -> String {
    let mut claims = json!({
        "aud": format!("https://127.0.0.1/client/?hub={hub}"),
        "exp": emulator.clock().unix_seconds() + 3600,
    });
    for (name, value) in further.as_object().unwrap() {
        claims[name] = value.clone();
    }
    sign("", &emulator.keys().primary().unwrap(), &claims)
}

pub(crate) struct HubClient {
    stream: WebSocketStream<TcpStream>,
    buffer: Vec<u8>,
}

impl HubClient {
    /// Negotiates, connects and shakes hands, in JSON.
    pub(crate) async fn connect(emulator: &Emulator, hub: &str, further: &Value) -> Self {
        let token = client_token(emulator, hub, further);
        let connection_token = negotiate(emulator, hub, &token).await["connectionToken"].as_str().unwrap().to_owned();
        let target = format!("/client/?hub={hub}&id={connection_token}");
        let mut client = Self::open(emulator, &target, Some(&token)).await.unwrap();
        client.send(r#"{"protocol":"json","version":1}"#).await;
        assert_eq!(client.next().await.unwrap(), json!({}));
        client
    }

    /// A WebSocket without handshake of the hub protocol. The error is the status.
    pub(crate) async fn open(emulator: &Emulator, target: &str, token: Option<&str>) -> Result<Self, StatusCode> {
        let address = emulator.client_endpoint().strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((stream, _)) => Ok(Self { stream, buffer: Vec::new() }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, json: &str) {
        self.stream.send(Message::text(format!("{json}\u{1e}"))).await.unwrap();
    }

    pub(crate) async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next JSON message, pings left out. `None` once the connection is closed in order.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == 0x1e) {
                let message: Vec<u8> = self.buffer.drain(..=end).collect();
                let message: Value = serde_json::from_slice(&message[..end]).unwrap();
                if message["type"] != 6 {
                    return Some(message);
                }
                continue;
            }
            let frame = self.next_frame().await?;
            self.buffer.extend(frame);
        }
    }

    /// The next frame of text or bytes.
    pub(crate) async fn next_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => return Some(text.as_bytes().to_vec()),
                Ok(Message::Binary(bytes)) => return Some(bytes.to_vec()),
                Ok(Message::Close(_)) => return None,
                Ok(_) => (),
                Err(_) => return None,
            }
        }
    }

    /// Closes the WebSocket. Whether the other end answers with a close frame.
    pub(crate) async fn close_is_answered(mut self) -> bool {
        self.stream.close(None).await.unwrap();
        self.ends_with_close().await
    }

    /// Whether a close frame comes before the connection ends.
    pub(crate) async fn ends_with_close(mut self) -> bool {
        while let Some(Ok(message)) = self.stream.next().await {
            if message.is_close() {
                return true;
            }
        }
        false
    }

    pub(crate) async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

/// The body of a good negotiation.
pub(crate) async fn negotiate(emulator: &Emulator, hub: &str, token: &str) -> Value {
    let target = format!("/client/negotiate?hub={hub}&negotiateVersion=1");
    let request = ask(emulator, Method::POST, &target).at(emulator.client_endpoint()).bearer(token);
    let reply = request.send(emulator).await;
    assert_eq!(reply.status, 200);
    reply.json()
}

/// The text of a header that may be UTF-8.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap())
}

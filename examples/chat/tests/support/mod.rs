//! The chat with an emulator, and clients of its hubs.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use signalr_emulator::Emulator;
use signalr_serverless::{ClientTokens, ServiceClient};
use signalr_upstream_auth::UpstreamAuthLayer;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A chat in this process, and the emulator that it uses.
pub struct Chat {
    pub emulator: Arc<Emulator>,
    pub auth: UpstreamAuthLayer,
    pub service: ServiceClient,
    pub url: String,
}

impl Chat {
    pub async fn start() -> Self {
        Self::with(ClientTokens::TemporaryKey, false).await
    }

    pub async fn with(client_tokens: ClientTokens, test_parameters: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let emulator = Arc::new(chat::embedded::emulator(address).await.unwrap());
        let auth = chat::embedded::auth(&emulator).unwrap();
        let service = chat::embedded::service(&emulator, client_tokens).unwrap();
        let app = chat::embedded::app(Arc::clone(&emulator), auth.clone(), service.clone(), test_parameters);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { emulator, auth, service, url: format!("http://{address}") }
    }

    /// Serves an app. Returns its address.
    pub async fn serve(app: axum::Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    /// Takes all roles from the chat's identity.
    pub fn remove_roles(&self) {
        let mock = self.emulator.entra().mock();
        let application = signalr_emulator::defaults::application(mock);
        self.emulator.roles().remove_all(application.object_id(mock.tenant()).unwrap());
    }

    pub async fn negotiate(&self, target: &str) -> Answer {
        Answer::read(http().post(format!("{}{target}", self.url)).send().await.unwrap()).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        Answer::read(http().get(format!("{}{target}", self.url)).send().await.unwrap()).await
    }

    pub async fn connect(&self, hub: &str, user: &str) -> Client {
        Client::connect(&self.url, hub, user).await
    }
}

/// An answer of the chat.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Plain HTTP alone, so that the machine's certificates do not matter.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

/// A client of a hub, in JSON. It negotiates with the chat and connects where the answer says.
pub struct Client {
    stream: WebSocketStream<TcpStream>,
    buffer: Vec<u8>,
    events: VecDeque<(String, Value)>,
    invocations: u64,
}

impl Client {
    pub async fn connect(chat: &str, hub: &str, user: &str) -> Self {
        let response = http().post(format!("{chat}/{hub}/negotiate?negotiateVersion=1&user={user}")).send().await;
        let answer = Answer::read(response.unwrap()).await.json();
        let url = answer["url"].as_str().unwrap().replacen("http://", "ws://", 1);
        let mut request = url.into_client_request().unwrap();
        let token = format!("Bearer {}", answer["accessToken"].as_str().unwrap());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        let stream = TcpStream::connect(request.uri().authority().unwrap().as_str()).await.unwrap();
        let (stream, _) = client_async(request, stream).await.unwrap();
        let mut client = Self { stream, buffer: Vec::new(), events: VecDeque::new(), invocations: 0 };
        client.send(&json!({"protocol": "json", "version": 1})).await;
        assert_eq!(client.message().await.unwrap(), json!({}));
        client
    }

    /// Calls a method of the chat. The error is the text of the error completion.
    pub async fn invoke(&mut self, target: &str, arguments: Value) -> Result<Value, String> {
        self.try_invoke(target, arguments).await.expect("the connection is open")
    }

    /// Calls a method of the chat. `None` if the connection ends before the answer.
    pub async fn try_invoke(&mut self, target: &str, arguments: Value) -> Option<Result<Value, String>> {
        self.invocations += 1;
        let id = self.invocations.to_string();
        self.try_send(&json!({"type": 1, "invocationId": id, "target": target, "arguments": arguments})).await?;
        loop {
            let message = self.message().await?;
            if message["type"] == 3 && message["invocationId"] == id.as_str() {
                let error = message["error"].as_str().map(str::to_owned);
                return Some(error.map_or_else(|| Ok(message["result"].clone()), Err));
            }
            self.keep(&message);
        }
    }

    /// What the chat calls next on this client; waits for it. `None` once the service has closed the connection.
    pub async fn event(&mut self) -> Option<(String, Value)> {
        while self.events.is_empty() {
            let message = self.message().await?;
            self.keep(&message);
        }
        self.events.pop_front()
    }

    /// All that has reached the client and was not read. The service delivers in order, so that the answer to a call
    /// comes after all messages that were sent before it.
    pub async fn events_so_far(&mut self) -> Vec<(String, Value)> {
        self.invoke("echo", json!([0])).await.unwrap();
        self.events.drain(..).collect()
    }

    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    fn keep(&mut self, message: &Value) {
        assert_eq!(message["type"], 1, "{message}");
        self.events.push_back((message["target"].as_str().unwrap().to_owned(), message["arguments"].clone()));
    }

    async fn send(&mut self, message: &Value) {
        self.try_send(message).await.expect("the connection is open");
    }

    async fn try_send(&mut self, message: &Value) -> Option<()> {
        self.stream.send(Message::text(format!("{message}\u{1e}"))).await.ok()
    }

    /// The next message that is no ping. `None` at the end.
    async fn message(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == 0x1e) {
                let message: Vec<u8> = self.buffer.drain(..=end).collect();
                let message: Value = serde_json::from_slice(&message[..end]).unwrap();
                match message["type"].as_u64() {
                    Some(6) => continue,
                    Some(7) => return None,
                    _ => return Some(message),
                }
            }
            match self.stream.next().await? {
                Ok(Message::Text(text)) => self.buffer.extend(text.as_bytes()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => (),
            }
        }
    }
}

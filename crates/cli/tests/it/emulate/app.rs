//! An app and its client, which know of the emulator what its variables say.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

pub(super) struct App {
    pub(super) variables: BTreeMap<String, String>,
    /// With the proxy and the authority that the variables name.
    pub(super) http: reqwest::Client,
}

impl App {
    /// Reads lines `NAME=value`; other lines do not count.
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        let variables: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let pem = std::fs::read(&variables["SSL_CERT_FILE"]).unwrap();
        let direct = reqwest::NoProxy::from_string(&variables["NO_PROXY"]);
        let proxy = reqwest::Proxy::https(&variables["HTTPS_PROXY"]).unwrap().no_proxy(direct);
        let authority = reqwest::Certificate::from_pem(&pem).unwrap();
        let http = reqwest::Client::builder().no_proxy().proxy(proxy).tls_certs_only([authority]).build().unwrap();
        Self { variables, http }
    }

    pub(super) fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    /// The endpoint of the service.
    pub(super) fn service(&self) -> &str {
        self.variable("AzureSignalRConnectionString__serviceUri")
    }

    pub(super) async fn get(&self, url: &str) -> Value {
        json(self.http.get(url).send().await.unwrap()).await.1
    }

    /// A call of the REST API: the status, and what it returns.
    pub(super) async fn post(&self, target: &str, token: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}{target}", self.service()));
        let request = request.header(AUTHORIZATION, format!("Bearer {token}")).header(CONTENT_TYPE, "application/json");
        json(request.body(body.to_string()).send().await.unwrap()).await
    }

    /// A token of the app's managed identity for the service, as App Service's endpoint gives it.
    pub(super) async fn identity_token(&self) -> String {
        let endpoint = self.variable("IDENTITY_ENDPOINT");
        let url = format!("{endpoint}?api-version=2019-08-01&resource=https%3A%2F%2Fsignalr.azure.com");
        let request = self.http.get(url).header("X-IDENTITY-HEADER", self.variable("IDENTITY_HEADER"));
        let (status, answer) = json(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A client whose token the service makes.
    pub(super) async fn connect(&self, hub: &str, user: &str, token: &str) -> Client {
        let target = format!("/api/hubs/{hub}/:generateToken?userId={user}&api-version=2024-12-01");
        let (status, answer) = self.post(&target, token, &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        let endpoint = self.variable("AzureSignalRConnectionString__clientEndpoint");
        let address = endpoint.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}/client/?hub={hub}").into_client_request().unwrap();
        let token = format!("Bearer {}", answer["token"].as_str().unwrap());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        let (socket, _) = client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap();
        let mut client = Client { socket };
        client.send(&json!({"protocol": "json", "version": 1})).await;
        assert_eq!(client.next().await, json!({}));
        client
    }
}

/// The status, and the body as JSON.
async fn json(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// A client of a hub, in JSON.
pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    async fn send(&mut self, message: &Value) {
        self.socket.send(Message::text(format!("{message}\u{1e}"))).await.unwrap();
    }

    /// The next message that is no ping. The service sends one in a frame; an app's answer comes as the app wrote it, here
    /// without the sign that ends a message.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let text = self.socket.next().await.unwrap().unwrap().into_text().unwrap();
            let message: Value = serde_json::from_str(text.trim_end_matches('\u{1e}')).unwrap();
            if message["type"] != 6 {
                return message;
            }
        }
    }

    /// Calls a method. Returns the body of the app's answer, which the service hands on as it is.
    pub(super) async fn invoke(&mut self, target: &str, arguments: Value) -> Value {
        self.send(&json!({"type": 1, "invocationId": "1", "target": target, "arguments": arguments})).await;
        self.next().await
    }
}

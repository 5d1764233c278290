//! The service behind the proxy: shows what it got, and does what the path says.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// A running service, stopped when dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/answer/{status}", any(answer))
            .route("/slow/{millis}", any(slow))
            .route("/echo", post(echo))
            .route("/hops", get(hops))
            .fallback(show);
        let task = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What arrived, as JSON.
async fn show(request: Request) -> Json<Value> {
    let (head, body) = request.into_parts();
    let values = |name: &HeaderName| {
        let values = head.headers.get_all(name).iter().map(HeaderValue::to_str);
        Value::from(values.map(|value| value.unwrap().to_owned()).collect::<Vec<_>>())
    };
    let headers: serde_json::Map<_, _> = head.headers.keys().map(|name| (name.to_string(), values(name))).collect();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8_lossy(&body);
    Json(json!({ "method": head.method.as_str(), "target": head.uri.to_string(), "headers": headers, "body": body }))
}

async fn answer(Path(status): Path<u16>) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

async fn slow(Path(millis): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    "late"
}

/// Sends the body back as it comes.
async fn echo(request: Request) -> Response {
    Response::new(Body::new(request.into_body()))
}

async fn hops() -> impl IntoResponse {
    let names = [("connection", "x-private"), ("x-private", "1"), ("keep-alive", "timeout=5"), ("x-kept", "2")];
    let mut response = Response::new(Body::empty());
    for (name, value) in names {
        response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// A body whose parts the test sends one by one.
pub(crate) fn parts() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let body = stream(receiver);
    (sender, Body::from_stream(body))
}

fn stream(receiver: mpsc::Receiver<Bytes>) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|part| (Ok(part), receiver))
    })
}

//! An app that is called as an upstream.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A call that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct App {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    changed: watch::Sender<()>,
    task: JoinHandle<()>,
}

type Answer = Response<Full<Bytes>>;

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
    answer
}

impl App {
    /// Answers each call as the closure says. `None` closes the connection without an answer.
    pub(crate) async fn start(respond: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let changed = watch::Sender::new(());
        let (calls, change, respond) = (Arc::clone(&seen), changed.clone(), Arc::new(respond));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (calls, change, respond) = (Arc::clone(&calls), change.clone(), Arc::clone(&respond));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (calls, change, respond) = (Arc::clone(&calls), change.clone(), Arc::clone(&respond));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let call = Seen { target: parts.uri.to_string(), headers: parts.headers, body };
                        let answer = respond(&call);
                        calls.lock().unwrap().push(call);
                        change.send_replace(());
                        answer.ok_or(Gone)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, seen, changed, task }
    }

    /// Answers 200 without a body.
    pub(crate) async fn agreeing() -> Self {
        Self::start(|_| Some(answer(200, ""))).await
    }

    pub(crate) fn template(&self) -> String {
        format!("{}/upstream/{{hub}}/{{category}}/{{event}}", self.url)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The calls, once there are so many.
    pub(crate) async fn until(&self, count: usize) -> Vec<Seen> {
        let mut changed = self.changed.subscribe();
        while self.seen().len() < count {
            changed.changed().await.unwrap();
        }
        self.seen()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct Gone;

//! What happens to each upstream call, step by step, for the page.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use serde_json::{Value, json};
use signalr_emulator::{Emulator, EmulatorEvent, LoggedRequest, Operation};
use signalr_upstream_auth::Claims;
use tokio::sync::broadcast::{Sender, error::RecvError};
use tokio::sync::mpsc;

/// Tells whoever listens. It stands on both sides of the layer: [`called`] outside, [`accepted`] inside.
#[derive(Clone)]
pub(super) struct Tap {
    steps: Sender<Arc<str>>,
    /// The answers, which come after what the app has sent until then.
    answers: mpsc::Sender<Value>,
    flows: Arc<AtomicU64>,
}

/// The number of the call that a request belongs to.
#[derive(Clone, Copy)]
struct Flow(u64);

/// In the extensions of a call that the page makes as an attacker: what it is called.
#[derive(Clone, Copy)]
pub(super) struct Attack(pub(super) &'static str);

impl Tap {
    /// Also tells what the app sends through the emulator.
    pub(super) fn start(emulator: &Emulator) -> Self {
        let (answers, mut answered) = mpsc::channel(LATEST);
        let tap = Self { steps: Sender::new(LATEST), answers, flows: Arc::default() };
        let (mut events, steps) = (emulator.events(), tap.steps.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    event = events.recv() => match event {
                        Ok(EmulatorEvent::Request(request)) if is_send(request.operation) => tell(&steps, &send(&request)),
                        Ok(_) | Err(RecvError::Lagged(_)) => (),
                        Err(RecvError::Closed) => return,
                    },
                    Some(answer) = answered.recv() => tell(&steps, &answer),
                }
            }
        });
        tap
    }

    fn tell(&self, step: &Value) {
        tell(&self.steps, step);
    }
}

fn tell(steps: &Sender<Arc<str>>, step: &Value) {
    // Nobody has to listen.
    let _ = steps.send(step.to_string().into());
}

/// Before the layer: the call as it came. After it: the answer, and why it was rejected.
pub(super) async fn called(State(tap): State<Tap>, request: Request, next: Next) -> Response {
    let flow = tap.flows.fetch_add(1, Ordering::Relaxed);
    let (mut request, arguments) = with_arguments(request).await;
    tap.tell(&call(flow, &request, &arguments));
    request.extensions_mut().insert(Flow(flow));
    let response = next.run(request).await;
    let (status, reason) = (response.status().as_u16(), reason(response.headers()));
    let answer = json!({"step": "answered", "flow": flow, "status": status, "reason": reason});
    // It fails only when the emulator has ended.
    let _ = tap.answers.send(answer).await;
    response
}

/// Behind the layer: without its verdict there are no claims.
pub(super) async fn accepted(State(tap): State<Tap>, claims: Claims, request: Request, next: Next) -> Response {
    if let Some(Flow(flow)) = request.extensions().get() {
        let (caller, tenant) = (claims.object_id().to_string(), claims.tenant_id().to_string());
        tap.tell(&json!({"step": "accepted", "flow": flow, "caller": caller, "tenant": tenant}));
    }
    next.run(request).await
}

/// The steps from now on, as server-sent events.
pub(super) async fn events(State(tap): State<Tap>) -> impl IntoResponse {
    let steps = stream::unfold(tap.steps.subscribe(), async |mut steps| {
        loop {
            match steps.recv().await {
                Ok(step) => return Some((Ok::<_, Infallible>(Event::default().data(&*step)), steps)),
                Err(RecvError::Lagged(_)) => (),
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(steps).keep_alive(KeepAlive::default())
}

/// Why the layer rejected a call: the description of its challenge (RFC 6750 section 3).
pub(super) fn reason(headers: &HeaderMap) -> Option<&str> {
    let challenge = headers.get(WWW_AUTHENTICATE)?.to_str().ok()?;
    let description = challenge.split_once("error_description=\"").and_then(|(_, rest)| rest.split_once('"'));
    Some(description.map_or("The call has no bearer token", |(description, _)| description))
}

/// The call as it came. Nothing in it is verified.
fn call(flow: u64, request: &Request, arguments: &str) -> Value {
    let header = |name: &str| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    json!({
        "step": "call",
        "flow": flow,
        "path": request.uri().path(),
        "hub": header("x-asrs-hub"),
        "category": header("x-asrs-category"),
        "event": header("x-asrs-event"),
        "user": header("x-asrs-user-id"),
        "body": arguments,
        "token": token(request.headers()),
        "attack": request.extensions().get::<Attack>().map(|attack| attack.0),
    })
}

/// The arguments of a message in JSON, for people. A long body passes unread.
async fn with_arguments(request: Request) -> (Request, String) {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_none_or(|length| length > LONGEST_BODY) {
        return (request, "…".to_owned());
    }
    let (parts, body) = request.into_parts();
    // A connection that breaks here would break behind the layer, too.
    let bytes = to_bytes(body, LONGEST_BODY).await.unwrap_or_default();
    let message: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let arguments = message["arguments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = arguments.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    let shown = text.char_indices().nth(LONGEST_TEXT).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]));
    (Request::from_parts(parts, Body::from(bytes)), shown)
}

/// The claims set of a bearer token as the page shows it, unverified, and never the token.
fn token(headers: &HeaderMap) -> Option<Value> {
    let token = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(json!({"aud": claims["aud"], "oid": claims["oid"], "tid": claims["tid"], "exp": claims["exp"]}))
}

/// Whether the app asks for it on behalf of a handler.
fn is_send(operation: Operation) -> bool {
    operation.is_data_plane()
        && !matches!(operation, Operation::Health | Operation::AccessKey | Operation::GenerateToken)
}

fn send(request: &LoggedRequest) -> Value {
    let path = request.target.split('?').next().unwrap_or_default();
    json!({
        "step": "send",
        "what": format!("{} {path}", request.method),
        "status": request.status,
        "reached": request.reached,
        "rejection": request.rejection,
    })
}

/// A page that falls further behind loses the oldest steps.
const LATEST: usize = 1024;
const LONGEST_BODY: usize = 64 * 1024;
/// Characters.
const LONGEST_TEXT: usize = 60;

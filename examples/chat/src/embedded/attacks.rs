//! Calls of attackers, made on request of the page. They pass the layer as the calls of the service do.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_LENGTH, HeaderValue};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use signalr_emulator::Emulator;
use signalr_emulator::mock::{MockEntra, UpstreamRequest};
use tower::ServiceExt;

use super::tap::{Attack, reason};

/// A call that should not be, and what it teaches.
struct Case {
    name: &'static str,
    title: &'static str,
    note: &'static str,
    call: fn(&MockEntra, UpstreamRequest) -> UpstreamRequest,
}

const CASES: [Case; 9] = [
    Case {
        name: "no-token",
        title: "No token",
        note: "Whoever finds the address can call it. Only a token proves who calls.",
        call: |_, call| call,
    },
    Case {
        name: "forged-headers",
        title: "Forged headers",
        note: "It names the user admin, and carries a valid token in a header that anybody can set. Only Authorization is read.",
        call: |entra, call| {
            let call = call.user_id("admin").user_claim("role", "admin").signature(["guessed"]);
            call.header("x-ms-token-aad-access-token", entra.token().mint())
        },
    },
    Case {
        name: "other-tenant",
        title: "Token of another tenant",
        note: "Anybody can have a tenant and let Entra sign tokens there.",
        call: |entra, call| match "22222222-bbbb-4ccc-8ddd-333333333333".parse() {
            Ok(tenant) => call.bearer(entra.token().tenant(tenant).mint()),
            Err(_) => call,
        },
    },
    Case {
        name: "other-audience",
        title: "Token for another app",
        note: "Another app that receives such tokens must not use them here.",
        call: |entra, call| call.bearer(entra.token().audience("api://another-app").mint()),
    },
    Case {
        name: "other-caller",
        title: "Token of another caller",
        note: "Every app of the tenant can get a token for this audience. Only the SignalR resource is on the list.",
        call: |entra, call| {
            let object_id = "88888888-4321-4cba-8fed-999999999999".parse();
            let client_id = "66666666-1234-4abc-9def-777777777777".parse();
            match (object_id, client_id) {
                (Ok(object_id), Ok(client_id)) => call.bearer(entra.token().caller(object_id, client_id).mint()),
                _ => call,
            }
        },
    },
    Case {
        name: "user-token",
        title: "Token of a user",
        note: "A user of the tenant signed in. The service calls for itself, never on behalf of a user.",
        call: |entra, call| call.bearer(entra.token().delegated().mint()),
    },
    Case {
        name: "expired",
        title: "Expired token",
        note: "An old log or a backup may hold one.",
        call: |entra, call| call.bearer(entra.token().expired().mint()),
    },
    Case {
        name: "forged-signature",
        title: "Forged signature",
        note: "All claims are right, the signature is not.",
        call: |entra, call| call.bearer(entra.token().signature([0x5a; 256]).mint()),
    },
    Case {
        name: "replay",
        title: "Replay under another hub",
        note: "The layer accepts it: a token proves the caller, not the hub or the event. Keep tokens secret: use TLS, and log none.",
        call: |entra, call| call.header("x-asrs-hub", "another").bearer(entra.token().mint()),
    },
];

#[derive(Clone)]
struct Attacker {
    upstream: Router,
    emulator: Arc<Emulator>,
}

/// Lists the cases, and makes one. `upstream` is what they call.
pub(super) fn routes(upstream: Router, emulator: Arc<Emulator>) -> Router {
    Router::new()
        .route("/loop/attacks", get(list))
        .route("/loop/attacks/{name}", post(make))
        .with_state(Attacker { upstream, emulator })
}

async fn list() -> Json<Value> {
    Json(CASES.iter().map(|case| json!({"name": case.name, "title": case.title})).collect())
}

async fn make(State(attacker): State<Attacker>, Path(name): Path<String>) -> Result<Json<Value>, StatusCode> {
    let case = CASES.iter().find(|case| case.name == name).ok_or(StatusCode::NOT_FOUND)?;
    let body = r#"{"type":1,"invocationId":"1","target":"echo","arguments":["attack"]}"#;
    let call = UpstreamRequest::message("chat", "echo").user_id("anna").body(body);
    let mut request: Request<Body> = (case.call)(attacker.emulator.entra().mock(), call).into_request();
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    request.extensions_mut().insert(Attack(case.title));
    let Ok(response) = attacker.upstream.oneshot(request).await;
    let (verdict, reason) = match reason(response.headers()) {
        Some(reason) => ("rejected", reason),
        None => ("accepted", "The handler has run."),
    };
    Ok(Json(json!({
        "verdict": verdict,
        "status": response.status().as_u16(),
        "reason": reason,
        "note": case.note,
    })))
}

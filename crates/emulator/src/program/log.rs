//! The loop in words, one line an event.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::auth::Caller;
use crate::events::{EmulatorEvent, UpstreamCall};
use crate::log::LoggedRequest;
use crate::operation::Operation;

/// Writes each event as one line for people: who connected, which upstream call, which answer, which send. It returns
/// once the emulator is dropped. No line holds a token, a key or a secret; what a client chose is escaped.
pub async fn write_log(mut events: Receiver<EmulatorEvent>, mut write: impl FnMut(&str)) {
    loop {
        match events.recv().await {
            Ok(event) => write(&line(&event)),
            Err(RecvError::Lagged(count)) => write(&format!("{count} events were too fast for this log")),
            Err(RecvError::Closed) => return,
        }
    }
}

fn line(event: &EmulatorEvent) -> String {
    match event {
        EmulatorEvent::ClientConnected { hub, connection_id, user_id, protocol } => {
            let user = user_id.as_deref().unwrap_or("somebody").escape_debug();
            format!("client    {user} connected to {hub} with {protocol}, connection {connection_id}")
        }
        EmulatorEvent::ClientDisconnected { hub, connection_id, error } => {
            let error = error.as_deref().map(|error| format!(": {}", error.escape_debug())).unwrap_or_default();
            format!("client    connection {connection_id} left {hub}{error}")
        }
        EmulatorEvent::UpstreamCall(call) => upstream_line(call),
        EmulatorEvent::Request(request) => request_line(request),
    }
}

fn upstream_line(call: &UpstreamCall) -> String {
    let answers: Vec<_> = call.attempts.iter().map(|status| status_text(*status)).collect();
    let answers = if answers.is_empty() { "not sendable".to_owned() } else { answers.join(", then ") };
    format!("upstream  POST {} for connection {} -> {answers}", call.url, call.connection_id)
}

fn request_line(request: &LoggedRequest) -> String {
    let LoggedRequest { operation, method, target, status, rejection, delivered_to, .. } = request;
    let what = match operation {
        Operation::Unknown => "request ",
        operation if operation.is_client() => "client  ",
        operation if operation.is_entra() => "entra   ",
        _ => "REST    ",
    };
    let mut line = format!("{what}  {method} {} -> {}", target.escape_debug(), status_text(*status));
    if let Some(caller) = &request.caller {
        line.push_str(&match caller {
            Caller::Entra { object_id, .. } => format!(", caller {object_id}"),
            Caller::AccessKey => ", with an access key".to_owned(),
            Caller::TemporaryKey { .. } => ", with a temporary key".to_owned(),
        });
    }
    if !delivered_to.is_empty() {
        line.push_str(&format!(", reached {}", delivered_to.len()));
    }
    if let Some(rejection) = rejection {
        line.push_str(&format!(": {}", rejection.escape_debug()));
    }
    line
}

fn status_text(status: Option<u16>) -> String {
    status.map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}

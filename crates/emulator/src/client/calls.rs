//! The upstream calls of one client, in their order.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::room::ClientRoom;
use crate::hub::{Outbound, WeakOutbox};
use crate::protocol::{Frames, Outcome};
use crate::upstream::{Client, Invocation, Reply};

/// The way of a client's invocations to its upstream calls.
pub(super) struct Calls {
    pub(super) sender: mpsc::Sender<Invocation>,
    /// One that waits for its place behind others; meanwhile nothing more is read.
    pub(super) waiting: Option<Invocation>,
}

/// A queue for calls, and its other end.
pub(super) fn calls() -> (Calls, mpsc::Receiver<Invocation>) {
    let (sender, to_call) = mpsc::channel(CALLS_IN_WAITING);
    (Calls { sender, waiting: None }, to_call)
}

impl Calls {
    /// Hands the last invocation on. No other follows.
    pub(super) async fn finish(self) {
        if let Some(invocation) = self.waiting {
            // Without a receiver, calling has ended.
            let _ = self.sender.send(invocation).await;
        }
    }
}

/// Makes the upstream calls of a connection: `connected` first. It ends early, with the reason, to end the connection.
///
/// Completions take the way of all other messages, so that none overtakes what the app has sent before.
pub(super) async fn call_upstream(
    room: &ClientRoom,
    client: &Client,
    mut to_call: mpsc::Receiver<Invocation>,
    outbox: WeakOutbox,
) -> Option<&'static str> {
    let upstream = &room.upstream;
    if !upstream.connected(client).await && room.assumptions.close_when_connected_fails {
        return Some("The upstream rejected the connection.");
    }
    while let Some(invocation) = to_call.recv().await {
        if upstream.has_no_template() {
            return Some("No upstream is configured: clients must not send in serverless mode.");
        }
        let reply = upstream.invoke(client, &invocation).await;
        if let (Some(reply), Some(id)) = (reply, invocation.id) {
            outbox.send(Outbound::Frames(Arc::new(completion(&id, reply)))).await;
        }
    }
    None
}

fn completion(id: &str, reply: Reply) -> Frames {
    match reply {
        // The upstream has written it in the client's protocol.
        Reply::Verbatim(bytes) => Frames { json: Some(bytes.clone()), message_pack: Some(bytes) },
        Reply::Void => Frames::completion(id, &Outcome::Void),
        Reply::Error(text) => Frames::completion(id, &Outcome::Error(text)),
    }
}

const CALLS_IN_WAITING: usize = 64;

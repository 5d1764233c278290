//! Clients without a socket, for tests of sending.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::hub::{Hubs, Outbound, outbox};
use crate::protocol::{InvocationResult, json_to_message_pack};
use crate::random;

/// A client that is connected to a hub without a WebSocket, and so without a token and without upstream calls.
///
/// It speaks the JSON hub protocol. It leaves the hub when it has read that it is closed, and when it is dropped.
pub struct AttachedClient {
    hubs: Arc<Hubs>,
    hub: String,
    connection_id: String,
    inbox: mpsc::Receiver<Outbound>,
}

/// What reached an [`AttachedClient`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// A message of the JSON hub protocol, without framing.
    Message(Value),
    /// The service closes the connection.
    #[non_exhaustive]
    Closed {
        /// The reason, if one was given.
        error: Option<String>,
    },
}

impl AttachedClient {
    pub(crate) fn new(hubs: Arc<Hubs>, hub: &str, user: Option<&str>) -> Self {
        let (outbox, inbox) = outbox();
        let hub = hub.to_lowercase();
        let connection_id = random::text(33);
        hubs.connect(&hub, &connection_id, user, outbox);
        Self { hubs, hub, connection_id, inbox }
    }

    /// Its connection id.
    #[must_use]
    pub fn connection_id(&self) -> &str {
        &self.connection_id
    }

    /// The next thing that reaches it. Waits without a time limit; `None` once it is closed.
    pub async fn next(&mut self) -> Option<Received> {
        let outbound = self.inbox.recv().await?;
        self.received(outbound)
    }

    /// What has reached it already, if anything has.
    pub fn try_next(&mut self) -> Option<Received> {
        let outbound = self.inbox.try_recv().ok()?;
        self.received(outbound)
    }

    /// Answers a message that has an `invocationId`: `:invoke` ends with this result, or with this error.
    pub fn answer(&self, invocation_id: &str, result: Result<Value, String>) {
        let result = match result {
            Ok(value) => {
                let message_pack = json_to_message_pack(&value);
                InvocationResult::Value(Some((value, message_pack)))
            }
            Err(error) => InvocationResult::Error(error),
        };
        self.hubs.complete_invocation(&self.connection_id, invocation_id, result);
    }

    fn received(&self, outbound: Outbound) -> Option<Received> {
        match outbound {
            Outbound::Frames(frames) => {
                // A message for clients of MessagePack alone is nothing to this one.
                let text = frames.json.as_ref()?;
                let text = text.strip_suffix(&[0x1e]).unwrap_or(text);
                Some(Received::Message(serde_json::from_slice(text).unwrap_or_default()))
            }
            Outbound::Close { error, .. } => {
                self.leave();
                Some(Received::Closed { error })
            }
            Outbound::Drop => {
                self.leave();
                None
            }
        }
    }

    fn leave(&self) {
        self.hubs.disconnect(&self.hub, &self.connection_id);
    }
}

impl Drop for AttachedClient {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for AttachedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachedClient")
            .field("hub", &self.hub)
            .field("connection_id", &self.connection_id)
            .finish_non_exhaustive()
    }
}

//! Clients without a socket, for tests.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::hub::{Hubs, Outbound, outbox};
use crate::protocol::{InvocationResult, json_to_message_pack};
use crate::random;
use crate::upstream::{Client, Invocation, Reply, Upstream};

/// A client that is connected to a hub without a WebSocket and without a token.
///
/// It speaks the JSON hub protocol. What it invokes reaches the upstream as with any other client. It leaves the hub when
/// it has read that it is closed, and when it is dropped.
pub struct AttachedClient {
    hubs: Arc<Hubs>,
    upstream: Arc<Upstream>,
    client: Client,
    next_invocation: u64,
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
    pub(crate) fn new(hubs: Arc<Hubs>, upstream: Arc<Upstream>, hub: &str, user: Option<&str>) -> Self {
        let (outbox, inbox) = outbox();
        let client = Client {
            hub: hub.to_lowercase(),
            connection_id: random::text(33),
            user_id: user.map(str::to_owned),
            claims: user.map(|user| ("nameid".to_owned(), user.to_owned())).into_iter().collect(),
            query: format!("hub={}", hub.to_lowercase()),
            message_pack: false,
        };
        hubs.connect(&client.hub, &client.connection_id, user, outbox);
        Self { hubs, upstream, client, next_invocation: 0, inbox }
    }

    /// Its connection id.
    #[must_use]
    pub fn connection_id(&self) -> &str {
        &self.client.connection_id
    }

    /// Calls the upstream with the event `connected`. Whether it agreed; true if no template wants the event.
    pub async fn announce(&self) -> bool {
        self.upstream.connected(&self.client).await
    }

    /// Leaves the hub and calls the upstream with the event `disconnected`.
    pub async fn disconnect(self) {
        self.leave();
        self.upstream.disconnected(&self.client, None).await;
    }

    /// Calls a method and waits for its result, which is null for a method without one.
    ///
    /// # Errors
    ///
    /// The text of the error completion; also when no upstream wants the method, and when the upstream's answer is no
    /// completion of this invocation.
    pub async fn invoke(&mut self, target: &str, arguments: &[Value]) -> Result<Value, String> {
        self.next_invocation += 1;
        let id = self.next_invocation.to_string();
        let invocation = invocation(Some(&id), target, arguments);
        match self.upstream.invoke(&self.client, &invocation).await {
            None => Err("no upstream wants this method".to_owned()),
            Some(Reply::Void) => Ok(Value::Null),
            Some(Reply::Error(error)) => Err(error),
            Some(Reply::Verbatim(bytes)) => completed(&id, &bytes),
        }
    }

    /// Calls a method without waiting for a result. It returns once the upstream has answered.
    pub async fn send(&self, target: &str, arguments: &[Value]) {
        self.upstream.invoke(&self.client, &invocation(None, target, arguments)).await;
    }

    /// The next thing that reaches it. Waits without a time limit; `None` once it is closed.
    pub async fn next(&mut self) -> Option<Received> {
        loop {
            let outbound = self.inbox.recv().await?;
            if let ControlFlow::Break(received) = self.received(outbound) {
                return received;
            }
        }
    }

    /// What has reached it already, if anything has.
    pub fn try_next(&mut self) -> Option<Received> {
        loop {
            let outbound = self.inbox.try_recv().ok()?;
            if let ControlFlow::Break(received) = self.received(outbound) {
                return received;
            }
        }
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
        self.hubs.complete_invocation(&self.client.connection_id, invocation_id, result);
    }

    /// What a message is to this client. It continues after one that only clients of MessagePack get.
    fn received(&self, outbound: Outbound) -> ControlFlow<Option<Received>> {
        match outbound {
            Outbound::Frames(frames) => {
                let Some(text) = frames.json.as_ref() else { return ControlFlow::Continue(()) };
                let text = text.strip_suffix(&[0x1e]).unwrap_or(text);
                ControlFlow::Break(Some(Received::Message(serde_json::from_slice(text).unwrap_or_default())))
            }
            Outbound::Close { error, .. } => {
                self.leave();
                ControlFlow::Break(Some(Received::Closed { error }))
            }
            Outbound::Drop => {
                self.leave();
                ControlFlow::Break(None)
            }
        }
    }

    fn leave(&self) {
        self.hubs.disconnect(&self.client.hub, &self.client.connection_id);
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
            .field("hub", &self.client.hub)
            .field("connection_id", &self.client.connection_id)
            .finish_non_exhaustive()
    }
}

fn invocation(id: Option<&str>, target: &str, arguments: &[Value]) -> Invocation {
    let mut body = json!({"type": 1, "target": target, "arguments": arguments});
    if let Some(id) = id {
        body["invocationId"] = id.into();
    }
    Invocation { id: id.map(str::to_owned), target: target.to_owned(), body: body.to_string().into() }
}

/// Reads the answer of an upstream as the client's protocol would: one completion, framed, of this invocation.
fn completed(id: &str, bytes: &[u8]) -> Result<Value, String> {
    let wrong = || format!("the upstream's answer is no completion: {}", String::from_utf8_lossy(bytes));
    let text = bytes.strip_suffix(&[0x1e]).ok_or_else(wrong)?;
    let completion: Value = serde_json::from_slice(text).map_err(|_| wrong())?;
    if completion["type"] != 3 || completion["invocationId"] != id {
        return Err(wrong());
    }
    match completion["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(completion["result"].clone()),
    }
}

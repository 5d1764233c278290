//! The way from the hubs to one connection.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::protocol::Frames;

/// What a connection gets to send, or to do.
#[derive(Clone, Debug)]
pub(crate) enum Outbound {
    Frames(Arc<Frames>),
    /// Say why, then close.
    Close {
        error: Option<String>,
        allow_reconnect: bool,
    },
    /// Close without a close message, as when a network breaks.
    Drop,
}

/// The end that the hubs hold. It never waits: a connection that does not keep up is cut off.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(mpsc::Sender<Outbound>);

impl Outbox {
    /// Whether the message is on its way.
    pub(crate) fn send(&self, outbound: Outbound) -> bool {
        self.0.try_send(outbound).is_ok()
    }
}

impl Outbox {
    /// A way to the connection that does not hold it in its hub.
    pub(crate) fn downgrade(&self) -> WeakOutbox {
        WeakOutbox(self.0.downgrade())
    }
}

/// The end that a session holds for its own messages.
#[derive(Clone, Debug)]
pub(crate) struct WeakOutbox(mpsc::WeakSender<Outbound>);

impl WeakOutbox {
    /// Waits for a place in the queue. A connection that has left its hub gets nothing.
    pub(crate) async fn send(&self, outbound: Outbound) {
        if let Some(sender) = self.0.upgrade() {
            // Without a receiver, the session has ended.
            let _ = sender.send(outbound).await;
        }
    }
}

/// Tells a session that all connections break, from the time it was made.
#[derive(Clone, Debug)]
pub(crate) struct Breaks(pub(super) watch::Receiver<()>);

impl Breaks {
    /// Completes at the next break.
    pub(crate) async fn next(&mut self) {
        // Without hubs there is no connection either.
        let _ = self.0.changed().await;
    }
}

/// A bounded queue for one connection.
pub(crate) fn outbox() -> (Outbox, mpsc::Receiver<Outbound>) {
    let (sender, receiver) = mpsc::channel(LONGEST_QUEUE);
    (Outbox(sender), receiver)
}

const LONGEST_QUEUE: usize = 4096;

//! The loop as it happens: requests, clients, upstream calls.

mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::broadcast;

use crate::log::LoggedRequest;

/// One thing that happened in an emulator.
///
/// `Display` writes it as one line for people, [`colored`](Self::colored) the same for a terminal. No line holds a token, a
/// key or a secret; what a client chose is escaped.
///
/// Events wait for listeners that are slow. Therefore a text ends after 1,000 characters, with `…` behind it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EmulatorEvent {
    /// A request to the service or to Entra was answered. Its body and the ids of its connections are in the
    /// [log](crate::RequestLog) alone.
    Request(LoggedRequest),
    /// A client finished its handshake.
    #[non_exhaustive]
    ClientConnected {
        /// The hub.
        hub: String,
        /// The connection id.
        connection_id: String,
        /// The user, if the token names one.
        user_id: Option<String>,
        /// `json` or `messagepack`.
        protocol: &'static str,
    },
    /// A client is gone.
    #[non_exhaustive]
    ClientDisconnected {
        /// The hub.
        hub: String,
        /// The connection id.
        connection_id: String,
        /// Why, if not in order.
        error: Option<String>,
    },
    /// An upstream was called, repetitions included.
    UpstreamCall(UpstreamCall),
}

/// One call of an upstream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamCall {
    /// The hub.
    pub hub: String,
    /// `connections` or `messages`.
    pub category: &'static str,
    /// `connected`, `disconnected`, or the method that the client called.
    pub event: String,
    /// The connection id.
    pub connection_id: String,
    /// The address. The values of its query, which may be keys, are `***`.
    pub url: String,
    /// The status of each attempt. `None` for one that got no answer.
    pub attempts: Vec<Option<u16>>,
}

/// Hands events to whoever listens, until it is closed.
#[derive(Debug)]
pub(crate) struct Events(Mutex<Option<broadcast::Sender<EmulatorEvent>>>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(broadcast::Sender::new(LATEST))))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<EmulatorEvent> {
        match &*self.sender() {
            Some(sender) => sender.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// Lets listeners come to an end behind the last event.
    pub(crate) fn close(&self) {
        *self.sender() = None;
    }

    pub(crate) fn publish(&self, event: EmulatorEvent) {
        if matches!(event, EmulatorEvent::Request(_)) {
            tracing::debug!("{event}");
        } else {
            tracing::info!("{event}");
        }
        if let Some(sender) = &*self.sender() {
            // Nobody has to listen.
            let _ = sender.send(event);
        }
    }

    fn sender(&self) -> MutexGuard<'_, Option<broadcast::Sender<EmulatorEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmulatorEvent {
    /// The request without what may be large.
    pub(crate) fn request(entry: &LoggedRequest) -> Self {
        let optional = |text: &Option<String>| text.as_deref().map(shortened);
        Self::Request(LoggedRequest {
            method: entry.method.clone(),
            target: shortened(&entry.target),
            hub: entry.hub.clone(),
            caller: entry.caller.clone(),
            content_type: optional(&entry.content_type),
            body: Bytes::new(),
            error_code: entry.error_code.clone(),
            rejection: optional(&entry.rejection),
            delivered_to: Arc::default(),
            ..*entry
        })
    }

    pub(crate) fn client_connected(hub: &str, connection: &str, user: Option<&str>, protocol: &'static str) -> Self {
        Self::ClientConnected {
            hub: hub.to_owned(),
            connection_id: connection.to_owned(),
            user_id: user.map(shortened),
            protocol,
        }
    }

    pub(crate) fn client_disconnected(hub: &str, connection: &str, error: Option<&str>) -> Self {
        let (hub, connection_id) = (hub.to_owned(), connection.to_owned());
        Self::ClientDisconnected { hub, connection_id, error: error.map(shortened) }
    }
}

/// A text of at most [`LONGEST_TEXT`] characters, with a mark behind it if some are missing.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A listener that falls further behind loses the oldest events.
const LATEST: usize = 4096;
const LONGEST_TEXT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_of_events_end_with_a_mark() {
        assert_eq!(shortened("ü"), "ü");
        assert_eq!(shortened(&"ü".repeat(1000)), "ü".repeat(1000));
        assert_eq!(shortened(&"ü".repeat(1001)), "ü".repeat(1000) + "…");
    }
}

//! The loop as it happens: requests, clients, upstream calls.

mod line;

use tokio::sync::broadcast;

use crate::log::LoggedRequest;

/// One thing that happened in an emulator.
///
/// `Display` writes it as one line for people, [`colored`](Self::colored) the same for a terminal. No line holds a token, a
/// key or a secret; what a client chose is escaped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EmulatorEvent {
    /// A request to the service or to Entra was answered.
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
    /// The address.
    pub url: String,
    /// The status of each attempt. `None` for one that got no answer.
    pub attempts: Vec<Option<u16>>,
}

/// Hands events to whoever listens.
#[derive(Debug)]
pub(crate) struct Events(broadcast::Sender<EmulatorEvent>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(LATEST))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<EmulatorEvent> {
        self.0.subscribe()
    }

    pub(crate) fn publish(&self, event: EmulatorEvent) {
        if matches!(event, EmulatorEvent::Request(_)) {
            tracing::debug!("{event}");
        } else {
            tracing::info!("{event}");
        }
        // Nobody has to listen.
        let _ = self.0.send(event);
    }
}

impl EmulatorEvent {
    pub(crate) fn client_connected(hub: &str, connection: &str, user: Option<&str>, protocol: &'static str) -> Self {
        Self::ClientConnected {
            hub: hub.to_owned(),
            connection_id: connection.to_owned(),
            user_id: user.map(str::to_owned),
            protocol,
        }
    }

    pub(crate) fn client_disconnected(hub: &str, connection: &str, error: Option<&str>) -> Self {
        let (hub, connection_id) = (hub.to_owned(), connection.to_owned());
        Self::ClientDisconnected { hub, connection_id, error: error.map(str::to_owned) }
    }
}

/// A listener that falls further behind loses the oldest events.
const LATEST: usize = 4096;

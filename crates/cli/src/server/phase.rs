//! From serving to the end.

use tokio::sync::watch;

/// How far the program is on its way to its end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// Requests are served.
    Serving,
    /// Requests are served. `/readyz` says 503, and answers of HTTP/1.1 close their connections.
    NotReady,
    /// No connection is accepted any more. Requests under way end.
    Draining,
}

/// The phase, for all who act on it.
#[derive(Clone, Debug)]
pub(crate) struct Phases(watch::Sender<Phase>);

impl Phases {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }

    pub(crate) fn current(&self) -> Phase {
        *self.0.borrow()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    /// Waits until a phase has begun.
    pub(crate) async fn reached(&self, phase: Phase) {
        // The sender lives in `self`, so the wait ends with the phase only.
        let _ = self.0.subscribe().wait_for(|current| *current >= phase).await;
    }
}

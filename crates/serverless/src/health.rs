//! Whether an endpoint answers.

use std::sync::atomic::{AtomicBool, Ordering};

/// What calls and the service's health endpoint say. An endpoint counts as healthy until one of them denies it.
#[derive(Debug)]
pub(crate) struct Health {
    /// The last call that tried had a connection.
    is_reachable: AtomicBool,
    /// What the health endpoint said last.
    is_well: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        Self { is_reachable: AtomicBool::new(true), is_well: AtomicBool::new(true) }
    }
}

impl Health {
    pub(crate) fn is_healthy(&self) -> bool {
        self.is_reachable.load(Ordering::Relaxed) && self.is_well.load(Ordering::Relaxed)
    }

    /// A call was answered, whatever the answer.
    pub(crate) fn answered(&self) {
        self.is_reachable.store(true, Ordering::Relaxed);
    }

    /// There was no connection.
    pub(crate) fn unreachable(&self) {
        self.is_reachable.store(false, Ordering::Relaxed);
    }

    /// The health endpoint has answered so. Says whether that changes anything.
    pub(crate) fn checked(&self, is_well: bool) -> bool {
        let before = self.is_healthy();
        self.is_well.store(is_well, Ordering::Relaxed);
        if is_well {
            self.answered();
        }
        before != self.is_healthy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_checks_both_count() {
        let health = Health::default();
        assert!(health.is_healthy());
        health.unreachable();
        assert!(!health.is_healthy());
        health.answered();
        assert!(health.is_healthy());
        assert!(health.checked(false));
        health.answered();
        assert!(!health.is_healthy());
        assert!(health.checked(true));
        assert!(health.is_healthy());
    }
}

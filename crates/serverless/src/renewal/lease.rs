//! A value and the time for which it may be used.

use std::time::Duration;

use background_refresh::{Now, Timestamp};

/// A value that was obtained, with its terms. `Debug` does not show the value.
pub(crate) struct Lease<V> {
    value: V,
    from: Timestamp,
    terms: Terms,
}

/// Counted from when the value was obtained.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Terms {
    /// When to fetch the next one.
    pub(crate) renew_after: Duration,
    /// When to stop using this one.
    pub(crate) usable_for: Duration,
}

impl<V> Lease<V> {
    pub(crate) fn new(value: V, from: Timestamp, terms: Terms) -> Self {
        Self { value, from, terms }
    }

    pub(crate) fn value(&self) -> &V {
        &self.value
    }

    /// By the clock that says more: one stands still while the machine is suspended, the other may be set back.
    pub(crate) fn age(&self, now: Now) -> Duration {
        self.from.age(now)
    }

    pub(crate) fn is_usable(&self, now: Now) -> bool {
        self.age(now) < self.terms.usable_for
    }

    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.age(now) >= self.terms.renew_after
    }

    /// How long until it is due.
    pub(crate) fn due_in(&self, now: Now) -> Duration {
        self.terms.renew_after.saturating_sub(self.age(now))
    }
}

impl<V> std::fmt::Debug for Lease<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("terms", &self.terms).finish_non_exhaustive()
    }
}

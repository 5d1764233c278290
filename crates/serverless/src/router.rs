//! Which endpoint a client goes to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Priority;
use crate::error::Error;

/// How an endpoint stands.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    pub(crate) name: Arc<str>,
    pub(crate) priority: Priority,
    pub(crate) is_healthy: bool,
    pub(crate) is_ready: bool,
    pub(crate) key_age: Option<Duration>,
    pub(crate) last_error: Option<Error>,
}

impl EndpointStatus {
    /// The endpoint's name, or its host if it has none. See [`Endpoint::name`](crate::Endpoint::name) for several of one
    /// name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a primary.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// What the latest calls and the latest health check say.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.is_healthy
    }

    /// Whether everything is at hand that a negotiation needs: the Entra token and the temporary access key, as far
    /// as there are any.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// How old the temporary access key is. `None` without one.
    #[must_use]
    pub fn key_age(&self) -> Option<Duration> {
        self.key_age
    }

    /// Why the latest fetch of the key or the token failed. `None` if none did.
    #[must_use]
    pub fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }
}

/// The negotiation that is routed.
#[derive(Clone, Copy)]
pub struct Negotiation<'a> {
    pub(crate) hub: &'a str,
    pub(crate) user_id: Option<&'a str>,
}

impl<'a> Negotiation<'a> {
    /// The hub, in lower case.
    #[must_use]
    pub fn hub(&self) -> &'a str {
        self.hub
    }

    /// The user, if there is one.
    #[must_use]
    pub fn user_id(&self) -> Option<&'a str> {
        self.user_id
    }
}

impl fmt::Debug for Negotiation<'_> {
    /// Without the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiation").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// Says which endpoint a client goes to. Any `Fn(Negotiation, &[EndpointStatus]) -> Option<usize>` is one.
///
/// Without a router a client goes to a random healthy primary, else to a random healthy secondary, and if none is
/// healthy to any.
pub trait Router: Send + Sync {
    /// The index of the endpoint. `None`, or an index that does not exist, makes the negotiation fail.
    fn route(&self, negotiation: Negotiation<'_>, endpoints: &[EndpointStatus]) -> Option<usize>;
}

impl<F> Router for F
where
    F: Fn(Negotiation<'_>, &[EndpointStatus]) -> Option<usize> + Send + Sync,
{
    fn route(&self, negotiation: Negotiation<'_>, endpoints: &[EndpointStatus]) -> Option<usize> {
        self(negotiation, endpoints)
    }
}

/// The endpoints in the order in which a negotiation tries them. `candidates` are priority, health and readiness;
/// `random` gives numbers from 0 to 1.
///
/// Healthy before unhealthy, primaries before secondaries, and among equals those with a key at hand.
pub(crate) fn order(candidates: &[(Priority, bool, bool)], mut random: impl FnMut() -> f64) -> Vec<usize> {
    let mut ranked: Vec<_> = candidates
        .iter()
        .enumerate()
        .map(|(index, &(priority, is_healthy, is_ready))| {
            ((!is_healthy, priority != Priority::Primary, !is_ready), random(), index)
        })
        .collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    ranked.into_iter().map(|(_, _, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Priority = Priority::Primary;
    const S: Priority = Priority::Secondary;

    #[test]
    fn healthy_primaries_come_first_then_healthy_secondaries() {
        let candidates = [(S, true, true), (P, false, true), (P, true, false), (P, true, true), (S, false, true)];
        assert_eq!(order(&candidates, || 0.5), [3, 2, 0, 1, 4]);
    }

    #[test]
    fn equals_are_in_random_order() {
        let mut numbers = [0.9, 0.1, 0.5].into_iter();
        assert_eq!(order(&[(P, true, true); 3], || numbers.next().unwrap()), [1, 2, 0]);
    }
}

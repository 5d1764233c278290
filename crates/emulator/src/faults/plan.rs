//! Which requests meet which fault.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Fault;
use crate::operation::Operation;

/// The requests that meet a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FaultTarget {
    /// Every request.
    Any,
    /// Every request to the service's REST API, the key's and the health check's included.
    DataPlane,
    /// Every request of a client.
    Clients,
    /// Every request of a credential.
    Entra,
    /// The requests for one operation.
    Operation(Operation),
}

impl From<Operation> for FaultTarget {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl FaultTarget {
    fn covers(self, operation: Operation) -> bool {
        match self {
            Self::Any => true,
            Self::DataPlane => operation.is_data_plane(),
            Self::Clients => operation.is_client(),
            Self::Entra => operation.is_entra(),
            Self::Operation(target) => target == operation,
        }
    }
}

/// The faults of an [`Emulator`](crate::Emulator).
///
/// Faults of the documents that the built-in Entra publishes are those of its [`MockEntra`](crate::mock::MockEntra). They
/// hold at the authority's port, too. There `Fault::raw` resets the connection.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
    reset_connections: AtomicBool,
}

#[derive(Debug, Default)]
struct Plan {
    script: Vec<(FaultTarget, VecDeque<Fault>)>,
    /// The latest first.
    standing: VecDeque<(FaultTarget, Fault)>,
}

impl Faults {
    /// Meets every request of a target with a fault until [`clear`](Self::clear). The latest fault that fits counts.
    pub fn stand(&self, target: impl Into<FaultTarget>, fault: Fault) {
        let (mut plan, target) = (self.plan(), target.into());
        plan.standing.retain(|(present, _)| *present != target);
        plan.standing.push_front((target, fault));
    }

    /// Meets the next request of a target with a fault, before any that stands.
    pub fn next(&self, target: impl Into<FaultTarget>, fault: Fault) {
        self.script(target, [fault]);
    }

    /// Meets the next requests of a target with these faults, one each. A second script for the same target follows
    /// the first.
    pub fn script(&self, target: impl Into<FaultTarget>, faults: impl IntoIterator<Item = Fault>) {
        let (mut plan, target) = (self.plan(), target.into());
        match plan.script.iter_mut().find(|(present, _)| *present == target) {
            Some((_, queue)) => queue.extend(faults),
            None => plan.script.push((target, faults.into_iter().collect())),
        }
    }

    /// Takes all faults away, also that of [`reset_connections`](Self::reset_connections). What hangs goes on hanging.
    pub fn clear(&self) {
        *self.plan() = Plan::default();
        self.reset_connections(false);
    }

    /// Whether the service resets every new connection at once, before TLS and before a request.
    ///
    /// It concerns the service's ports alone. Connections that are open stay open.
    pub fn reset_connections(&self, reset: bool) {
        self.reset_connections.store(reset, Ordering::SeqCst);
    }

    pub(crate) fn resets_connections(&self) -> bool {
        self.reset_connections.load(Ordering::SeqCst)
    }

    /// The fault of the next request.
    pub(crate) fn take(&self, operation: Operation) -> Fault {
        let mut plan = self.plan();
        let covering = |target: FaultTarget| target.covers(operation);
        let scripted =
            plan.script.iter_mut().filter(|(target, _)| covering(*target)).find_map(|(_, queue)| queue.pop_front());
        let standing = || plan.standing.iter().find(|(target, _)| covering(*target));
        scripted.or_else(|| standing().map(|(_, fault)| fault.clone())).unwrap_or_else(Fault::none)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Act;
    use super::*;

    fn status(faults: &Faults, operation: Operation) -> Option<u16> {
        match faults.take(operation).act {
            Act::Answer { status, .. } => Some(status),
            _ => None,
        }
    }

    #[test]
    fn scripts_precede_standing_faults_and_are_used_up() {
        let faults = Faults::default();
        faults.stand(FaultTarget::DataPlane, Fault::status(500));
        faults.stand(Operation::Broadcast, Fault::status(501));
        faults.script(Operation::Broadcast, [Fault::status(502), Fault::none()]);
        let seen: Vec<_> = (0..3).map(|_| status(&faults, Operation::Broadcast)).collect();
        assert_eq!(seen, [Some(502), None, Some(501)]);
        assert_eq!(status(&faults, Operation::Health), Some(500));
        assert_eq!(status(&faults, Operation::ClientConnect), None);
        assert_eq!(status(&faults, Operation::Imds), None);
        faults.clear();
        assert_eq!(status(&faults, Operation::Broadcast), None);
    }
}

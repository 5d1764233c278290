//! Which fault the next request gets.

use std::collections::VecDeque;

use signalr_upstream_auth::TenantId;

use crate::fault::Fault;
use crate::requests::Endpoint;

/// The requests that a fault is for: those of an [`Endpoint`], or [those for one tenant](Endpoint::of) only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    endpoint: Endpoint,
    tenant: Option<TenantId>,
}

impl Endpoint {
    /// This endpoint for one tenant only.
    #[must_use]
    pub const fn of(self, tenant: TenantId) -> Target {
        Target { endpoint: self, tenant: Some(tenant) }
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, tenant: None }
    }
}

impl Target {
    fn covers(self, endpoint: Option<Endpoint>, tenant: Option<TenantId>) -> bool {
        let is_endpoint = self.endpoint == Endpoint::Any || Some(self.endpoint) == endpoint;
        let is_tenant = self.tenant.is_none() || self.tenant == tenant;
        is_endpoint && is_tenant
    }
}

/// The faults that a mock was given.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    /// Each for one request.
    scripted: Vec<(Target, VecDeque<Fault>)>,
    /// Until the plan is cleared; the latest comes first.
    standing: VecDeque<(Target, Fault)>,
}

impl FaultPlan {
    pub(crate) fn stand(&mut self, target: Target, fault: Fault) {
        self.standing.retain(|(present, _)| *present != target);
        self.standing.push_front((target, fault));
    }

    pub(crate) fn script(&mut self, target: Target, faults: impl IntoIterator<Item = Fault>) {
        match self.scripted.iter_mut().find(|(present, _)| *present == target) {
            Some((_, queue)) => queue.extend(faults),
            None => self.scripted.push((target, faults.into_iter().collect())),
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault for the next request: the next of a script, else the latest standing one, else none.
    pub(crate) fn next(&mut self, endpoint: Option<Endpoint>, tenant: Option<TenantId>) -> Fault {
        let scripted = self
            .scripted
            .iter_mut()
            .filter(|(target, _)| target.covers(endpoint, tenant))
            .find_map(|(_, queue)| queue.pop_front());
        let standing = || self.standing.iter().find(|(target, _)| target.covers(endpoint, tenant));
        scripted.or_else(|| standing().map(|(_, fault)| fault.clone())).unwrap_or_else(Fault::none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_status(plan: &mut FaultPlan, endpoint: Endpoint, tenant: Option<TenantId>) -> Option<u16> {
        plan.next(Some(endpoint), tenant).response.status.map(|status| status.as_u16())
    }

    #[test]
    fn script_precedes_standing_fault_and_is_used_up() {
        let mut plan = FaultPlan::default();
        plan.stand(Endpoint::Keys.into(), Fault::status(500));
        plan.script(Endpoint::Keys.into(), [Fault::status(501), Fault::none()]);
        plan.script(Endpoint::Keys.into(), [Fault::status(502)]);
        let statuses: Vec<_> = (0..5).map(|_| next_status(&mut plan, Endpoint::Keys, None)).collect();
        assert_eq!(statuses, [Some(501), None, Some(502), Some(500), Some(500)]);
        assert_eq!(next_status(&mut plan, Endpoint::Discovery, None), None);
        plan.clear();
        assert_eq!(next_status(&mut plan, Endpoint::Keys, None), None);
    }

    #[test]
    fn fault_of_one_tenant_does_not_affect_others() {
        let one: TenantId = "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let two: TenantId = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let mut plan = FaultPlan::default();
        plan.stand(Endpoint::Any.of(one), Fault::status(500));
        plan.stand(Endpoint::Keys.of(one), Fault::status(501));
        assert_eq!(next_status(&mut plan, Endpoint::Keys, Some(one)), Some(501));
        assert_eq!(next_status(&mut plan, Endpoint::Discovery, Some(one)), Some(500));
        assert_eq!(next_status(&mut plan, Endpoint::Keys, Some(two)), None);
        assert_eq!(next_status(&mut plan, Endpoint::Keys, None), None);
    }
}

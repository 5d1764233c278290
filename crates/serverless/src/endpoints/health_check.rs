//! With several endpoints, asks each every 30 s whether it is healthy.

use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_core::http::Method;
use background_refresh::{Background, TaskSlot, Waiters, ensure_running};
use futures_util::future::join_all;
use tokio::time::MissedTickBehavior;

use super::live::LiveEndpoint;
use crate::error::{Chain, Result};
use crate::events;
use crate::instruments;
use crate::operation::Operation;
use crate::rest::Call;

/// The task that asks. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct HealthCheck(Arc<HealthCheckState>);

#[derive(Debug)]
struct HealthCheckState {
    endpoints: Vec<Weak<LiveEndpoint>>,
    slot: TaskSlot,
    waiters: Waiters,
}

impl HealthCheck {
    /// Starts nothing.
    pub(crate) fn new(endpoints: &[Arc<LiveEndpoint>]) -> Self {
        let endpoints = endpoints.iter().map(Arc::downgrade).collect();
        // Nobody waits for it.
        Self(Arc::new(HealthCheckState { endpoints, slot: TaskSlot::default(), waiters: Waiters::new(0) }))
    }

    /// Sees to it that several endpoints are asked.
    pub(crate) fn keep_running(&self) {
        if self.0.endpoints.len() > 1 {
            ensure_running(&self.0);
        }
    }
}

impl Drop for HealthCheck {
    fn drop(&mut self) {
        self.0.slot.close();
    }
}

impl Background for HealthCheckState {
    fn slot(&self) -> &TaskSlot {
        &self.slot
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    async fn run(&self) {
        let mut checks = tokio::time::interval(INTERVAL);
        // After a suspend one check is enough.
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            checks.tick().await;
            join_all(self.endpoints.iter().filter_map(Weak::upgrade).map(|endpoint| async move {
                let _ = check(&endpoint).await;
            }))
            .await;
        }
    }

    fn ended(&self, _: bool) {}
}

/// Asks one endpoint now. The call carries no token.
pub(crate) async fn check(endpoint: &LiveEndpoint) -> Result<()> {
    let call = Call::fixed(Operation::Health, Method::Head, "/api/health?api-version=2024-12-01");
    let result = match tokio::time::timeout(LIMIT, endpoint.caller.call(&call)).await {
        Ok(result) => result.map(|_| ()),
        Err(_) => Err(late().with_endpoint(endpoint.label())),
    };
    let has_changed = endpoint.health().checked(result.is_ok());
    instruments::checked(endpoint.label(), result.is_ok());
    if has_changed {
        let endpoint = endpoint.label();
        match &result {
            Ok(()) => tracing::info!(target: events::ENDPOINTS, %endpoint, "healthy again"),
            Err(error) => {
                let cause = Chain(error);
                tracing::warn!(target: events::ENDPOINTS, %endpoint, %cause, "not healthy");
            }
        }
    }
    result
}

fn late() -> crate::error::Error {
    crate::error::Error::new(crate::error::ErrorKind::Unavailable, "the health endpoint did not answer in time")
}

/// From the start of one check to the start of the next.
const INTERVAL: Duration = Duration::from_secs(30);
/// Shorter, so that one that hangs delays no check.
const LIMIT: Duration = Duration::from_secs(10);

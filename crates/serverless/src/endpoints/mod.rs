//! The endpoints of a service client: one, or several that share the clients.

mod health_check;
mod labels;
mod live;
mod spread;

pub(crate) use health_check::{HealthCheck, check};
pub(crate) use labels::labels;
pub(crate) use live::{Destination, KeyWait, LiveEndpoint};
pub(crate) use spread::{Reports, at_each};

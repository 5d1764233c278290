//! The state of the hubs: connections, groups, users. The data plane and the clients share it.

mod connection;
mod groups;
mod names;
mod registry;

pub(crate) use connection::{Breaks, Outbound, WeakOutbox, outbox};
pub(crate) use groups::Membership;
pub(crate) use names::{is_group_name, is_hub_name};
pub(crate) use registry::{Hubs, Member, Recipients};

//! A value with an end that a background task renews: the Entra token and the temporary access key.
//!
//! [`Schedule`](schedule::Schedule) decides, without a clock, a task or a network. [`Renewal`] runs it.

mod lease;
mod schedule;
mod store;

pub(crate) use lease::{Lease, Terms};
pub(crate) use schedule::AttemptFailure;
pub(crate) use store::{Fetch, Renewal, Status, Subject};

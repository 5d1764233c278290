//! Calls of the service's REST API: what is sent, when it is repeated, and what the answer means.

mod answer;
mod base;
mod call;
mod caller;
mod response;
mod retry;
mod transport;

pub(crate) use answer::Answer;
pub(crate) use base::Base;
pub(crate) use call::{Body, Call, Segment, hub_call};
pub(crate) use caller::{Authorization, CALL_LIMIT, Caller, no_clock};
pub(crate) use transport::Transport;

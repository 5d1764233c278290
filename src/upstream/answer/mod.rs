//! The answer to a call: what handlers return, and the completion that the service expects.

pub(crate) mod completion;
pub(crate) mod handler_error;
pub(crate) mod reply;

//! Upstream calls: what the service sends to an app, and what it makes of the answers.

mod call;
mod outcome;
mod sender;
mod shown;
mod template;
mod tokens;

pub(crate) use call::{Client, Invocation, Upstream, UpstreamParts};
pub(crate) use outcome::Reply;
pub(crate) use sender::Sender;
pub(crate) use shown::shown;
pub use template::{InvalidTemplate, UpstreamTemplate};

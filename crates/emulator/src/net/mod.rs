//! Sockets: listeners on loopback, TLS with a throw-away authority, connections that can be reset.

mod listener;
mod proxy;
mod tasks;
mod tls;
mod wire;

pub(crate) use listener::{Bound, Handler, Reaction, Serving};
pub(crate) use proxy::Proxy;
pub(crate) use tasks::Tasks;
pub(crate) use tls::Authority;
pub(crate) use wire::ConnectionControl;

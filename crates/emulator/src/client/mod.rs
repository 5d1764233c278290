//! Clients: negotiation, WebSockets, the hub protocols.

mod calls;
mod connect;
mod cors;
mod handshake;
mod negotiate;
mod room;
mod session;
mod socket;
mod token;

pub(crate) use cors::Cors;
pub(crate) use room::{ClientNote, ClientRoom, ClientTarget};

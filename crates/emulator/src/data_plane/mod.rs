//! The REST API: sending, groups, connections, client tokens, access keys.

mod auth_api;
mod authorize;
mod call;
mod connections;
mod execute;
mod filter;
mod groups;
mod payload;
mod permission;
mod problem;
mod route;
mod sends;
mod version;

pub(crate) use call::{DataPlane, Note};
pub(crate) use route::Route;

#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests may block; what users build may not"))]
//!
//! # Where to go on
//!
//! - [`HubClient`]: every operation with its request, its role and its errors.
//! - [Which credential, and its settings](docs::credentials)
//! - [Which role do I need?](docs::roles)
//! - [Move from access keys to Entra](docs::move_from_access_keys)
//! - [Cross-tenant](docs::cross_tenant)
//! - [Troubleshoot 401 and 403](docs::troubleshoot)

#[cfg(feature = "axum")]
mod axum_response;
mod azure_error;
mod client;
mod client_token;
mod credential;
pub mod docs;
mod endpoint;
mod endpoints;
mod entra;
mod error;
mod events;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod health;
mod hub;
mod ids;
#[cfg(feature = "metrics")]
pub mod instruments;
#[cfg(not(feature = "metrics"))]
mod instruments;
mod negotiate;
mod operation;
mod options;
mod payload;
mod renewal;
mod rest;
mod retry_after;
mod role;
mod router;
mod service_endpoint;
mod settings;
mod shared;
mod temporary_key;

pub use background_refresh::{SystemClock, UnixTime, WallClock};
pub use client::ServiceClient;
pub use client_token::{NegotiateOptions, TOKEN_LENGTH_MAX};
pub use endpoint::Priority;
pub use error::{ConfigError, ConfigFault, EndpointError, Error, ErrorKind, Result, ServiceError};
pub use hub::{
    AddUserToGroup, CloseConnection, CloseConnections, GroupConnection, GroupConnections, HubClient, SendRequest,
};
pub use negotiate::NegotiateResponse;
pub use operation::Operation;
pub use options::{ClientTokens, ServiceClientOptions};
pub use payload::{Arguments, Payload};
pub use role::Role;
pub use router::{EndpointStatus, Negotiation, Router};
pub use service_endpoint::{Endpoint, Endpoints};
pub use settings::Settings;

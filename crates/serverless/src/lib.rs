//! The app's side of Azure SignalR Service in serverless mode with Microsoft Entra.

mod client_token;
mod credential;
mod endpoint;
mod entra;
mod error;
mod events;
mod health;
mod ids;
mod metrics;
mod operation;
mod renewal;
mod rest;
mod role;
mod settings;
mod temporary_key;

pub use background_refresh::{SystemClock, UnixTime, WallClock};
pub use client_token::{NegotiateOptions, TOKEN_LENGTH_MAX};
pub use endpoint::Priority;
pub use error::{ConfigError, ConfigFault, EndpointError, Error, ErrorKind, Result, ServiceError};
pub use operation::Operation;
pub use role::Role;
pub use settings::Settings;

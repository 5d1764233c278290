//! The app's side of Azure SignalR Service in serverless mode with Microsoft Entra.

mod client_token;
mod credential;
mod endpoint;
mod error;
mod ids;
mod operation;
mod role;
mod settings;

pub use background_refresh::{SystemClock, UnixTime, WallClock};
pub use client_token::{NegotiateOptions, TOKEN_LENGTH_MAX};
pub use endpoint::Priority;
pub use error::{ConfigError, ConfigFault, EndpointError, Error, ErrorKind, Result, ServiceError};
pub use operation::Operation;
pub use role::Role;
pub use settings::Settings;

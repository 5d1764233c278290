//! The app's side of Azure SignalR Service in serverless mode with Microsoft Entra.

mod endpoint;
mod error;

pub use endpoint::Priority;
pub use error::{ConfigError, ConfigFault};

//! The app's side of Azure SignalR Service in serverless mode with Microsoft Entra.

mod credential;
mod endpoint;
mod error;
mod settings;

pub use endpoint::Priority;
pub use error::{ConfigError, ConfigFault};
pub use settings::Settings;

//! Clients from settings.

use std::sync::Arc;

use azure_core::http::Transport;

use super::Settings;
use crate::client::ServiceClient;
use crate::error::ConfigError;
use crate::options::ServiceClientOptions;

impl ServiceClient {
    /// As the variables of this process say: [`Settings::from_env`], then [`from_settings`](Self::from_settings) with
    /// default options.
    ///
    /// # Errors
    ///
    /// Every fault at once, each with the variable as it was written.
    pub fn from_env(prefix: &str) -> Result<Self, ConfigError> {
        Self::from_settings(&Settings::from_env(prefix), ServiceClientOptions::default())
    }

    /// As a connection string says: [`Settings::from_connection_string`], then
    /// [`from_settings`](Self::from_settings) with default options.
    ///
    /// # Errors
    ///
    /// Every fault at once, each with the key as it was written.
    pub fn from_connection_string(text: &str) -> Result<Self, ConfigError> {
        Self::from_settings(&Settings::from_connection_string(text), ServiceClientOptions::default())
    }

    /// As settings say. The credentials are built but not tried; the token file of a workload identity is read, so call
    /// this at the start of the program.
    ///
    /// The [transport](ServiceClientOptions::transport) of the options, if there is one, carries the requests of the
    /// credentials, too.
    ///
    /// # Errors
    ///
    /// Every fault at once, each with the setting as it was written.
    pub fn from_settings(settings: &Settings, options: ServiceClientOptions) -> Result<Self, ConfigError> {
        let transport = options.transport.as_ref().map(|client| Transport::new(Arc::clone(client)));
        Self::from_configs(settings.endpoints(transport)?, options)
    }
}

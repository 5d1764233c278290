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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_comes_from_a_connection_string() {
        let text = "Endpoint=https://a.service.signalr.net;AccessKey=a2V5;Version=1.0;";
        let service = ServiceClient::from_connection_string(text).unwrap();
        assert_eq!(service.status()[0].name(), "a.service.signalr.net");
        let error = ServiceClient::from_connection_string("Endpoint=a;AccessKey=a2V5").unwrap_err();
        let fields: Vec<_> = error.faults().map(|fault| fault.field()).collect();
        assert_eq!(fields, ["Endpoint of the connection string"]);
    }

    #[test]
    fn client_comes_from_named_settings() {
        let string = "Endpoint=https://a.service.signalr.net;AccessKey=a2V5";
        let settings = |names: &[&str]| {
            let vars = names.iter().map(|name| (format!("Azure__SignalR__Endpoints__{name}").into(), string.into()));
            Settings::from_vars(Settings::DEFAULT_PREFIX, vars)
        };
        let service =
            ServiceClient::from_settings(&settings(&["east", "west__secondary"]), ServiceClientOptions::default());
        let names: Vec<_> = service.unwrap().status().iter().map(|status| status.name().to_owned()).collect();
        assert_eq!(names, ["east", "west"]);
        let pair = settings(&["west__primary", "west__secondary"]);
        let service = ServiceClient::from_settings(&pair, ServiceClientOptions::default());
        let names: Vec<_> = service.unwrap().status().iter().map(|status| status.name().to_owned()).collect();
        assert_eq!(names, ["west/primary", "west/secondary"]);
        let error =
            ServiceClient::from_settings(&settings(&["west__secondary"]), ServiceClientOptions::default()).unwrap_err();
        assert!(error.to_string().contains("all endpoints are secondary"), "{error}");
    }

    #[cfg(not(feature = "identity"))]
    #[test]
    fn entra_without_the_feature_is_a_fault_that_names_it() {
        let text = "Endpoint=https://a.service.signalr.net;AuthType=azure.msi";
        let error = ServiceClient::from_connection_string(text).unwrap_err();
        assert!(error.to_string().contains("the feature `identity`"), "{error}");
    }

    #[test]
    fn client_of_an_environment_without_settings_names_the_prefix() {
        let error = ServiceClient::from_env("NobodySetsThis").unwrap_err();
        assert_eq!(error.faults().next().unwrap().field(), "NobodySetsThis");
    }
}

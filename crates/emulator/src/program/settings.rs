//! How an emulator starts, from a file.

use std::fmt;

use serde::Deserialize;

use super::assumptions::AssumptionSettings;
use crate::builder::EmulatorBuilder;
use crate::emulator::Emulator;
use crate::settings::Variables;
use crate::upstream::{UpstreamTemplate, shown};

/// How an emulator starts that is a process of its own. It reads from TOML, JSON or any other serde format; every member
/// has a default, and an unknown one is an error.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use signalr_emulator::EmulatorSettings;
///
/// let settings: EmulatorSettings = toml::from_str(
///     r#"
///     http_port = 8888
///     disable_local_auth = true
///
///     [[upstream]]
///     url = "http://127.0.0.1:3000/upstream/{hub}/{category}/{event}"
///
///     [assumptions]
///     upstream_retry_delays_secs = [1, 1]
///     "#,
/// )?;
/// # let mut settings = settings;
/// # settings.http_port = 0;
/// let emulator = settings.builder().start().await?;
/// # let _ = emulator;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EmulatorSettings {
    /// [`EmulatorBuilder::https_port`]
    pub https_port: u16,
    /// [`EmulatorBuilder::http_port`]
    pub http_port: u16,
    /// [`EmulatorBuilder::authority_port`]
    pub authority_port: u16,
    /// [`EmulatorBuilder::identity_port`]
    pub identity_port: u16,
    /// [`EmulatorBuilder::proxy_port`]
    pub proxy_port: u16,
    /// [`EmulatorBuilder::plain_http`]
    pub plain_http: bool,
    /// [`EmulatorBuilder::host_name`], for each
    pub host_names: Vec<String>,
    /// [`EmulatorBuilder::disable_local_auth`]
    pub disable_local_auth: bool,
    /// [`EmulatorBuilder::access_keys`]
    pub access_keys: Option<AccessKeySettings>,
    /// [`EmulatorBuilder::allowed_origins`]
    pub allowed_origins: Option<Vec<String>>,
    /// The upstreams. The first that matches an event gets it.
    pub upstream: Vec<UpstreamSettings>,
    /// [`EmulatorBuilder::upstream_authority`] for each: certificates in PEM.
    pub upstream_authorities: Vec<String>,
    /// How it behaves where nobody knows how the service does.
    pub assumptions: AssumptionSettings,
}

/// The access keys of the resource.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AccessKeySettings {
    /// The primary key.
    pub primary: String,
    /// The secondary key.
    pub secondary: String,
}

impl fmt::Debug for AccessKeySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeySettings").finish_non_exhaustive()
    }
}

/// An item of the upstream settings. Patterns are those of [`UpstreamTemplate`]; without one, all match.
#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct UpstreamSettings {
    /// The address, with `{hub}`, `{category}` and `{event}` in path and query.
    pub url: String,
    /// The hubs.
    pub hub: Option<String>,
    /// The categories, `connections` and `messages`.
    pub category: Option<String>,
    /// The events.
    pub event: Option<String>,
    /// The audience of the token. By default that of [`EmulatorBuilder::upstream`].
    pub audience: Option<String>,
}

impl fmt::Debug for UpstreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, hub, category, event, audience } = self;
        f.debug_struct("UpstreamSettings")
            .field("url", &shown(url))
            .field("hub", hub)
            .field("category", category)
            .field("event", event)
            .field("audience", audience)
            .finish()
    }
}

impl EmulatorSettings {
    /// Adds an upstream for all events.
    #[must_use]
    pub fn with_upstream(mut self, url: &str) -> Self {
        self.upstream.push(UpstreamSettings { url: url.to_owned(), ..UpstreamSettings::default() });
        self
    }

    /// The builder with these settings. Its Entra has the names of the [public cloud](EmulatorBuilder::public_cloud), so
    /// that an app in another process finds it with [settings of the environment](crate::Settings::other_process) alone.
    pub fn builder(&self) -> EmulatorBuilder {
        let mut builder = Emulator::builder()
            .public_cloud()
            .proxy_port(self.proxy_port)
            .https_port(self.https_port)
            .http_port(self.http_port)
            .authority_port(self.authority_port)
            .identity_port(self.identity_port)
            .assumptions_of_file(self.assumptions.resolve());
        if self.plain_http {
            builder = builder.plain_http();
        }
        if self.disable_local_auth {
            builder = builder.disable_local_auth();
        }
        for name in &self.host_names {
            builder = builder.host_name(name);
        }
        if let Some(AccessKeySettings { primary, secondary }) = &self.access_keys {
            builder = builder.access_keys(primary, secondary);
        }
        if let Some(origins) = &self.allowed_origins {
            builder = builder.allowed_origins(origins.iter().map(String::as_str));
        }
        for upstream in &self.upstream {
            builder = match &upstream.audience {
                Some(audience) => builder.upstream_template(upstream.template().managed_identity(audience)),
                None => builder.upstream_of_mock(upstream.template()),
            };
        }
        for pem in &self.upstream_authorities {
            builder = builder.upstream_authority(pem);
        }
        builder
    }
}

impl UpstreamSettings {
    fn template(&self) -> UpstreamTemplate {
        let any = |pattern: &Option<String>| pattern.clone().unwrap_or_else(|| "*".to_owned());
        UpstreamTemplate::new(&self.url).hub(&any(&self.hub)).category(&any(&self.category)).event(&any(&self.event))
    }
}

/// Variables as a file for `docker run --env-file`, for `EnvironmentFile` of systemd, and for a shell that reads it with
/// `set -a; . FILE`: one `NAME=value` a line, nothing quoted.
///
/// The values of [`Settings`](crate::Settings) need no quotes: they are addresses, GUIDs and words. A connection string
/// holds `;`, which a shell would read; give it to the app in another way.
#[must_use]
pub fn env_file(variables: &Variables) -> String {
    variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_errors() {
        let fault = toml::from_str::<EmulatorSettings>("http_prt = 1").unwrap_err();
        assert!(fault.to_string().contains("http_prt"), "{fault}");
        let fault = toml::from_str::<EmulatorSettings>("[assumptions]\nkeep_alive = 1").unwrap_err();
        assert!(fault.to_string().contains("keep_alive"), "{fault}");
    }

    #[test]
    fn keys_are_not_debug_output() {
        let settings: EmulatorSettings =
            toml::from_str("access_keys = { primary = \"hidden-1\", secondary = \"hidden-2\" }").unwrap();
        assert_eq!(settings.access_keys.as_ref().unwrap().primary, "hidden-1");
        assert!(!format!("{settings:?}").contains("hidden"));
        let settings = settings.with_upstream("https://a.test/?code=hidden-3");
        assert!(!format!("{settings:?} {:?}", settings.builder()).contains("hidden"));
    }

    #[test]
    fn assumptions_differ_where_they_are_set() {
        let text = "[assumptions]\nclock_skew_secs = 5\nupstream_retry_delays_secs = []\nsign_upstream_calls = false";
        let settings: EmulatorSettings = toml::from_str(text).unwrap();
        let assumptions = settings.assumptions.resolve();
        assert_eq!(assumptions.clock_skew.as_secs(), 5);
        assert!(assumptions.upstream_retry_delays.is_empty() && !assumptions.sign_upstream_calls);
        assert!(assumptions.decode_slash);
    }

    #[test]
    fn env_file_has_one_variable_a_line() {
        let variables = Variables::from([("B".to_owned(), "2".to_owned()), ("A".to_owned(), "1".to_owned())]);
        assert_eq!(env_file(&variables), "A=1\nB=2\n");
    }
}

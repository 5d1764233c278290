//! Configuration from the environment or from a file.

mod cloud;
mod environment;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use cloud::CloudChoice;
use environment::{FIELDS, PREFIX, boolean, items, seconds, variable, warn_of_unlisted};

use crate::error::{ConfigError, ConfigFault};
use crate::keys::remote::timing::Timing;
use crate::keys::remote::{RemoteKeys, RemoteKeysBuilder};
use crate::middleware::layer::UpstreamAuthLayer;
use crate::policy::Policy;
use crate::policy::audience::Audiences;
use crate::policy::builder::skew_fault;
use crate::policy::callers::Callers;
use crate::policy::tenants::Tenants;

/// What an operator writes: policy and timing as environment variables or in a configuration file.
///
/// | Variable | Field | Value | Default |
/// |---|---|---|---|
/// | `SIGNALR_UPSTREAM_TENANT_IDS` | `tenant_ids` | tenant GUIDs | none: at least one |
/// | `SIGNALR_UPSTREAM_AUDIENCES` | `audiences` | client ids and App ID URIs | none: at least one |
/// | `SIGNALR_UPSTREAM_CALLER_OBJECT_IDS` | `caller_object_ids` | GUIDs of service principals (`oid`) | none: see below |
/// | `SIGNALR_UPSTREAM_CALLER_CLIENT_IDS` | `caller_client_ids` | GUIDs of applications (`appid`, `azp`) | none: see below |
/// | `SIGNALR_UPSTREAM_ALLOW_ANY_CALLER` | `allow_any_caller` | `true` or `false` | `false` |
/// | `SIGNALR_UPSTREAM_REQUIRED_ROLES` | `required_roles` | app roles, of which a caller needs one | none needed |
/// | `SIGNALR_UPSTREAM_CLOUD` | `cloud` | `public`, `us-government` or `china` | `public` |
/// | `SIGNALR_UPSTREAM_CLOCK_SKEW_SECS` | `clock_skew_secs` | 0 to 600 seconds | 300 |
/// | `SIGNALR_UPSTREAM_REFRESH_SECS` | `refresh_secs` | 1 to 43,200 seconds (12 hours) | 3,600 (1 hour) |
/// | `SIGNALR_UPSTREAM_REFETCH_COOLDOWN_SECS` | `refetch_cooldown_secs` | 0 seconds or more | 30 |
/// | `SIGNALR_UPSTREAM_KEY_RETENTION_SECS` | `key_retention_secs` | 0 to 604,800 seconds (7 days) | 86,400 (24 hours) |
/// | `SIGNALR_UPSTREAM_STALE_LIMIT_SECS` | `stale_limit_secs` | 1 to 604,800 seconds (7 days) | 86,400 (24 hours) |
/// | `SIGNALR_UPSTREAM_FETCH_TIMEOUT_SECS` | `fetch_timeout_secs` | 1 second or more | 5 |
///
/// A caller must be in the union of `caller_object_ids` and `caller_client_ids`. To name none, say
/// `allow_any_caller`; **that lets in every application of the tenants that can get a token for your
/// audience** ([`Callers::dangerous_any_in_tenant`]). To say it beside a list is an error. With several
/// tenants a caller on the list counts in each of them; where one tenant must not speak for another, build the
/// policy with [`Callers::tenant_object_ids`] instead.
///
/// What the durations govern is told at the methods of [`RemoteKeysBuilder`] that have their names.
///
/// # In the environment
///
/// Lists are separated by commas. Items are trimmed and empty items ignored; a list left empty counts as
/// missing, but for `required_roles`, where that is an error. Other values are read to the letter: no blanks around them, booleans and clouds in lower
/// case, seconds in digits. A variable that begins with `SIGNALR_UPSTREAM_` and is not in the table is
/// a `tracing` warning and no error, because Kubernetes injects such names for a service named
/// `signalr-upstream`.
///
/// # In a file
///
/// Settings are read by any format of serde. Lists are arrays of texts, treated as above; an unknown
/// field is an error. `cloud` may also be a map, for a [`Cloud::custom`](crate::Cloud::custom): `login`, `v1_issuer` and
/// `v2_issuer`, the list `document_hosts` ([`Cloud::with_document_host`](crate::Cloud::with_document_host)) and `label`
/// ([`Cloud::with_cloud_instance_name`](crate::Cloud::with_cloud_instance_name)), the last two optional.
///
/// ```
/// use signalr_upstream_auth::Settings;
///
/// let settings: Settings = toml::from_str(
///     r#"
///     tenant_ids = ["11111111-aaaa-4bbb-8ccc-222222222222"]
///     audiences = ["33333333-dddd-4eee-8fff-444444444444"]
///     caller_object_ids = ["77777777-4321-4cba-8fed-888888888888"]
///     refresh_secs = 1800
///     "#,
/// )?;
/// let auth = settings.into_layer()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What cannot be read ends [`from_vars`](Self::from_vars) or the deserialization; what can be read but
/// makes no sense ends [`policy`](Self::policy), [`remote_keys`](Self::remote_keys) and
/// [`into_layer`](Self::into_layer). A [`ConfigError`] holds all faults at once, those of the policy
/// and those of the timing, in the order of the table. It names each as the operator wrote it: by its
/// variable if the settings came from the environment, by its field otherwise.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    tenant_ids: Vec<String>,
    audiences: Vec<String>,
    caller_object_ids: Vec<String>,
    caller_client_ids: Vec<String>,
    allow_any_caller: bool,
    required_roles: Vec<String>,
    cloud: CloudChoice,
    clock_skew_secs: Option<u64>,
    refresh_secs: Option<u64>,
    refetch_cooldown_secs: Option<u64>,
    key_retention_secs: Option<u64>,
    stale_limit_secs: Option<u64>,
    fetch_timeout_secs: Option<u64>,
    #[serde(skip)]
    origin: Origin,
}

impl Settings {
    /// Reads the variables of this process.
    ///
    /// # Errors
    ///
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads variables from anywhere, such as a test. Names without the prefix are passed over. Of a name
    /// that comes twice the first counts, as for `getenv`.
    ///
    /// # Errors
    ///
    /// Names each variable that is not UTF-8, no boolean or no number. If there is one, the error holds
    /// what [`policy`](Self::policy) finds wrong with the others, too.
    pub fn from_vars<I>(vars: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut settings = Self { origin: Origin::Environment, ..Self::default() };
        let mut seen = Vec::new();
        let mut unreadable = Vec::new();
        for (name, value) in vars {
            let name = name.to_string_lossy();
            let Some(tail) = name.strip_prefix(PREFIX) else { continue };
            let Some(field) = FIELDS.into_iter().find(|field| variable(field) == *name) else {
                warn_of_unlisted(&name, tail);
                continue;
            };
            if seen.contains(&field) {
                continue;
            }
            seen.push(field);
            let read = match value.to_str() {
                Some(value) => settings.read(field, value),
                None => Err("the value is not UTF-8; write it anew in plain text".to_owned()),
            };
            unreadable.extend(read.err().map(|problem| ConfigFault::new(field, problem)));
        }
        if unreadable.is_empty() { Ok(settings) } else { settings.judge(unreadable).map(|_| settings) }
    }

    /// Whether any variable of the table is set, be it to nothing. For programs that do something else
    /// when they are not configured at all.
    #[must_use]
    pub fn is_configured_in<I>(vars: I) -> bool
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let listed = FIELDS.map(variable);
        vars.into_iter().any(|(name, _)| listed.iter().any(|listed| name == **listed))
    }

    /// The policy alone, for keys from elsewhere.
    ///
    /// # Errors
    ///
    /// Names every setting that is missing or wrong, those of the timing included.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        self.judge(Vec::new()).map(|(policy, _)| policy)
    }

    /// The keys, not built yet: for those who have something to add, such as
    /// [`configure_client`](RemoteKeysBuilder::configure_client), and then use
    /// [`UpstreamAuthLayer::with_keys`] with [`policy`](Self::policy).
    ///
    /// # Errors
    ///
    /// As [`policy`](Self::policy).
    pub fn remote_keys(&self) -> Result<RemoteKeysBuilder, ConfigError> {
        let (policy, timing) = self.judge(Vec::new())?;
        Ok(keys_of(&policy, timing))
    }

    /// The layer. No connection is made yet.
    ///
    /// # Errors
    ///
    /// As [`policy`](Self::policy), and as [`RemoteKeysBuilder::build`].
    pub fn into_layer(self) -> Result<UpstreamAuthLayer, ConfigError> {
        let (policy, timing) = self.judge(Vec::new())?;
        let keys = keys_of(&policy, timing).build().map_err(|error| self.as_written(error))?;
        Ok(UpstreamAuthLayer::with_keys(policy, Arc::new(keys)))
    }

    /// Reads one variable.
    fn read(&mut self, field: &str, value: &str) -> Result<(), String> {
        match field {
            "tenant_ids" => self.tenant_ids = items(value),
            "audiences" => self.audiences = items(value),
            "caller_object_ids" => self.caller_object_ids = items(value),
            "caller_client_ids" => self.caller_client_ids = items(value),
            "allow_any_caller" => self.allow_any_caller = boolean(value)?,
            "required_roles" => self.required_roles = items(value),
            "cloud" => self.cloud = CloudChoice::Named(value.to_owned()),
            "clock_skew_secs" => self.clock_skew_secs = Some(seconds(value)?),
            "refresh_secs" => self.refresh_secs = Some(seconds(value)?),
            "refetch_cooldown_secs" => self.refetch_cooldown_secs = Some(seconds(value)?),
            "key_retention_secs" => self.key_retention_secs = Some(seconds(value)?),
            "stale_limit_secs" => self.stale_limit_secs = Some(seconds(value)?),
            "fetch_timeout_secs" => self.fetch_timeout_secs = Some(seconds(value)?),
            _ => {}
        }
        Ok(())
    }

    /// Finds all that is wrong beside what could not be read.
    fn judge(&self, unreadable: Vec<ConfigFault>) -> Result<(Policy, Timing), ConfigError> {
        let tenants = Tenants::parse(&self.tenant_ids);
        let audiences = Audiences::parse(&self.audiences);
        let callers = self.callers();
        let cloud = self.cloud.judge();
        let skew = self.clock_skew_secs.map(Duration::from_secs);
        let (timing, timing_faults) = self.timing();
        let errors = [tenants.as_ref().err(), audiences.as_ref().err(), callers.as_ref().err(), cloud.as_ref().err()];
        // A value that could not be read is not missing.
        let is_unreadable = |found: &&ConfigFault| unreadable.iter().any(|known| known.field() == found.field());
        let mut faults: Vec<_> = errors
            .into_iter()
            .chain([timing_faults.as_ref()])
            .flatten()
            .flat_map(ConfigError::faults)
            .filter(|fault| !is_unreadable(fault))
            .cloned()
            .collect();
        faults.extend(skew.and_then(skew_fault));
        faults.extend(self.roles_fault());
        faults.extend(unreadable);
        faults.sort_by_key(|fault| FIELDS.iter().position(|field| fault.field().starts_with(field)));
        if let Some(error) = ConfigError::from_faults(faults) {
            return Err(self.as_written(error));
        }
        let roles = self.required_roles.iter().map(|role| role.trim()).filter(|role| !role.is_empty());
        let mut policy = Policy::builder(tenants?, audiences?, callers?).cloud(cloud?).required_roles(roles);
        if let Some(skew) = skew {
            policy = policy.clock_skew(skew);
        }
        Ok((policy.build().map_err(|error| self.as_written(error))?, timing))
    }

    /// The union of both lists. Without either, any caller, if that is what was asked for.
    fn callers(&self) -> Result<Callers, ConfigError> {
        let object_ids = is_given(&self.caller_object_ids).then(|| Callers::object_ids(&self.caller_object_ids));
        let client_ids = is_given(&self.caller_client_ids).then(|| Callers::client_ids(&self.caller_client_ids));
        let contradiction = (self.allow_any_caller && (object_ids.is_some() || client_ids.is_some())).then(|| {
            let [objects, clients] = ["caller_object_ids", "caller_client_ids"].map(|field| self.name_of(field));
            let problem = format!(
                "`true` contradicts a caller list: leave it out to keep the list, or empty {objects} and {clients}"
            );
            Err(ConfigError::new("allow_any_caller", problem))
        });
        [object_ids, client_ids, contradiction]
            .into_iter()
            .flatten()
            .reduce(|one, other| match (one, other) {
                (Ok(one), Ok(other)) => Ok(one.or(other)),
                (Err(one), Err(other)) => Err(one.join(other)),
                (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            })
            .unwrap_or_else(|| {
                if self.allow_any_caller { Ok(Callers::dangerous_any_in_tenant()) } else { Err(self.no_callers()) }
            })
    }

    fn no_callers(&self) -> ConfigError {
        let [clients, any] = ["caller_client_ids", "allow_any_caller"].map(|field| self.name_of(field));
        let problem = format!(
            "no caller is listed. Write the object (principal) id of the SignalR resource's identity: \
             `az signalr identity show`, or the portal's SignalR resource, Identity; or write its client id into \
             {clients}. Only with {any} set to `true` does the program start without either; any application of \
             the tenants that gets a token for your audience may call then"
        );
        ConfigError::new("caller_object_ids", problem)
    }

    /// Roles that got lost on their way here, as with a variable that is set to nothing, must not mean that
    /// none is demanded.
    fn roles_fault(&self) -> Option<ConfigFault> {
        let is_lost = !self.required_roles.is_empty() && !is_given(&self.required_roles);
        is_lost.then(|| ConfigFault::new("required_roles", "no role is named; write one, or leave the setting out"))
    }

    /// The durations, with what is wrong with them.
    fn timing(&self) -> (Timing, Option<ConfigError>) {
        let default = Timing::default();
        let or = |seconds: Option<u64>, default| seconds.map_or(default, Duration::from_secs);
        let timing = Timing {
            refresh: or(self.refresh_secs, default.refresh),
            refetch_cooldown: or(self.refetch_cooldown_secs, default.refetch_cooldown),
            key_retention: or(self.key_retention_secs, default.key_retention),
            stale_limit: or(self.stale_limit_secs, default.stale_limit),
            fetch_timeout: or(self.fetch_timeout_secs, default.fetch_timeout),
        };
        let faults = timing.check().err();
        (timing, faults)
    }

    /// The name under which the operator knows a field.
    fn name_of(&self, field: &str) -> String {
        match self.origin {
            Origin::Environment if FIELDS.contains(&field) => variable(field),
            Origin::Environment | Origin::File => field.to_owned(),
        }
    }

    fn as_written(&self, error: ConfigError) -> ConfigError {
        error.rename_fields(|field| self.name_of(field))
    }
}

impl UpstreamAuthLayer {
    /// The layer as the environment configures it: [`Settings::from_env`], then [`Settings::into_layer`].
    ///
    /// # Errors
    ///
    /// Every fault at once, each with its variable and what to write there. Printed as it is, by `{}` or
    /// by `{:?}` as `main` does, it is one line per fault.
    pub fn from_env() -> Result<Self, ConfigError> {
        Settings::from_env()?.into_layer()
    }
}

/// Where settings came from, which decides what a fault calls them.
#[derive(Clone, Copy, Debug, Default)]
enum Origin {
    Environment,
    #[default]
    File,
}

fn keys_of(policy: &Policy, timing: Timing) -> RemoteKeysBuilder {
    RemoteKeys::builder(policy)
        .refresh(timing.refresh)
        .refetch_cooldown(timing.refetch_cooldown)
        .key_retention(timing.key_retention)
        .stale_limit(timing.stale_limit)
        .fetch_timeout(timing.fetch_timeout)
}

fn is_given(items: &[String]) -> bool {
    items.iter().any(|item| !item.trim().is_empty())
}

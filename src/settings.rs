//! Configuration from the environment or from a file.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::error::{ConfigError, ConfigFault};
use crate::keys::remote::{RemoteKeys, RemoteKeysBuilder};
use crate::keys::timing::Timing;
use crate::layer::UpstreamAuthLayer;
use crate::policy::audience::Audiences;
use crate::policy::callers::Callers;
use crate::policy::cloud::Cloud;
use crate::policy::tenants::Tenants;
use crate::policy::{Policy, skew_fault};

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
/// audience** ([`Callers::dangerous_any_in_tenant`]). To say it beside a list is an error.
///
/// What the durations govern is told at the methods of [`RemoteKeysBuilder`] that have their names.
///
/// # In the environment
///
/// Lists are separated by commas. Items are trimmed and empty items ignored; a list left empty counts as
/// missing. Other values are read to the letter: no blanks around them, booleans and clouds in lower
/// case, seconds in digits. A variable that begins with `SIGNALR_UPSTREAM_` and is not in the table is
/// a `tracing` warning and no error, because Kubernetes injects such names for a service named
/// `signalr-upstream`.
///
/// # In a file
///
/// Settings are read by any format of serde. Lists are arrays of texts, treated as above; an unknown
/// field is an error. `cloud` may also be a map, for a [`Cloud::custom`]: `login`, `v1_issuer` and
/// `v2_issuer`, the list `document_hosts` ([`Cloud::with_document_host`]) and `label`
/// ([`Cloud::with_label`]), the last two optional.
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

/// A cloud by its name, or one that is described.
#[derive(Clone, Debug)]
enum CloudChoice {
    Named(String),
    Custom(CustomCloud),
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CustomCloud {
    login: String,
    v1_issuer: String,
    v2_issuer: String,
    document_hosts: Vec<String>,
    label: Option<String>,
}

impl Default for CloudChoice {
    fn default() -> Self {
        Self::Named(PUBLIC.to_owned())
    }
}

impl CloudChoice {
    fn judge(&self) -> Result<Cloud, ConfigError> {
        match self {
            Self::Named(name) => match name.as_str() {
                PUBLIC => Ok(Cloud::public()),
                "us-government" => Ok(Cloud::us_government()),
                "china" => Ok(Cloud::china()),
                other => Err(ConfigError::new(
                    "cloud",
                    format!("{} is not a cloud; write public, us-government or china", quoted(other)),
                )),
            },
            Self::Custom(custom) => custom.judge(),
        }
    }
}

impl CustomCloud {
    fn judge(&self) -> Result<Cloud, ConfigError> {
        let cloud = Cloud::custom(self.login.trim(), self.v1_issuer.trim(), self.v2_issuer.trim());
        let hosts = || self.document_hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty());
        // Whether a text is a host is the same for every cloud.
        let odd_hosts = hosts().filter_map(|host| Cloud::public().with_document_host(host).err());
        let odd_label = self.label.as_ref().filter(|label| label.trim().is_empty()).map(|_| {
            ConfigError::new(
                "cloud.label",
                "the label is blank; write the `cloud_instance_name` of the keys, or nothing",
            )
        });
        if let Some(error) = cloud.clone().err().into_iter().chain(odd_hosts).chain(odd_label).reduce(ConfigError::join)
        {
            return Err(error);
        }
        let cloud = hosts().try_fold(cloud?, Cloud::with_document_host)?;
        Ok(match &self.label {
            Some(label) => cloud.with_label(label.trim()),
            None => cloud,
        })
    }
}

impl<'de> Deserialize<'de> for CloudChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CloudVisitor)
    }
}

struct CloudVisitor;

impl<'de> Visitor<'de> for CloudVisitor {
    type Value = CloudChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`public`, `us-government`, `china` or a map with `login`, `v1_issuer` and `v2_issuer`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<CloudChoice, E> {
        Ok(CloudChoice::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CloudChoice, A::Error> {
        CustomCloud::deserialize(MapAccessDeserializer::new(map)).map(CloudChoice::Custom)
    }
}

fn keys_of(policy: &Policy, timing: Timing) -> RemoteKeysBuilder {
    RemoteKeys::builder(policy)
        .refresh(timing.refresh)
        .refetch_cooldown(timing.refetch_cooldown)
        .key_retention(timing.key_retention)
        .stale_limit(timing.stale_limit)
        .fetch_timeout(timing.fetch_timeout)
}

fn items(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

fn is_given(items: &[String]) -> bool {
    items.iter().any(|item| !item.trim().is_empty())
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{} is neither `true` nor `false`; write one of the two", quoted(other))),
    }
}

fn seconds(value: &str) -> Result<u64, String> {
    // `parse` alone would take a sign.
    let number = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| format!("{} is not a number of seconds; write digits only, like 300", quoted(value)))
}

fn quoted(value: &str) -> String {
    if value.is_empty() { "an empty value".to_owned() } else { format!("`{}`", value.escape_debug()) }
}

fn variable(field: &str) -> String {
    format!("{PREFIX}{}", field.to_ascii_uppercase())
}

/// The value is none of our business; it may be anybody's.
fn warn_of_unlisted(name: &str, tail: &str) {
    let meant = nearest(tail).map(variable);
    tracing::warn!(variable = %name.escape_debug(), did_you_mean = meant, "this variable is no setting and is ignored");
}

/// The field that a name was probably meant to be: at most a third of it is written otherwise.
fn nearest(tail: &str) -> Option<&'static str> {
    let tail = tail.to_ascii_lowercase();
    FIELDS
        .into_iter()
        .map(|field| (distance(&tail, field), field))
        .filter(|(distance, field)| distance * 3 <= field.len())
        .min()
        .map(|(_, field)| field)
}

/// How many characters to add, drop or change to make one text of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, byte) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

const PREFIX: &str = "SIGNALR_UPSTREAM_";
const PUBLIC: &str = "public";

/// The fields, in the order of the table. Upper case makes variables of them.
const FIELDS: [&str; 13] = [
    "tenant_ids",
    "audiences",
    "caller_object_ids",
    "caller_client_ids",
    "allow_any_caller",
    "required_roles",
    "cloud",
    "clock_skew_secs",
    "refresh_secs",
    "refetch_cooldown_secs",
    "key_retention_secs",
    "stale_limit_secs",
    "fetch_timeout_secs",
];

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
    const AUDIENCE: &str = "33333333-dddd-4eee-8fff-444444444444";
    const OBJECT: &str = "77777777-4321-4cba-8fed-888888888888";
    const CLIENT: &str = "55555555-1234-4abc-9def-666666666666";

    /// The tails of variables with their values, made into an environment.
    fn vars(tails: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        tails.iter().map(|(tail, value)| (format!("{PREFIX}{tail}").into(), value.into())).collect()
    }

    /// Good variables with some changed; `None` leaves one out.
    fn changed(changes: &[(&str, Option<&str>)]) -> Vec<(OsString, OsString)> {
        let mut all = vec![("TENANT_IDS", TENANT), ("AUDIENCES", AUDIENCE), ("CALLER_OBJECT_IDS", OBJECT)];
        for (tail, value) in changes {
            all.retain(|(kept, _)| kept != tail);
            all.extend(value.map(|value| (*tail, value)));
        }
        vars(&all)
    }

    fn judged(vars: Vec<(OsString, OsString)>) -> Result<(Policy, Timing), ConfigError> {
        Settings::from_vars(vars)?.judge(Vec::new())
    }

    fn faults(error: &ConfigError) -> Vec<String> {
        error.faults().map(ToString::to_string).collect()
    }

    fn fields(error: &ConfigError) -> Vec<&str> {
        error.faults().map(ConfigFault::field).collect()
    }

    #[test]
    fn three_variables_suffice_and_the_rest_has_defaults() {
        let (policy, timing) = judged(changed(&[])).unwrap();
        assert_eq!(policy.tenants().iter().map(ToString::to_string).collect::<Vec<_>>(), [TENANT]);
        assert_eq!(policy.cloud(), &Cloud::public());
        assert_eq!(timing, Timing::default());
        let printed = format!("{policy:?}");
        assert!(printed.contains("clock_skew: 300s") && printed.contains("RequiredRoles([])"), "{printed}");
        assert!(Settings::from_vars(changed(&[])).unwrap().into_layer().is_ok());
    }

    #[test]
    fn every_variable_arrives_where_it_counts() {
        let all = vars(&[
            ("TENANT_IDS", &format!(" {} , , 11111111-aaaa-4bbb-8ccc-333333333333", TENANT.to_uppercase())),
            ("AUDIENCES", &format!("{AUDIENCE}, api://signalr")),
            ("CALLER_OBJECT_IDS", &format!("{OBJECT},")),
            ("CALLER_CLIENT_IDS", CLIENT),
            ("ALLOW_ANY_CALLER", "false"),
            ("REQUIRED_ROLES", "Upstream.Call, Other Role ,,"),
            ("CLOUD", "us-government"),
            ("CLOCK_SKEW_SECS", "0"),
            ("REFRESH_SECS", "43200"),
            ("REFETCH_COOLDOWN_SECS", "0"),
            ("KEY_RETENTION_SECS", "0"),
            ("STALE_LIMIT_SECS", "604800"),
            ("FETCH_TIMEOUT_SECS", "1"),
        ]);
        assert_eq!(all.len(), FIELDS.len());
        let (policy, timing) = judged(all).unwrap();
        assert_eq!(policy.cloud(), &Cloud::us_government());
        assert_eq!(policy.tenants().iter().count(), 2);
        let printed = format!("{policy:?}");
        for part in [
            "Uri(\"api://signalr\")",
            AUDIENCE,
            OBJECT,
            CLIENT,
            "[\"Upstream.Call\", \"Other Role\"]",
            "clock_skew: 0ns",
        ] {
            assert!(printed.contains(part), "{part} in {printed}");
        }
        let seconds = Duration::from_secs;
        let expected = Timing {
            refresh: seconds(43_200),
            refetch_cooldown: Duration::ZERO,
            key_retention: Duration::ZERO,
            stale_limit: seconds(604_800),
            fetch_timeout: seconds(1),
        };
        assert_eq!(timing, expected);
    }

    #[test]
    fn the_clouds_are_named_exactly() {
        for (name, cloud) in
            [("public", Cloud::public()), ("us-government", Cloud::us_government()), ("china", Cloud::china())]
        {
            assert_eq!(judged(changed(&[("CLOUD", Some(name))])).unwrap().0.cloud(), &cloud);
        }
    }

    #[test]
    fn any_caller_is_asked_for_in_so_many_words() {
        let any = changed(&[("CALLER_OBJECT_IDS", None), ("ALLOW_ANY_CALLER", Some("true"))]);
        assert!(format!("{:?}", judged(any).unwrap().0).contains("AnyInTenant"));
        let empty = changed(&[("CALLER_OBJECT_IDS", Some(" , ")), ("ALLOW_ANY_CALLER", Some("true"))]);
        assert!(format!("{:?}", judged(empty).unwrap().0).contains("AnyInTenant"));
        let clients = changed(&[("CALLER_OBJECT_IDS", None), ("CALLER_CLIENT_IDS", Some(CLIENT))]);
        assert!(!format!("{:?}", judged(clients).unwrap().0).contains("AnyInTenant"));
    }

    #[test]
    fn every_fault_names_its_variable_and_what_to_write() {
        for (tail, value, says) in [
            ("TENANT_IDS", None, "write the GUID of the tenant"),
            ("TENANT_IDS", Some(" ,"), "write the GUID of the tenant"),
            ("TENANT_IDS", Some("common"), "az account show"),
            ("TENANT_IDS", Some("contoso.onmicrosoft.com"), "domain name; write the tenant's GUID"),
            ("TENANT_IDS", Some("{11111111-aaaa-4bbb-8ccc-222222222222}"), "no braces"),
            ("AUDIENCES", None, "write the client id or the App ID URI"),
            ("AUDIENCES", Some(""), "write the client id or the App ID URI"),
            ("AUDIENCES", Some("signalr"), "neither a client id"),
            ("AUDIENCES", Some("https://graph.microsoft.com"), "Microsoft Graph"),
            ("CALLER_OBJECT_IDS", Some("x"), "not a GUID"),
            ("CALLER_CLIENT_IDS", Some("x"), "not a GUID"),
            ("ALLOW_ANY_CALLER", Some("yes"), "`yes` is neither `true` nor `false`"),
            ("ALLOW_ANY_CALLER", Some("True"), "neither"),
            ("ALLOW_ANY_CALLER", Some("1"), "neither"),
            ("ALLOW_ANY_CALLER", Some(" true"), "neither"),
            ("ALLOW_ANY_CALLER", Some(""), "an empty value is neither `true` nor `false`"),
            ("CLOUD", Some("Public"), "`Public` is not a cloud; write public, us-government or china"),
            ("CLOUD", Some(""), "an empty value is not a cloud; write public, us-government or china"),
            ("CLOUD", Some("custom"), "write public, us-government or china"),
            ("CLOCK_SKEW_SECS", Some("601"), "write 0 to 600 seconds"),
            ("CLOCK_SKEW_SECS", Some("-1"), "`-1` is not a number of seconds; write digits only"),
            ("CLOCK_SKEW_SECS", Some("+1"), "write digits only"),
            ("CLOCK_SKEW_SECS", Some("5m"), "write digits only"),
            ("CLOCK_SKEW_SECS", Some("1.5"), "write digits only"),
            ("CLOCK_SKEW_SECS", Some(" 5"), "write digits only"),
            ("CLOCK_SKEW_SECS", Some(""), "an empty value is not a number of seconds"),
            ("REFRESH_SECS", Some("0"), "write 1 to 43200 seconds"),
            ("REFRESH_SECS", Some("43201"), "write 1 to 43200 seconds"),
            ("REFRESH_SECS", Some("99999999999999999999"), "write digits only"),
            ("REFETCH_COOLDOWN_SECS", Some("x"), "write digits only"),
            ("KEY_RETENTION_SECS", Some("604801"), "write 0 to 604800 seconds"),
            ("STALE_LIMIT_SECS", Some("0"), "write 1 to 604800 seconds"),
            ("STALE_LIMIT_SECS", Some("604801"), "write 1 to 604800 seconds"),
            ("FETCH_TIMEOUT_SECS", Some("0"), "write at least 1 second"),
        ] {
            let error = judged(changed(&[(tail, value)])).unwrap_err();
            let faults = faults(&error);
            assert_eq!(faults.len(), 1, "{tail} {value:?}: {faults:?}");
            assert!(faults[0].starts_with(&format!("{PREFIX}{tail}: ")) && faults[0].contains(says), "{faults:?}");
        }
    }

    #[test]
    fn a_program_without_callers_is_told_of_all_three_ways() {
        for changes in [
            &[("CALLER_OBJECT_IDS", None)][..],
            &[("CALLER_OBJECT_IDS", Some(" ,"))],
            &[("CALLER_OBJECT_IDS", None), ("CALLER_CLIENT_IDS", Some(""))],
            &[("CALLER_OBJECT_IDS", None), ("ALLOW_ANY_CALLER", Some("false"))],
        ] {
            let faults = faults(&judged(changed(changes)).unwrap_err());
            let [fault] = &faults[..] else { panic!("{faults:?}") };
            assert!(fault.starts_with("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS: no caller is listed"), "{fault}");
            assert!(fault.contains("SIGNALR_UPSTREAM_CALLER_CLIENT_IDS"), "{fault}");
            assert!(fault.contains("SIGNALR_UPSTREAM_ALLOW_ANY_CALLER set to `true`"), "{fault}");
        }
        let faults = faults(&toml("").policy().unwrap_err());
        assert!(faults[2].starts_with("caller_object_ids: no caller is listed"), "{faults:?}");
        assert!(faults[2].contains("into caller_client_ids") && faults[2].contains("Only with allow_any_caller"));
        assert!(!faults.concat().contains(PREFIX), "{faults:?}");
    }

    #[test]
    fn any_caller_beside_a_list_is_a_fault() {
        for tail in ["CALLER_OBJECT_IDS", "CALLER_CLIENT_IDS"] {
            let faults =
                faults(&judged(changed(&[(tail, Some(OBJECT)), ("ALLOW_ANY_CALLER", Some("true"))])).unwrap_err());
            let [fault] = &faults[..] else { panic!("{faults:?}") };
            assert!(fault.starts_with("SIGNALR_UPSTREAM_ALLOW_ANY_CALLER: `true` contradicts"), "{fault}");
            assert!(fault.contains("CALLER_OBJECT_IDS and SIGNALR_UPSTREAM_CALLER_CLIENT_IDS"), "{fault}");
        }
    }

    #[test]
    fn all_faults_come_at_once_in_the_order_of_the_table() {
        let all = vars(&[
            ("FETCH_TIMEOUT_SECS", "0"),
            ("STALE_LIMIT_SECS", "0"),
            ("KEY_RETENTION_SECS", "604801"),
            ("REFETCH_COOLDOWN_SECS", "x"),
            ("REFRESH_SECS", "0"),
            ("CLOCK_SKEW_SECS", "601"),
            ("CLOUD", "x"),
            ("ALLOW_ANY_CALLER", "true"),
            ("CALLER_CLIENT_IDS", "x"),
            ("CALLER_OBJECT_IDS", "x,y"),
            ("AUDIENCES", "x"),
        ]);
        let error = judged(all).unwrap_err();
        let expected: Vec<_> = FIELDS.iter().filter(|field| **field != "required_roles").map(|f| variable(f)).collect();
        let mut found = fields(&error);
        found.dedup();
        assert_eq!(found, expected);
        assert_eq!(error.to_string().lines().count(), expected.len() + 1, "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf8_is_a_fault_and_not_missing() {
        use std::os::unix::ffi::OsStringExt;

        for field in FIELDS {
            let mut vars = changed(&[]);
            vars.insert(0, (variable(field).into(), OsString::from_vec(b"\xff".to_vec())));
            let error = Settings::from_vars(vars).unwrap_err();
            let faults = faults(&error);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with(&format!("{}: the value is not UTF-8", variable(field))), "{faults:?}");
        }
    }

    #[test]
    fn of_a_name_that_comes_twice_the_first_counts() {
        let mut vars = changed(&[]);
        vars.extend(changed(&[("TENANT_IDS", Some("common")), ("CALLER_OBJECT_IDS", Some(CLIENT))]));
        assert!(format!("{:?}", judged(vars).unwrap().0).contains(OBJECT));
    }

    #[test]
    fn set_to_nothing_counts_as_set_and_other_names_do_not_count() {
        for field in FIELDS {
            assert!(Settings::is_configured_in([(variable(field).into(), OsString::new())]), "{field}");
        }
        for name in ["LISTEN_ADDR", "PATH", "SIGNALR_UPSTREAM_", "SIGNALR_UPSTREAM_PORT", "signalr_upstream_cloud"] {
            assert!(!Settings::is_configured_in([(name.into(), "x".into())]), "{name}");
        }
    }

    fn toml(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    const GOOD: &str = r#"
        tenant_ids = ["11111111-aaaa-4bbb-8ccc-222222222222", " "]
        audiences = ["api://signalr"]
        caller_object_ids = [" 77777777-4321-4cba-8fed-888888888888 "]
    "#;

    #[test]
    fn toml_and_json_are_read_alike() {
        let text = format!(
            "{GOOD}
            caller_client_ids = [\"{CLIENT}\"]
            allow_any_caller = false
            required_roles = [\"Upstream.Call\", \" \"]
            cloud = \"china\"
            clock_skew_secs = 1
            refresh_secs = 2
            refetch_cooldown_secs = 3
            key_retention_secs = 4
            stale_limit_secs = 5
            fetch_timeout_secs = 6"
        );
        let json = serde_json::json!({
            "tenant_ids": [TENANT, " "],
            "audiences": ["api://signalr"],
            "caller_object_ids": [format!(" {OBJECT} ")],
            "caller_client_ids": [CLIENT],
            "allow_any_caller": false,
            "required_roles": ["Upstream.Call", " "],
            "cloud": "china",
            "clock_skew_secs": 1,
            "refresh_secs": 2,
            "refetch_cooldown_secs": 3,
            "key_retention_secs": 4,
            "stale_limit_secs": 5,
            "fetch_timeout_secs": 6,
        });
        let from_json: Settings = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(format!("{:?}", toml(&text)), format!("{from_json:?}"));
        let (policy, timing) = from_json.judge(Vec::new()).unwrap();
        assert_eq!(policy.cloud(), &Cloud::china());
        assert!(format!("{policy:?}").contains("RequiredRoles([\"Upstream.Call\"])"));
        let seconds = [timing.refresh, timing.refetch_cooldown, timing.key_retention, timing.stale_limit];
        assert_eq!(seconds.map(|wait| wait.as_secs()), [2, 3, 4, 5]);
        assert_eq!(timing.fetch_timeout.as_secs(), 6);
        assert_eq!(json.as_object().unwrap().len(), FIELDS.len());
        assert!(FIELDS.iter().all(|field| json.get(field).is_some()));
        assert!(toml(GOOD).into_layer().is_ok());
    }

    #[test]
    fn a_file_with_an_unknown_field_or_a_wrong_type_is_refused() {
        for odd in [
            "tenant_id = []",
            "origin = \"Environment\"",
            "tenant_ids = \"x\"",
            "allow_any_caller = \"true\"",
            "refresh_secs = \"5\"",
            "refresh_secs = -5",
            "refresh_secs = 1.5",
            "cloud = 1",
            "cloud = { login = \"https://login.example\", issuer = \"x\" }",
        ] {
            let error = toml::from_str::<Settings>(odd).unwrap_err().to_string();
            let name = odd.split(' ').next().unwrap();
            assert!(error.contains(name), "{odd}: {error}");
        }
    }

    #[test]
    fn faults_of_a_file_have_the_names_of_its_fields() {
        let error = toml("tenant_ids = [\"x\"]\ncloud = \"x\"\nclock_skew_secs = 601\nrefresh_secs = 0").policy();
        let error = error.unwrap_err();
        let expected = ["tenant_ids", "audiences", "caller_object_ids", "cloud", "clock_skew_secs", "refresh_secs"];
        assert_eq!(fields(&error), expected);
        assert_eq!(fields(&toml("").into_layer().unwrap_err()), expected[..3]);
        assert_eq!(fields(&toml("").remote_keys().err().unwrap()), expected[..3]);
    }

    #[test]
    fn a_file_may_describe_a_cloud() {
        let cloud = r#"
            [cloud]
            login = "https://login.example"
            v1_issuer = "https://sts.example/{tenantid}/"
            v2_issuer = "https://login.example/{tenantid}/v2.0"
            document_hosts = ["keys.example", " "]
            label = "example"
        "#;
        let expected = Cloud::custom(
            "https://login.example",
            "https://sts.example/{tenantid}/",
            "https://login.example/{tenantid}/v2.0",
        );
        let expected = expected.unwrap().with_document_host("keys.example").unwrap().with_label("example");
        assert_eq!(toml(&format!("{GOOD}{cloud}")).policy().unwrap().cloud(), &expected);
        let odd = "[cloud]\ndocument_hosts = [\"a b\", \"c d\"]\nlabel = \" \"";
        let error = toml(&format!("{GOOD}{odd}")).policy().unwrap_err();
        let expected = [
            "cloud.login",
            "cloud.v1_issuer",
            "cloud.v2_issuer",
            "cloud.document_hosts",
            "cloud.document_hosts",
            "cloud.label",
        ];
        assert_eq!(fields(&error), expected);
    }

    /// What is logged while `run` runs.
    fn logged(run: impl FnOnce()) -> String {
        struct Sink(Arc<Mutex<Vec<u8>>>);

        impl io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || Sink(Arc::clone(&sink)))
            .finish();
        tracing::subscriber::with_default(subscriber, run);
        String::from_utf8(log.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_unlisted_name_is_a_warning_without_its_value() {
        for (tail, meant) in [
            ("TENANT_ID", Some("TENANT_IDS")),
            ("TENANTS", Some("TENANT_IDS")),
            ("tenant_ids", Some("TENANT_IDS")),
            ("AUDIENCE", Some("AUDIENCES")),
            ("CALLER_OBJECTIDS", Some("CALLER_OBJECT_IDS")),
            ("CALLER_CLIENT_ID", Some("CALLER_CLIENT_IDS")),
            ("REFRESH_SECONDS", Some("REFRESH_SECS")),
            ("CLOUDS", Some("CLOUD")),
            ("PORT", None),
            ("PORT_80_TCP_ADDR", None),
            ("SERVICE_HOST", None),
            ("", None),
        ] {
            let log = logged(|| {
                let mut all = changed(&[]);
                all.extend(vars(&[(tail, "hunter2")]));
                all.push(("PATH".into(), "hunter2".into()));
                assert!(judged(all).is_ok());
            });
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(log.contains("WARN") && log.contains(&format!("variable={PREFIX}{tail}")), "{log}");
            assert_eq!(log.contains("did_you_mean"), meant.is_some(), "{log}");
            assert!(meant.is_none_or(|meant| log.contains(&format!("did_you_mean=\"{PREFIX}{meant}\""))), "{log}");
            assert!(!log.contains("hunter2"), "{log}");
        }
        assert_eq!(logged(|| drop(judged(changed(&[])))), "");
    }
}

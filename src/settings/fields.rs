//! The table of settings. A row is all there is to a setting: its field, variable, documentation, value and reading.
//! To add one, add a row here and say in [`Settings::validate`] what it does.

use super::cloud::CloudChoice;
use super::value::Value;
use crate::cloud::Cloud;

/// Declares [`Settings`] with a setter for each field, and [`Field`] with the name and the variable of each.
macro_rules! settings {
    (
        $(#[$before:meta])*
        {
            $($field:ident: $kind:ident, $variant:ident, $variable:literal, $value:literal, $default:literal;)+
        }
        $(#[$after:meta])*
    ) => {
        $(#[$before])*
        $(#[doc = concat!("| `", $variable, "` | `", stringify!($field), "` | ", $value, " | ", $default, " |")])+
        $(#[$after])*
        #[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $(
                #[serde(skip_serializing_if = "is_default")]
                pub(super) $field: value!($kind),
            )+
            #[serde(skip)]
            pub(super) names: FieldNames,
        }

        /// Settings in code. Each method sets the field of its name and takes what an operator writes there.
        impl Settings {
            $(setter!($kind, $field, concat!("Sets `", stringify!($field), "`: ", $value, ". Default: ", $default, "."));)+
        }

        /// One field of [`Settings`], in the order of the table.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub(super) enum Field {
            $($variant,)+
        }

        impl Field {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in a file.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }

            /// The name in the environment.
            pub(super) const fn variable(self) -> &'static str {
                match self { $(Self::$variant => $variable,)+ }
            }

            /// The value and the default, as the table documents them.
            #[cfg(test)]
            pub(super) const fn documented(self) -> (&'static str, &'static str) {
                match self { $(Self::$variant => ($value, $default),)+ }
            }
        }

        impl Settings {
            /// Sets a field to the value of its variable.
            ///
            /// # Errors
            ///
            /// What is wrong with the value and what to write instead.
            pub(super) fn read(&mut self, field: Field, value: &str) -> Result<(), String> {
                match field { $(Field::$variant => self.$field = Value::read(value)?,)+ }
                Ok(())
            }
        }
    };
}

/// The type of a kind of value.
macro_rules! value {
    (list) => { Vec<String> };
    // A list that means something else when it is left out than when it is empty.
    (some_list) => { Option<Vec<String>> };
    (flag) => { bool };
    (cloud) => { CloudChoice };
    (seconds) => { Option<u64> };
    (switch) => { Option<bool> };
}

/// The setter of a kind of value.
macro_rules! setter {
    (list, $field:ident, $doc:expr) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field<I>(mut self, items: I) -> Self
        where
            I: IntoIterator<Item: ToString>,
        {
            self.$field = items.into_iter().map(|item| item.to_string()).collect();
            self
        }
    };
    (some_list, $field:ident, $doc:expr) => {
        #[doc = $doc]
        ///
        /// An empty list is an error.
        #[must_use]
        pub fn $field<I>(mut self, items: I) -> Self
        where
            I: IntoIterator<Item: ToString>,
        {
            self.$field = Some(items.into_iter().map(|item| item.to_string()).collect());
            self
        }
    };
    (flag, $field:ident, $doc:expr) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field(mut self, value: bool) -> Self {
            self.$field = value;
            self
        }
    };
    // A flag that is on by default.
    (switch, $field:ident, $doc:expr) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field(mut self, value: bool) -> Self {
            self.$field = Some(value);
            self
        }
    };
    (cloud, $field:ident, $doc:expr) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field(mut self, cloud: Cloud) -> Self {
            self.$field = CloudChoice::Built(cloud);
            self
        }
    };
    (seconds, $field:ident, $doc:expr) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field(mut self, seconds: u64) -> Self {
            self.$field = Some(seconds);
            self
        }
    };
}

settings! {
    /// Policy and timing as an operator writes them: in environment variables, in a configuration file, or in code.
    ///
    /// | Variable | Field | Value | Default |
    /// |---|---|---|---|
    {
        tenant_ids: list, TenantIds, "SIGNALR_UPSTREAM_TENANT_IDS",
            "tenant GUIDs", "none: at least one";
        audiences: list, Audiences, "SIGNALR_UPSTREAM_AUDIENCES",
            "client ids and App ID URIs", "none: at least one";
        caller_object_ids: list, CallerObjectIds, "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS",
            "GUIDs of service principals (`oid`), or pairs `tenant/object`", "none: see below";
        caller_client_ids: list, CallerClientIds, "SIGNALR_UPSTREAM_CALLER_CLIENT_IDS",
            "GUIDs of applications (`appid`, `azp`)", "none: see below";
        allow_any_caller: flag, AllowAnyCaller, "SIGNALR_UPSTREAM_ALLOW_ANY_CALLER",
            "`true` or `false`", "`false`";
        required_roles: some_list, RequiredRoles, "SIGNALR_UPSTREAM_REQUIRED_ROLES",
            "app roles; a caller needs one of them", "none required";
        revoked_keys: some_list, RevokedKeys, "SIGNALR_UPSTREAM_REVOKED_KEYS",
            "ids (`kid`) of keys that are rejected from the start", "none";
        cloud: cloud, Cloud, "SIGNALR_UPSTREAM_CLOUD",
            "`public`, `us-government` or `china`", "`public`";
        clock_skew_secs: seconds, ClockSkewSecs, "SIGNALR_UPSTREAM_CLOCK_SKEW_SECS",
            "0 to 600 seconds", "300";
        refresh_secs: seconds, RefreshSecs, "SIGNALR_UPSTREAM_REFRESH_SECS",
            "1 to 43,200 seconds (12 hours)", "3,600 (1 hour)";
        refetch_cooldown_secs: seconds, RefetchCooldownSecs, "SIGNALR_UPSTREAM_REFETCH_COOLDOWN_SECS",
            "at least 1 second", "30";
        key_retention_secs: seconds, KeyRetentionSecs, "SIGNALR_UPSTREAM_KEY_RETENTION_SECS",
            "0 to 604,800 seconds (7 days)", "86,400 (24 hours)";
        stale_limit_secs: seconds, StaleLimitSecs, "SIGNALR_UPSTREAM_STALE_LIMIT_SECS",
            "1 to 604,800 seconds (7 days)", "86,400 (24 hours)";
        fetch_timeout_secs: seconds, FetchTimeoutSecs, "SIGNALR_UPSTREAM_FETCH_TIMEOUT_SECS",
            "1 to 60 seconds", "10";
        explain_rejections_secs: seconds, ExplainRejectionsSecs, "SIGNALR_UPSTREAM_EXPLAIN_REJECTIONS_SECS",
            "seconds between two explanations of a kind in the log", "0: none";
        log_unverified_fields: switch, LogUnverifiedFields, "SIGNALR_UPSTREAM_LOG_UNVERIFIED_FIELDS",
            "`true` or `false`: whether events on rejections contain fields of the token", "`true`";
    }
    ///
    /// A caller must be in `caller_object_ids` or `caller_client_ids`. To name none, set `allow_any_caller`; **that
    /// accepts every application of the tenants that can get a token for your audience**
    /// ([`Callers::dangerous_any_in_tenant`](crate::Callers::dangerous_any_in_tenant)). Together with a list it is an
    /// error. A listed id counts in each tenant. With several tenants write pairs of tenant and object id into
    /// `caller_object_ids`, so that one tenant cannot act for another: `tenant/object`, two GUIDs. An id without a tenant
    /// beside several tenants causes a `tracing` warning.
    ///
    /// The methods of [`RemoteKeysBuilder`](crate::keys::RemoteKeysBuilder) document what each duration governs, and
    /// [`UpstreamAuthLayer::explain_rejections`](crate::UpstreamAuthLayer::explain_rejections) and
    /// [`UpstreamAuthLayer::log_unverified_fields`](crate::UpstreamAuthLayer::log_unverified_fields) what the log then
    /// shows. The two settings of the log have effect in [`into_layer`](Self::into_layer) only.
    ///
    /// # In the environment
    ///
    /// Commas separate the items of a list. Items are trimmed and empty items ignored. An empty list counts as
    /// missing, except for `required_roles` and `revoked_keys`, where it is an error: also in a file and in code. Other
    /// values are read exactly: no surrounding blanks, booleans and clouds in lower case, seconds in digits.
    ///
    /// A variable whose name is almost one of the table is an error that names the right one: a wrong letter, a missing
    /// plural, a word left out, another case. To ignore it could mean to accept more callers than you intend. Any other
    /// variable that begins with `SIGNALR_UPSTREAM_` causes a `tracing` warning. It is not an error, because Kubernetes
    /// injects such names (`…_SERVICE_HOST`, `…_PORT…`) for a service named `signalr-upstream`.
    ///
    /// # In a file
    ///
    /// Any format of serde can hold settings. Lists are arrays of texts, with the same rules. An unknown field is an
    /// error. `cloud` may also be a map, for a [`Cloud::custom`](crate::Cloud::custom): `login`, `v1_issuer`,
    /// `v2_issuer`, and optionally the list `document_hosts`
    /// ([`Cloud::with_document_host`](crate::Cloud::with_document_host)) and `cloud_instance_name`
    /// ([`Cloud::with_cloud_instance_name`](crate::Cloud::with_cloud_instance_name)). `Serialize` writes the same
    /// form and leaves out what has its default.
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
    /// # In code
    ///
    /// Each field has a method. A list takes texts or typed ids.
    ///
    /// ```
    /// use signalr_upstream_auth::{Cloud, Settings, TenantId};
    ///
    /// let tenant: TenantId = "11111111-aaaa-4bbb-8ccc-222222222222".parse()?;
    /// let settings = Settings::default()
    ///     .tenant_ids([tenant])
    ///     .audiences(["api://signalr"])
    ///     .caller_object_ids(["77777777-4321-4cba-8fed-888888888888"])
    ///     .cloud(Cloud::us_government());
    /// assert_eq!(settings.policy()?.cloud(), &Cloud::us_government());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A value that cannot be read is an error of [`from_vars`](Self::from_vars) or of the deserialization. A value
    /// that can be read but is wrong is an error of [`policy`](Self::policy), [`remote_keys`](Self::remote_keys) and
    /// [`into_layer`](Self::into_layer). A [`ConfigError`](crate::ConfigError) holds all faults at once, of the policy
    /// and of the timing, in the order of the table. It names each as you wrote it: by its variable if the settings
    /// came from the environment, otherwise by its field.
}

impl Field {
    /// The field that a fault is about. A fault of `cloud.login` is about `cloud`.
    pub(super) fn of_fault(name: &str) -> Option<Self> {
        let (name, _) = name.split_once('.').unwrap_or((name, ""));
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

/// How errors name the fields of [`Settings`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum FieldNames {
    Variables,
    #[default]
    Fields,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

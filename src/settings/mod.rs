//! Configuration from the environment, from a file or from code.

mod cloud;
mod environment;
mod fields;
#[cfg(test)]
mod tests;
mod value;

use std::ffi::OsString;
use std::time::Duration;

use environment::{Variable, misspelt, warn_of_unknown};
pub use fields::Settings;
use fields::{Field, FieldNames};

use crate::error::{ConfigError, ConfigFault};
use crate::ids::KeyId;
use crate::keys::remote::timing::Timing;
use crate::keys::remote::{RemoteKeys, RemoteKeysBuilder};
use crate::middleware::layer::UpstreamAuthLayer;
use crate::policy::Policy;
use crate::policy::audience::Audiences;
use crate::policy::builder::{revoked_key_fault, skew_fault};
use crate::policy::callers::{Caller, Callers};
use crate::policy::tenants::Tenants;
use crate::telemetry::events;

impl Settings {
    /// Reads the variables of this process.
    ///
    /// # Errors
    ///
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads variables from any source, such as a test. Names without the prefix are skipped. If a name occurs
    /// twice, the first value counts, as for `getenv`.
    ///
    /// # Errors
    ///
    /// Names each variable that is misspelt, not UTF-8, not a boolean or not a number. If there is one, the error also holds
    /// what [`policy`](Self::policy) reports about the others.
    pub fn from_vars<I>(vars: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut settings = Self { names: FieldNames::Variables, ..Self::default() };
        let mut seen = Vec::new();
        let mut unreadable = Vec::new();
        for (name, value) in vars {
            let name = name.to_string_lossy();
            let field = match Variable::of(&name) {
                Variable::Setting(field) => field,
                Variable::Misspelt(meant) => {
                    unreadable.push(misspelt(&name, meant));
                    continue;
                }
                Variable::Unknown => {
                    warn_of_unknown(&name);
                    continue;
                }
                Variable::Foreign => continue,
            };
            if seen.contains(&field) {
                continue;
            }
            seen.push(field);
            let read = match value.to_str() {
                Some(value) => settings.read(field, value),
                None => Err("the value is not UTF-8; write it again as plain text".to_owned()),
            };
            unreadable.extend(read.err().map(|problem| ConfigFault::new(field.name(), problem)));
        }
        if unreadable.is_empty() { Ok(settings) } else { settings.validate(unreadable).map(|_| settings) }
    }

    /// Whether any variable of the table is set, even if empty or misspelt. For programs that do something else when
    /// they are not configured at all.
    #[must_use]
    pub fn is_configured_in<I>(vars: I) -> bool
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        vars.into_iter().any(|(name, _)| {
            matches!(Variable::of(&name.to_string_lossy()), Variable::Setting(_) | Variable::Misspelt(_))
        })
    }

    /// The policy alone, for another key source.
    ///
    /// # Errors
    ///
    /// Names every setting that is missing or wrong, those of the timing included.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        let (policy, _) = self.validate(Vec::new())?;
        self.warn_of_callers_in_every_tenant(&policy);
        Ok(policy)
    }

    /// A builder for the keys, to which you can add what no setting has, such as
    /// [`configure_client`](RemoteKeysBuilder::configure_client). Give the keys to
    /// [`UpstreamAuthLayer::from_keys`], together with [`policy`](Self::policy).
    ///
    /// # Errors
    ///
    /// As [`policy`](Self::policy).
    pub fn remote_keys(&self) -> Result<RemoteKeysBuilder, ConfigError> {
        let (policy, timing) = self.validate(Vec::new())?;
        Ok(RemoteKeys::builder(&policy).timing(timing))
    }

    /// The layer. It makes no connection yet.
    ///
    /// # Errors
    ///
    /// As [`policy`](Self::policy), and as [`RemoteKeysBuilder::build`].
    pub fn into_layer(self) -> Result<UpstreamAuthLayer, ConfigError> {
        self.into_layer_with_keys().map(|(layer, _)| layer)
    }

    /// The layer as [`into_layer`](Self::into_layer) makes it, and its keys: show their [`status`](RemoteKeys::status),
    /// or [`revoke`](RemoteKeys::revoke) one while your program runs.
    ///
    /// # Errors
    ///
    /// As [`into_layer`](Self::into_layer).
    pub fn into_layer_with_keys(self) -> Result<(UpstreamAuthLayer, RemoteKeys), ConfigError> {
        self.into_layer_with(|keys| keys)
    }

    /// The same for a program that reads its settings again: the new keys [take over](RemoteKeysBuilder::take_over) what
    /// the former ones know. Serve with the new layer, and drop the former one and its keys.
    ///
    /// # Errors
    ///
    /// As [`into_layer`](Self::into_layer).
    pub fn into_layer_with_keys_of(self, former: &RemoteKeys) -> Result<(UpstreamAuthLayer, RemoteKeys), ConfigError> {
        self.into_layer_with(|keys| keys.take_over(former))
    }

    fn into_layer_with(
        self,
        complete: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder,
    ) -> Result<(UpstreamAuthLayer, RemoteKeys), ConfigError> {
        let (policy, timing) = self.validate(Vec::new())?;
        self.warn_of_callers_in_every_tenant(&policy);
        let keys = complete(RemoteKeys::builder(&policy).timing(timing));
        let keys = keys.build().map_err(|error| self.as_written(error))?;
        let pause = Duration::from_secs(self.explain_rejections_secs.unwrap_or_default());
        let layer = UpstreamAuthLayer::from_keys(policy, keys.clone())
            .explain_rejections(pause)
            .log_unverified_fields(self.log_unverified_fields.unwrap_or(true));
        Ok((layer, keys))
    }

    /// Builds policy and timing. The error holds every fault, those of values that could not be read included.
    fn validate(&self, unreadable: Vec<ConfigFault>) -> Result<(Policy, Timing), ConfigError> {
        // Names every field, so that the compiler finds a setting without effect.
        let Self {
            tenant_ids,
            audiences,
            caller_object_ids,
            caller_client_ids,
            allow_any_caller,
            required_roles,
            revoked_keys,
            cloud,
            clock_skew_secs,
            refresh_secs,
            refetch_cooldown_secs,
            key_retention_secs,
            stale_limit_secs,
            fetch_timeout_secs,
            // Of the layer: see `into_layer_with`.
            explain_rejections_secs: _,
            log_unverified_fields: _,
            names: _,
        } = self;
        let tenants = Tenants::parse(tenant_ids);
        let audiences = Audiences::parse(audiences);
        let callers = self.callers(caller_object_ids, caller_client_ids, *allow_any_caller);
        let cloud = cloud.build();
        let skew = clock_skew_secs.map(Duration::from_secs);
        let default = Timing::default();
        let or = |seconds: &Option<u64>, default| seconds.map_or(default, Duration::from_secs);
        let timing = Timing {
            refresh: or(refresh_secs, default.refresh),
            refetch_cooldown: or(refetch_cooldown_secs, default.refetch_cooldown),
            key_retention: or(key_retention_secs, default.key_retention),
            stale_limit: or(stale_limit_secs, default.stale_limit),
            fetch_timeout: or(fetch_timeout_secs, default.fetch_timeout),
        };
        let wrong_timing = timing.check().err();
        let errors = [tenants.as_ref().err(), audiences.as_ref().err(), callers.as_ref().err(), cloud.as_ref().err()];
        // A value that could not be read is not missing.
        let is_unreadable = |found: &&ConfigFault| unreadable.iter().any(|known| known.field() == found.field());
        let mut faults: Vec<_> = errors
            .into_iter()
            .chain([wrong_timing.as_ref()])
            .flatten()
            .flat_map(ConfigError::faults)
            .filter(|fault| !is_unreadable(fault))
            .cloned()
            .collect();
        faults.extend(skew.and_then(skew_fault));
        faults.extend(emptied(
            Field::RequiredRoles,
            required_roles,
            "no role is named; write one, or leave the setting out",
        ));
        faults.extend(emptied(
            Field::RevokedKeys,
            revoked_keys,
            "no key is named; write its id, or leave the setting out",
        ));
        let revoked: Vec<_> = revoked_keys.iter().flat_map(|keys| given(keys)).map(KeyId::new).collect();
        faults.extend(revoked.iter().filter_map(revoked_key_fault));
        if let (Ok(tenants), Ok(callers)) = (&tenants, &callers) {
            faults.extend(callers.tenants().filter(|tenant| !tenants.contains(*tenant)).map(|tenant| {
                let problem = format!("tenant {tenant} is not in {}; add it there", self.name_of(Field::TenantIds));
                ConfigFault::new(Field::CallerObjectIds.name(), problem)
            }));
        }
        faults.extend(unreadable);
        faults.sort_by_key(|fault| Field::of_fault(fault.field()));
        if let Some(error) = ConfigError::from_faults(faults) {
            return Err(self.as_written(error));
        }
        let mut policy = Policy::builder(tenants?, audiences?, callers?)
            .cloud(cloud?)
            .required_roles(required_roles.iter().flat_map(|roles| given(roles)))
            .revoked_keys(revoked);
        if let Some(skew) = skew {
            policy = policy.clock_skew(skew);
        }
        Ok((policy.build().map_err(|error| self.as_written(error))?, timing))
    }

    /// The callers of both lists. Without either, any caller, if the settings allow that.
    fn callers(&self, object_ids: &[String], client_ids: &[String], allow_any: bool) -> Result<Callers, ConfigError> {
        let object_ids = is_given(object_ids).then(|| Callers::parse_object_ids(object_ids));
        let client_ids = is_given(client_ids).then(|| Callers::parse_client_ids(client_ids));
        let contradiction = (allow_any && (object_ids.is_some() || client_ids.is_some())).then(|| {
            let [objects, clients] = [Field::CallerObjectIds, Field::CallerClientIds].map(|field| self.name_of(field));
            let problem = format!(
                "`true` contradicts a caller list: leave it out to keep the list, or empty {objects} and {clients}"
            );
            Err(ConfigError::new(Field::AllowAnyCaller.name(), problem))
        });
        [object_ids, client_ids, contradiction]
            .into_iter()
            .flatten()
            .reduce(|one, other| match (one, other) {
                (Ok(one), Ok(other)) => Ok(one.or(other)),
                (Err(one), Err(other)) => Err(one.join(other)),
                (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            })
            .unwrap_or_else(|| if allow_any { Ok(Callers::dangerous_any_in_tenant()) } else { Err(self.no_callers()) })
    }

    /// An object id is unique in its tenant only, and a client id belongs to an application in every tenant.
    fn warn_of_callers_in_every_tenant(&self, policy: &Policy) {
        let tenants = policy.tenants().iter().count();
        if tenants < 2 {
            return;
        }
        let count = |is_meant: fn(&Caller) -> bool| policy.callers().iter().filter(|caller| is_meant(caller)).count();
        let lists = [
            (Field::CallerObjectIds, count(|caller| matches!(caller, Caller::ObjectId(_)))),
            (Field::CallerClientIds, count(|caller| matches!(caller, Caller::ClientId(_)))),
        ];
        for (field, callers) in lists.into_iter().filter(|(_, callers)| *callers > 0) {
            let setting = self.name_of(field);
            tracing::warn!(target: events::SETTINGS, setting, callers, tenants, "callers without a tenant may call from every tenant; write pairs tenant/object");
        }
        if policy.callers().is_any_in_tenant() {
            let setting = self.name_of(Field::AllowAnyCaller);
            tracing::warn!(target: events::SETTINGS, setting, tenants, "every application of each tenant may call");
        }
    }

    fn no_callers(&self) -> ConfigError {
        let [clients, any] = [Field::CallerClientIds, Field::AllowAnyCaller].map(|field| self.name_of(field));
        let problem = format!(
            "no caller is listed. Write the object (principal) id of the SignalR resource's identity: \
             `az signalr identity show`, or the portal's SignalR resource, Identity; or write its client id into \
             {clients}. Only with {any} set to `true` does the program start without either; then any application of \
             the tenants that gets a token for your audience may call"
        );
        ConfigError::new(Field::CallerObjectIds.name(), problem)
    }

    /// The name under which the operator knows a field.
    fn name_of(&self, field: Field) -> &'static str {
        match self.names {
            FieldNames::Variables => field.variable(),
            FieldNames::Fields => field.name(),
        }
    }

    /// Names the fields of an error as the operator wrote them.
    fn as_written(&self, error: ConfigError) -> ConfigError {
        error.rename_fields(|name| match Field::of_fault(name).filter(|field| field.name() == name) {
            Some(field) => self.name_of(field).to_owned(),
            None => name.to_owned(),
        })
    }
}

impl UpstreamAuthLayer {
    /// The layer as the environment configures it: [`Settings::from_env`], then [`Settings::into_layer`].
    ///
    /// # Errors
    ///
    /// Every fault at once, each with its variable and what to write there. Both `{}` and `{:?}`, which `main` uses,
    /// print one line per fault.
    pub fn from_env() -> Result<Self, ConfigError> {
        Settings::from_env()?.into_layer()
    }
}

/// The items of a list, trimmed, without empty ones.
fn given(items: &[String]) -> impl Iterator<Item = &str> {
    items.iter().map(|item| item.trim()).filter(|item| !item.is_empty())
}

fn is_given(items: &[String]) -> bool {
    given(items).next().is_some()
}

/// A list that is set to nothing, for instance by an empty variable or an empty array, must not mean that no role is
/// required or no key is revoked.
fn emptied(field: Field, items: &Option<Vec<String>>, problem: &str) -> Option<ConfigFault> {
    let is_lost = items.as_ref().is_some_and(|items| !is_given(items));
    is_lost.then(|| ConfigFault::new(field.name(), problem))
}

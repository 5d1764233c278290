//! How a [`Policy`] is built.

use std::sync::Arc;
use std::time::Duration;

use super::audience::Audiences;
use super::callers::{Callers, RequiredRoles};
use super::issuers::Issuers;
use super::tenants::Tenants;
use super::{Policy, Rules};
use crate::cloud::Cloud;
use crate::error::{ConfigError, ConfigFault, quoted};
use crate::ids::KeyId;

/// Builds a [`Policy`].
///
/// ```
/// use std::time::Duration;
///
/// use signalr_upstream_auth::{Audiences, Callers, Cloud, Policy, Tenants};
///
/// let policy = Policy::builder(
///     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
///     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
///     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// )
/// .cloud(Cloud::us_government())
/// .required_roles(["Upstream.Call"])
/// .clock_skew(Duration::from_secs(60))
/// .build()?;
/// assert_eq!(policy.required_roles(), ["Upstream.Call"]);
/// # Ok::<(), signalr_upstream_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyBuilder {
    tenants: Tenants,
    audiences: Audiences,
    callers: Callers,
    cloud: Cloud,
    required_roles: RequiredRoles,
    revoked_keys: Vec<KeyId>,
    clock_skew: Duration,
    accepts_foreign_cloud_instance_names: bool,
}

impl PolicyBuilder {
    pub(super) fn new(tenants: Tenants, audiences: Audiences, callers: Callers) -> Self {
        Self {
            tenants,
            audiences,
            callers,
            cloud: Cloud::public(),
            required_roles: RequiredRoles::default(),
            revoked_keys: Vec::new(),
            clock_skew: DEFAULT_SKEW,
            accepts_foreign_cloud_instance_names: false,
        }
    }

    /// The cloud of tenants and keys. Default: [`Cloud::public`].
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// How far the clocks of Entra and of this machine may be apart, in whole seconds up to 600.
    /// Default: 300, as in Microsoft's own libraries.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// App roles of which the caller must have at least one, compared byte for byte. Default: none are
    /// required, since a managed identity has no roles unless somebody assigned one. **An empty list
    /// requires none, either.**
    pub fn required_roles(mut self, roles: impl IntoIterator<Item: Into<String>>) -> Self {
        self.required_roles = RequiredRoles::new(roles);
        self
    }

    /// Rejects tokens that name one of these keys (`kid`) from the start, with 401 and without a fetch, whatever the key
    /// source has: for keys that are known to be compromised. Unlike
    /// [`RemoteKeys::revoke`](crate::keys::RemoteKeys::revoke) it survives a restart, and nothing takes it back.
    /// Default: none.
    pub fn revoked_keys(mut self, keys: impl IntoIterator<Item = KeyId>) -> Self {
        self.revoked_keys = keys.into_iter().collect();
        self
    }

    /// Accepts keys with the `cloud_instance_name` of another cloud. **A key of another cloud may then sign for a
    /// tenant of this one**: the v1 issuers of the public and the US Government cloud are written alike.
    ///
    /// It is about keys alone. A discovery document that names another cloud is rejected all the same.
    pub fn dangerous_accept_foreign_cloud_instance_names(mut self) -> Self {
        self.accepts_foreign_cloud_instance_names = true;
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// Names `clock_skew_secs` when it is more than 600 seconds, `required_roles` when one is blank, `revoked_keys`
    /// when no token can name one, and `callers` when a pair names a tenant that is not accepted.
    pub fn build(self) -> Result<Policy, ConfigError> {
        let mut faults = Vec::new();
        faults.extend(skew_fault(self.clock_skew));
        if self.required_roles.has_blank() {
            faults.push(ConfigFault::new("required_roles", "a role is blank; write the value of the app role"));
        }
        faults.extend(self.revoked_keys.iter().filter_map(revoked_key_fault));
        for tenant in self.callers.tenants().filter(|tenant| !self.tenants.contains(*tenant)) {
            faults.push(ConfigFault::new(
                "callers",
                format!("tenant {tenant} is not among the accepted tenants; add it there"),
            ));
        }
        if let Some(error) = ConfigError::from_faults(faults) {
            return Err(error);
        }
        let issuers = self.tenants.iter().map(|tenant| (*tenant, Issuers::new(&self.cloud, tenant)));
        Ok(Policy(Arc::new(Rules {
            issuers: issuers.collect(),
            cloud: self.cloud,
            tenants: self.tenants,
            audiences: self.audiences,
            callers: self.callers,
            required_roles: self.required_roles,
            revoked_keys: self.revoked_keys,
            clock_skew: self.clock_skew,
            accepts_foreign_cloud_instance_names: self.accepts_foreign_cloud_instance_names,
        })))
    }
}

/// What is wrong with a clock skew, also for one that stands in no policy yet.
pub(crate) fn skew_fault(skew: Duration) -> Option<ConfigFault> {
    (skew > MAX_SKEW).then(|| ConfigFault::new("clock_skew_secs", "write 0 to 600 seconds; 300 is the default"))
}

/// What is wrong with the id of a revoked key. A mistake there would revoke nothing.
pub(crate) fn revoked_key_fault(key: &KeyId) -> Option<ConfigFault> {
    let text = key.as_str();
    let is_possible = KeyId::fits(text) && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    (!is_possible).then(|| {
        let problem = format!("{} is not a key id; write the `kid` of a token's header", quoted(text));
        ConfigFault::new("revoked_keys", problem)
    })
}

const DEFAULT_SKEW: Duration = Duration::from_secs(300);
const MAX_SKEW: Duration = Duration::from_secs(600);

//! The check of one resource, except for its upstream templates.

use serde_json::Value;
use signalr_upstream_auth::{Caller, ClientId, Cloud, ObjectId, Policy, TenantId};

use super::node::{Node, Said};
use super::report::Report;
use super::resource::Resource;
use super::upstream::{self, Identity};

/// The check of one resource.
pub(crate) struct ResourceCheck<'c, 'j> {
    pub(crate) policy: &'c Policy,
    pub(crate) url: &'c str,
    pub(crate) resource: &'c Resource<'j>,
    pub(crate) report: &'c mut Report,
}

impl<'j> ResourceCheck<'_, 'j> {
    pub(crate) fn run(mut self) {
        let name = match self.resource.0.member("name").said() {
            Said::Text(name) | Said::Expression(name) => name,
            Said::Nothing => "without a name",
        };
        self.report.title(format!("SignalR resource {name}"));
        self.api_version();
        self.cloud();
        self.service_mode();
        let identity = self.identity();
        upstream::check(&self.resource.property("upstream"), self.url, &identity, self.policy, self.report);
        self.access_keys();
    }

    fn api_version(&mut self) {
        if let Said::Text(version) = self.resource.0.member("apiVersion").said() {
            if knows_auth(version) {
                self.report.ok(format!("API version: {version} knows the upstream's authentication"));
            } else {
                self.report.fail(format!(
                    "API version: {version} silently drops the upstream's authentication; write 2024-03-01"
                ));
            }
        }
    }

    fn cloud(&mut self) {
        let Said::Text(location) = self.resource.0.member("location").said() else { return };
        let place = location.to_ascii_lowercase().replace(' ', "");
        let (cloud, name) = if place.starts_with("usgov") || place.starts_with("usdod") {
            (Cloud::us_government(), "us-government")
        } else if place.starts_with("china") {
            (Cloud::china(), "china")
        } else {
            (Cloud::public(), "public")
        };
        if *self.policy.cloud() == cloud {
            self.report.ok(format!("cloud: {location} is in the cloud `{name}`, as configured"));
        } else {
            self.report.fail(format!("cloud: {location} is in the cloud `{name}`; set SIGNALR_UPSTREAM_CLOUD to it"));
        }
    }

    fn service_mode(&mut self) {
        let features = match self.resource.property("features").elements() {
            Ok(features) => features,
            Err(text) => return self.report.unknown(format!("service mode: {text}; it must be Serverless")),
        };
        let is_mode = |feature: &&Node<'_>| matches!(feature.member("flag").said(), Said::Text(flag) if flag.eq_ignore_ascii_case("ServiceMode"));
        let Some(mode) = features.iter().find(is_mode) else {
            // One of these may be it.
            let open = features.iter().find_map(|feature| match feature.member("flag").said() {
                Said::Expression(text) => Some(text),
                Said::Text(_) | Said::Nothing => None,
            });
            return match open {
                Some(text) => self.report.unknown(format!("service mode: {text}; it must be Serverless")),
                None => {
                    self.report.fail("service mode: none is set, which means Default; upstream calls need Serverless")
                }
            };
        };
        match mode.member("value").said() {
            Said::Text(mode) if mode.eq_ignore_ascii_case("Serverless") => self.report.ok("service mode: Serverless"),
            Said::Text(mode) => {
                self.report.fail(format!("service mode: {mode}; upstream calls are made in Serverless mode only"));
            }
            Said::Nothing => {
                self.report.fail("service mode: none is set, which means Default; upstream calls need Serverless");
            }
            Said::Expression(text) => self.report.unknown(format!("service mode: {text}; it must be Serverless")),
        }
    }

    fn identity(&mut self) -> Identity {
        let identity = self.resource.0.member("identity");
        let tenant = identity.member("tenantId");
        match identity.member("type").said() {
            Said::Text(kind) if kind.eq_ignore_ascii_case("SystemAssigned") => {
                self.caller("identity: system-assigned", &identity.member("principalId"), None, &tenant);
                Identity::Some(None)
            }
            Said::Text(kind) if kind.eq_ignore_ascii_case("UserAssigned") => {
                match identity.member("userAssignedIdentities").members() {
                    Ok(assigned) => self.user_assigned(&assigned, &tenant),
                    Err(text) => {
                        self.report.unknown(format!("identity: user-assigned, {text}; there must be one"));
                        Identity::Some(None)
                    }
                }
            }
            Said::Nothing => self.no_identity(),
            Said::Text(kind) if kind.eq_ignore_ascii_case("None") => self.no_identity(),
            Said::Text(kind) => {
                self.report.fail(format!("identity: `{kind}`; SignalR works with one, of either kind"));
                Identity::Some(None)
            }
            Said::Expression(text) => {
                self.report.unknown(format!("identity: {text}; there must be one"));
                Identity::Some(None)
            }
        }
    }

    fn user_assigned(&mut self, assigned: &[(&'j str, Node<'j>)], tenant: &Node<'j>) -> Identity {
        if assigned.is_empty() {
            self.report.fail("identity: user-assigned, but none is named");
            return Identity::None;
        }
        if assigned.len() > 1 {
            self.report.fail("identity: more than one; SignalR works with one");
        }
        for (id, assigned) in assigned {
            let name = id.rsplit('/').next().unwrap_or(id).trim_end_matches([')', ']', '\'']);
            let what = format!("identity: user-assigned {name}");
            self.caller(&what, &assigned.member("principalId"), Some(&assigned.member("clientId")), tenant);
        }
        Identity::Some(assigned.iter().find_map(|(_, assigned)| id(&assigned.member("clientId"))))
    }

    fn no_identity(&mut self) -> Identity {
        self.report.fail("identity: none; switch one on with `az signalr identity assign --identity '[system]'`");
        Identity::None
    }

    fn caller(&mut self, what: &str, principal: &Node<'j>, client: Option<&Node<'j>>, tenant: &Node<'j>) {
        let principal: Option<ObjectId> = id(principal);
        let client: Option<ClientId> = client.and_then(id);
        let tenant: Option<TenantId> = id(tenant);
        match tenant {
            Some(tenant) if self.policy.tenants().iter().any(|known| *known == tenant) => {
                self.report.ok(format!("tenant: {tenant}, as configured"));
            }
            Some(tenant) => self.report.fail(format!("tenant: {tenant} is not among SIGNALR_UPSTREAM_TENANT_IDS")),
            None => self.report.unknown("tenant: the file does not say; `az account show --query tenantId` does"),
        }
        let Some(principal) = principal else {
            let how = "`az signalr identity show --query principalId` after the deployment";
            return self.report.unknown(format!("{what}; its object id is not in the file, see {how}"));
        };
        let tenants: Vec<_> = tenant.into_iter().chain(self.policy.tenants().iter().copied()).collect();
        let is_listed = tenants.iter().any(|tenant| self.policy.callers().allows(*tenant, principal, client));
        if is_listed {
            self.report.ok(format!("{what}, object id {principal}, may call"));
        } else if client.is_none() && self.lists_client_ids() {
            let how = format!("`az ad sp show --id {principal} --query appId`");
            self.report
                .unknown(format!("{what}, object id {principal}; compare its client id, {how}, with {CLIENT_IDS}"));
        } else {
            self.report.fail(format!("{what}, object id {principal}, is not among SIGNALR_UPSTREAM_CALLER_OBJECT_IDS"));
        }
    }

    fn lists_client_ids(&self) -> bool {
        self.policy.callers().iter().any(|caller| matches!(caller, Caller::ClientId(_)))
    }

    fn access_keys(&mut self) {
        let disabled = self.resource.property("disableLocalAuth");
        if let Some(text) = disabled.expression() {
            self.report.unknown(format!("access keys: {text}; true disables them"));
        } else if disabled.value() == &Value::Bool(true) {
            self.report.ok("access keys: disabled");
        } else {
            self.report.note(
                "access keys: enabled; whoever has one can connect clients and send messages. This check needs none",
            );
        }
    }
}

fn id<T: std::str::FromStr>(node: &Node<'_>) -> Option<T> {
    match node.said() {
        Said::Text(text) => text.parse().ok(),
        Said::Nothing | Said::Expression(_) => None,
    }
}

/// Stable versions have `auth` since 2021-10-01, previews since 2020-07-01 (Azure/azure-rest-api-specs, `UpstreamTemplate`).
fn knows_auth(version: &str) -> bool {
    let version = version.to_ascii_lowercase();
    // Dates compare as texts.
    match version.strip_suffix("-preview") {
        Some(date) => date >= "2020-07-01",
        None => version.as_str() >= "2021-10-01",
    }
}

const CLIENT_IDS: &str = "SIGNALR_UPSTREAM_CALLER_CLIENT_IDS";

//! The names of a cloud: the hosts in its documents, the issuers in its tokens, its label.

use std::sync::Arc;

use signalr_upstream_auth::{TenantId, TokenVersion};

/// The names of one cloud.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    /// Scheme and host of the documents and of v2 issuers, without a slash at the end.
    pub(crate) login: Arc<str>,
    /// Scheme and host of v1 issuers, without a slash at the end.
    pub(crate) token_service: Arc<str>,
    /// The `cloud_instance_name` of its documents and keys.
    pub(crate) cloud_instance_name: Option<Arc<str>>,
}

impl Authority {
    /// A custom cloud with one address for everything.
    pub(crate) fn custom(address: &str) -> Self {
        Self::of(address, address, CUSTOM_LABEL)
    }

    pub(crate) fn public() -> Self {
        Self::of("https://login.microsoftonline.com", "https://sts.windows.net", "microsoftonline.com")
    }

    pub(crate) fn us_government() -> Self {
        Self::of("https://login.microsoftonline.us", "https://sts.windows.net", "microsoftonline.us")
    }

    pub(crate) fn china() -> Self {
        Self::of(
            "https://login.partner.microsoftonline.cn",
            "https://sts.chinacloudapi.cn",
            "partner.microsoftonline.cn",
        )
    }

    /// The issuer of a tenant's tokens. The v1 form ends with a slash.
    pub(crate) fn issuer(&self, tenant: TenantId, version: TokenVersion) -> String {
        self.issuer_for(&tenant.to_string(), version)
    }

    /// The issuer with `{tenantid}` in place of the tenant, as in keys and in documents without a tenant.
    pub(crate) fn issuer_template(&self, version: TokenVersion) -> String {
        self.issuer_for("{tenantid}", version)
    }

    fn issuer_for(&self, tenant: &str, version: TokenVersion) -> String {
        match version {
            TokenVersion::V1 => format!("{}/{tenant}/", self.token_service),
            TokenVersion::V2 => format!("{}/{tenant}/v2.0", self.login),
        }
    }

    fn of(login: &str, token_service: &str, label: &str) -> Self {
        Self { login: login.into(), token_service: token_service.into(), cloud_instance_name: Some(label.into()) }
    }
}

/// The label of a custom cloud. `.test` is reserved for tests (RFC 6761 section 6.2).
const CUSTOM_LABEL: &str = "entra.test";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_match_clouds() {
        let tenant = "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        for (authority, v1, v2) in [
            (
                Authority::custom("http://127.0.0.1:8080"),
                "http://127.0.0.1:8080/11111111-aaaa-4bbb-8ccc-222222222222/",
                "http://127.0.0.1:8080/11111111-aaaa-4bbb-8ccc-222222222222/v2.0",
            ),
            (
                Authority::public(),
                "https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/",
                "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0",
            ),
            (
                Authority::us_government(),
                "https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/",
                "https://login.microsoftonline.us/11111111-aaaa-4bbb-8ccc-222222222222/v2.0",
            ),
            (
                Authority::china(),
                "https://sts.chinacloudapi.cn/11111111-aaaa-4bbb-8ccc-222222222222/",
                "https://login.partner.microsoftonline.cn/11111111-aaaa-4bbb-8ccc-222222222222/v2.0",
            ),
        ] {
            assert_eq!(authority.issuer(tenant, TokenVersion::V1), v1);
            assert_eq!(authority.issuer(tenant, TokenVersion::V2), v2);
        }
    }
}

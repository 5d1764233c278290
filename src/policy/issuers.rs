//! The issuers of one tenant.

use crate::cloud::{Cloud, TENANT_PLACEHOLDER};
use crate::ids::TenantId;
use crate::token::version::TokenVersion;

/// The issuers of one tenant, built once from cloud and tenant.
#[derive(Debug)]
pub(super) struct Issuers {
    tenant: String,
    v1: String,
    v2: String,
}

impl Issuers {
    pub(super) fn new(cloud: &Cloud, tenant: &TenantId) -> Self {
        Self { tenant: tenant.to_string(), v1: cloud.v1_issuer(tenant), v2: cloud.v2_issuer(tenant) }
    }

    /// The `iss` of a token of this version.
    pub(super) fn of(&self, version: TokenVersion) -> &str {
        match version {
            TokenVersion::V1 => &self.v1,
            TokenVersion::V2 => &self.v2,
        }
    }

    /// Whether the `issuer` of a key names one of them. It may hold the placeholder `{tenantid}`.
    pub(super) fn includes(&self, template: &str) -> bool {
        self.expands(template, &self.v2) || self.expands(template, &self.v1)
    }

    /// Whether the template, with the tenant in each place of the placeholder, equals the issuer.
    fn expands(&self, template: &str, issuer: &str) -> bool {
        let mut pieces = template.split(TENANT_PLACEHOLDER);
        let rest = pieces.next().and_then(|first| issuer.strip_prefix(first));
        let rest = pieces.try_fold(rest, |rest, piece| Some(rest?.strip_prefix(&*self.tenant)?.strip_prefix(piece)));
        rest.flatten() == Some("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_issuer_matches_with_tenant_in_each_placeholder_only() {
        let issuers = Issuers { tenant: "t".to_owned(), v1: String::new(), v2: String::new() };
        for (template, issuer) in
            [("https://a/{tenantid}/", "https://a/t/"), ("a", "a"), ("{tenantid}{tenantid}", "tt")]
        {
            assert!(issuers.expands(template, issuer), "{template}");
        }
        for issuer in ["https://a/t", "https://a/u/", "https://a/t//", "https://a/{tenantid}/", "https://a//", ""] {
            assert!(!issuers.expands("https://a/{tenantid}/", issuer), "{issuer}");
        }
    }
}

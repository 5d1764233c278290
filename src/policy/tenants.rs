//! Which tenants may issue tokens.

use std::collections::BTreeSet;

use crate::error::ConfigError;
use crate::ids::TenantId;

/// The tenants whose tokens are accepted, at least one.
///
/// A managed identity gets tokens from its own tenant only, so this is the tenant of the subscription
/// that holds the SignalR resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenants(BTreeSet<TenantId>);

impl Tenants {
    /// Reads tenant GUIDs in any case. Items are trimmed, empty ones ignored.
    ///
    /// # Errors
    ///
    /// Names `tenant_ids`, once for each item that is not a GUID, and when none is left.
    pub fn parse<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        super::list::parse(FIELD, MISSING, items, |item| match item.parse() {
            Ok(tenant) => Ok(tenant),
            Err(_) if matches!(item.to_ascii_lowercase().as_str(), "common" | "organizations" | "consumers") => {
                Err(format!("`{item}` stands for many tenants; write the GUID of yours. {HOW_TO_FIND}"))
            }
            Err(_) if item.contains('.') => {
                Err(format!("`{}` is a domain name; write the tenant's GUID. {HOW_TO_FIND}", item.escape_debug()))
            }
            Err(fault) => Err(format!("`{}` is {fault}. {HOW_TO_FIND}", item.escape_debug())),
        })
        .map(|tenants| Self(tenants.into_iter().collect()))
    }

    /// The tenants, in the order of their GUIDs.
    pub fn iter(&self) -> impl Iterator<Item = &TenantId> {
        self.0.iter()
    }

    pub(crate) fn contains(&self, tenant: &TenantId) -> bool {
        self.0.contains(tenant)
    }
}

const FIELD: &str = "tenant_ids";
const MISSING: &str = "write the GUID of the tenant that holds the SignalR resource: `az account show --query tenantId`, \
                       or the portal's Microsoft Entra ID, Overview, Tenant ID";
const HOW_TO_FIND: &str =
    "`az account show --query tenantId` shows it, and so does the portal under Microsoft Entra ID, Overview, Tenant ID";

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(items: &[&str]) -> Vec<String> {
        Tenants::parse(items).unwrap_err().faults().map(ToString::to_string).collect()
    }

    #[test]
    fn guids_in_any_case_are_read_and_empty_items_ignored() {
        let tenants =
            Tenants::parse(["", " 11111111-AAAA-4bbb-8ccc-222222222222 ", "11111111-aaaa-4bbb-8ccc-222222222222"])
                .unwrap();
        assert_eq!(tenants.iter().count(), 1);
    }

    #[test]
    fn what_is_no_tenant_is_rejected_with_the_way_to_find_one() {
        for (item, says) in
            [("common", "many tenants"), ("Organizations", "many"), ("contoso.com", "domain"), ("{x}", "GUID")]
        {
            let faults = faults(&[item]);
            assert!(
                faults[0].starts_with("tenant_ids: ")
                    && faults[0].contains(says)
                    && faults[0].contains("az account show"),
                "{faults:?}"
            );
        }
        assert_eq!(faults(&["common", "x", "11111111-aaaa-4bbb-8ccc-222222222222"]).len(), 2);
        assert_eq!(faults(&[]).len(), 1);
        assert_eq!(faults(&["", " "]).len(), 1);
    }
}

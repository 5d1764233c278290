//! Which tenants may issue tokens.

use std::slice;

use super::list;
use crate::error::{ConfigError, quoted};
use crate::ids::TenantId;

/// The tenants whose tokens are accepted, at least one.
///
/// A managed identity gets tokens from its own tenant only, so this is the tenant of the subscription
/// that holds the SignalR resource.
///
/// ```
/// use signalr_upstream_auth::Tenants;
///
/// let tenants = Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222", "11111111-AAAA-4BBB-8CCC-333333333333"])?;
/// assert_eq!(tenants.iter().count(), 2);
/// let fault = Tenants::parse(["contoso.com"]).unwrap_err();
/// assert!(fault.to_string().starts_with("tenant_ids: `contoso.com` is a domain name; write the tenant's GUID"));
/// # Ok::<(), signalr_upstream_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenants(
    /// Sorted, each once.
    Vec<TenantId>,
);

impl Tenants {
    /// The tenants of a list, each once.
    ///
    /// # Errors
    ///
    /// Names `tenant_ids` when the list is empty.
    pub fn new(tenants: impl IntoIterator<Item = TenantId>) -> Result<Self, ConfigError> {
        list::not_empty(FIELD, MISSING, tenants).map(Self::sorted)
    }

    /// Reads tenant GUIDs in any case. Items are trimmed and empty ones ignored.
    ///
    /// # Errors
    ///
    /// Names `tenant_ids`, once for each item that is not a GUID, or when no item is left.
    pub fn parse<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        list::parse(FIELD, MISSING, items, |item| match item.parse() {
            Ok(tenant) => Ok(tenant),
            Err(_) if matches!(item.to_ascii_lowercase().as_str(), "common" | "organizations" | "consumers") => {
                Err(format!("{} stands for many tenants; write the GUID of yours. {HOW_TO_FIND}", quoted(item)))
            }
            Err(_) if item.contains('.') => {
                Err(format!("{} is a domain name; write the tenant's GUID. {HOW_TO_FIND}", quoted(item)))
            }
            Err(fault) => Err(format!("{} is {fault}. {HOW_TO_FIND}", quoted(item))),
        })
        .map(Self::sorted)
    }

    /// The tenants, in the order of their GUIDs.
    pub fn iter(&self) -> slice::Iter<'_, TenantId> {
        self.0.iter()
    }

    /// Whether tokens of this tenant are accepted. This says nothing about a token: anyone can write one that
    /// names any tenant.
    #[must_use]
    pub fn contains(&self, tenant: TenantId) -> bool {
        self.0.binary_search(&tenant).is_ok()
    }

    fn sorted(mut tenants: Vec<TenantId>) -> Self {
        tenants.sort_unstable();
        tenants.dedup();
        Self(tenants)
    }
}

impl<'t> IntoIterator for &'t Tenants {
    type Item = &'t TenantId;
    type IntoIter = slice::Iter<'t, TenantId>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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
    fn parses_guids_in_any_case_and_ignores_empty_items() {
        let tenants = Tenants::parse(["", &format!(" {} ", ONE.to_uppercase()), ONE]).unwrap();
        assert_eq!(tenants, Tenants::new([ONE.parse().unwrap()]).unwrap());
        assert_eq!(tenants.iter().count(), 1);
    }

    #[test]
    fn iterates_in_the_order_of_the_guids_without_duplicates() {
        let ids = [OTHER, ONE, OTHER].map(|id| id.parse().unwrap());
        let tenants = Tenants::new(ids).unwrap();
        assert_eq!((&tenants).into_iter().map(ToString::to_string).collect::<Vec<_>>(), [ONE, OTHER]);
        assert!(ids.into_iter().all(|id| tenants.contains(id)));
        assert!(!tenants.contains("99999999-aaaa-4bbb-8ccc-222222222222".parse().unwrap()));
    }

    #[test]
    fn rejects_what_is_not_a_tenant_and_says_how_to_find_one() {
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
        assert!(!faults(&["{x}"])[0].contains("domain"));
        assert_eq!(faults(&["common", "x", ONE]).len(), 2);
        assert_eq!(faults(&[]).len(), 1);
        assert_eq!(faults(&["", " "]).len(), 1);
        assert_eq!(Tenants::new([]), Tenants::parse([""]));
    }

    const ONE: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
    const OTHER: &str = "33333333-aaaa-4bbb-8ccc-222222222222";
}

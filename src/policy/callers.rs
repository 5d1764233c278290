//! Who may call.

use std::borrow::Cow;

use crate::error::ConfigError;
use crate::ids::{ClientId, ObjectId, TenantId};

/// The identities that may call.
///
/// Entra gives any application of a tenant a token for your audience unless the app registration demands
/// an assignment, so issuer and audience alone say no more than "some application of the tenant".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callers(Rule);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Rule {
    AnyInTenant,
    Listed { object_ids: Vec<ObjectId>, client_ids: Vec<ClientId>, pairs: Vec<(TenantId, ObjectId)> },
}

impl Callers {
    /// By object id (`oid`): the "Object (principal) ID" on the SignalR resource's Identity page.
    ///
    /// # Errors
    ///
    /// Names `caller_object_ids`, once for each item that is not a GUID, and when none is left.
    pub fn object_ids<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let object_ids = super::list::parse(OBJECT_IDS, OBJECT_IDS_MISSING, items, guid)?;
        Ok(Self(Rule::Listed { object_ids, client_ids: Vec::new(), pairs: Vec::new() }))
    }

    /// By client id: `appid` in v1 tokens, `azp` in v2 ones. A user-assigned identity shows it as "Client ID".
    ///
    /// # Errors
    ///
    /// Names `caller_client_ids`, once for each item that is not a GUID, and when none is left.
    pub fn client_ids<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let client_ids = super::list::parse(CLIENT_IDS, CLIENT_IDS_MISSING, items, guid)?;
        Ok(Self(Rule::Listed { object_ids: Vec::new(), client_ids, pairs: Vec::new() }))
    }

    /// By tenant and object id, for services that several tenants call: an object id is unique in its
    /// tenant only.
    ///
    /// # Errors
    ///
    /// Names `callers` when the list is empty.
    pub fn tenant_object_ids<I>(pairs: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item = (TenantId, ObjectId)>,
    {
        let pairs: Vec<_> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Err(ConfigError::new("callers", "the list of tenants and object ids is empty"));
        }
        Ok(Self(Rule::Listed { object_ids: Vec::new(), client_ids: Vec::new(), pairs }))
    }

    /// Every application of an accepted tenant. **This lets in whoever can get a token for your audience,**
    /// which is every service principal of the tenant unless the app registration has "Assignment
    /// required" switched on.
    #[must_use]
    pub fn dangerous_any_in_tenant() -> Self {
        Self(Rule::AnyInTenant)
    }

    /// The callers of both lists. Any caller stays any caller.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self.0, other.0) {
            (
                Rule::Listed { mut object_ids, mut client_ids, mut pairs },
                Rule::Listed { object_ids: more_object_ids, client_ids: more_client_ids, pairs: more_pairs },
            ) => {
                object_ids.extend(more_object_ids);
                client_ids.extend(more_client_ids);
                pairs.extend(more_pairs);
                Self(Rule::Listed { object_ids, client_ids, pairs })
            }
            _ => Self(Rule::AnyInTenant),
        }
    }

    /// Whether an identity is on the list. This says nothing of a token: who names an identity need not
    /// be it. [`Validator`](crate::Validator) asks it after the signature.
    #[must_use]
    pub fn allows(&self, tenant: TenantId, object: ObjectId, client: Option<ClientId>) -> bool {
        match &self.0 {
            Rule::AnyInTenant => true,
            Rule::Listed { object_ids, client_ids, pairs } => {
                object_ids.contains(&object)
                    || client.is_some_and(|client| client_ids.contains(&client))
                    || pairs.contains(&(tenant, object))
            }
        }
    }

    /// What is listed. `None` if any caller will do.
    pub(crate) fn listed(&self) -> Option<Listed<'_>> {
        match &self.0 {
            Rule::AnyInTenant => None,
            Rule::Listed { object_ids, client_ids, pairs } => Some(Listed { object_ids, client_ids, pairs }),
        }
    }

    /// The tenants that the pairs name.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        let pairs = match &self.0 {
            Rule::AnyInTenant => &[][..],
            Rule::Listed { pairs, .. } => pairs,
        };
        pairs.iter().map(|(tenant, _)| tenant)
    }
}

/// The lists of [`Callers`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed<'c> {
    pub(crate) object_ids: &'c [ObjectId],
    pub(crate) client_ids: &'c [ClientId],
    pub(crate) pairs: &'c [(TenantId, ObjectId)],
}

/// App roles of which a caller must have one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RequiredRoles(Vec<String>);

impl RequiredRoles {
    pub(crate) fn new(roles: impl IntoIterator<Item: Into<String>>) -> Self {
        Self(roles.into_iter().map(Into::into).collect())
    }

    /// Roles are compared byte for byte, a whole element each. Without a demand, any caller will do.
    pub(crate) fn are_met_by(&self, held: &[Cow<'_, str>]) -> bool {
        self.0.is_empty() || self.0.iter().any(|required| held.iter().any(|role| role == required))
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn has_blank(&self) -> bool {
        self.0.iter().any(|role| role.trim().is_empty())
    }
}

fn guid<T: std::str::FromStr<Err = crate::ids::InvalidGuid>>(item: &str) -> Result<T, String> {
    item.parse().map_err(|fault| format!("`{}` is {fault}", item.escape_debug()))
}

const OBJECT_IDS: &str = "caller_object_ids";
const OBJECT_IDS_MISSING: &str = "write the object (principal) id of the SignalR resource's identity: \
                                  `az signalr identity show`, or the portal's SignalR resource, Identity";
const CLIENT_IDS: &str = "caller_client_ids";
const CLIENT_IDS_MISSING: &str = "write the client id of the SignalR resource's identity: \
                                  `az identity show` for a user-assigned one";

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "77777777-4321-4cba-8fed-888888888888";
    const B: &str = "55555555-1234-4abc-9def-666666666666";
    const T1: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
    const T2: &str = "11111111-aaaa-4bbb-8ccc-333333333333";

    fn allow(callers: &Callers, tenant: &str, object: &str, client: Option<&str>) -> bool {
        callers.allows(tenant.parse().unwrap(), object.parse().unwrap(), client.map(|client| client.parse().unwrap()))
    }

    #[test]
    fn an_object_id_is_not_a_client_id() {
        let by_object = Callers::object_ids([A]).unwrap();
        assert!(allow(&by_object, T1, A, None));
        assert!(!allow(&by_object, T1, B, Some(A)));
        let by_client = Callers::client_ids([B.to_uppercase()]).unwrap();
        assert!(allow(&by_client, T1, A, Some(B)));
        assert!(!allow(&by_client, T1, B, Some(A)));
        assert!(!allow(&by_client, T1, B, None));
        let either = by_object.or(by_client);
        assert!(allow(&either, T1, A, None) && allow(&either, T1, B, Some(B)) && !allow(&either, T1, B, Some(A)));
    }

    #[test]
    fn a_pair_counts_in_its_tenant_only() {
        let callers = Callers::tenant_object_ids([(T1.parse().unwrap(), A.parse().unwrap())]).unwrap();
        assert!(allow(&callers, T1, A, None));
        assert!(!allow(&callers, T2, A, None));
        assert!(!allow(&callers, T1, B, Some(A)));
    }

    #[test]
    fn only_the_dangerous_choice_lets_anybody_in() {
        assert!(allow(&Callers::dangerous_any_in_tenant(), T1, A, None));
        assert!(Callers::object_ids(Vec::<String>::new()).is_err());
        assert!(Callers::client_ids([" ", ""]).is_err());
        assert!(Callers::tenant_object_ids([]).is_err());
        assert_eq!(Callers::object_ids(["x", "{y}", A]).unwrap_err().faults().count(), 2);
    }

    #[test]
    fn one_required_role_suffices_and_is_matched_whole() {
        let required = RequiredRoles::new(["Upstream.Call", "Admin"]);
        let met =
            |held: &[&str]| required.are_met_by(&held.iter().map(|role| Cow::Borrowed(*role)).collect::<Vec<_>>());
        assert!(met(&["Other", "Admin"]));
        assert!(!met(&[]) && !met(&["admin"]) && !met(&["Upstream.Call Admin"]) && !met(&["Upstream"]));
        assert!(RequiredRoles::default().are_met_by(&[]));
    }
}

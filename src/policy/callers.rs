//! Who may call.

use std::borrow::Cow;
use std::fmt;
use std::slice;

use super::list;
use crate::error::{ConfigError, ConfigFault, quoted};
use crate::ids::{ClientId, InvalidGuid, ObjectId, TenantId};

/// The identities that may call.
///
/// Entra issues a token for your audience to any application of a tenant, unless the app registration requires an
/// assignment. So issuer and audience alone prove no more than "some application of the tenant".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callers(Rule);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Rule {
    AnyInTenant,
    Listed(Vec<Caller>),
}

impl Callers {
    /// The callers of a list: [`Caller`]s, or ids of one kind.
    ///
    /// ```
    /// use signalr_upstream_auth::{Callers, ObjectId, TenantId};
    ///
    /// let tenant: TenantId = "11111111-aaaa-4bbb-8ccc-222222222222".parse()?;
    /// let object: ObjectId = "77777777-4321-4cba-8fed-888888888888".parse()?;
    /// let in_every_tenant = Callers::new([object])?;
    /// let in_one_tenant = Callers::new([(tenant, object)])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Names `callers` when the list is empty.
    pub fn new<I>(callers: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: Into<Caller>>,
    {
        list::not_empty(CALLERS, CALLERS_MISSING, callers.into_iter().map(Into::into)).map(Self::listed_as)
    }

    /// Reads object ids (`oid`): the "Object (principal) ID" on the SignalR resource's Identity page. An item is an id,
    /// which counts in every accepted tenant, or a pair `tenant/object`, which counts in that tenant only. Items are
    /// trimmed and empty ones ignored.
    ///
    /// # Errors
    ///
    /// Names `caller_object_ids`, once for each item that is neither a GUID nor a pair of GUIDs, or when no item is left.
    pub fn parse_object_ids<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        list::parse(OBJECT_IDS, OBJECT_IDS_MISSING, items, object_or_pair).map(Self::listed_as)
    }

    /// Reads client ids: `appid` in v1 tokens, `azp` in v2 tokens. The portal shows that of a user-assigned identity
    /// as "Client ID". Items are trimmed and empty ones ignored.
    ///
    /// # Errors
    ///
    /// Names `caller_client_ids`, once for each item that is not a GUID, or when no item is left.
    pub fn parse_client_ids<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        list::parse(CLIENT_IDS, CLIENT_IDS_MISSING, items, |item| guid(item).map(Caller::ClientId)).map(Self::listed_as)
    }

    /// Reads pairs of tenant and object id, for a service that several tenants call. An object id is unique within
    /// its tenant only.
    ///
    /// # Errors
    ///
    /// Names `callers`, once for each text that is not a GUID, or when the list is empty.
    pub fn parse_tenant_object_ids<I, T, O>(pairs: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item = (T, O)>,
        T: AsRef<str>,
        O: AsRef<str>,
    {
        let mut callers = Vec::new();
        let mut faults = Vec::new();
        for (tenant, object) in pairs {
            match (guid(tenant.as_ref().trim()), guid(object.as_ref().trim())) {
                (Ok(tenant), Ok(object)) => callers.push(Caller::TenantObjectId(tenant, object)),
                (tenant, object) => {
                    let problems = tenant.err().into_iter().chain(object.err());
                    faults.extend(problems.map(|problem| ConfigFault::new(CALLERS, problem)));
                }
            }
        }
        match ConfigError::from_faults(faults) {
            Some(error) => Err(error),
            None => Self::new(callers),
        }
    }

    /// Every application of an accepted tenant. **This accepts every caller that can get a token for your
    /// audience.** That is every service principal of the tenant, unless "Assignment required" is switched on for
    /// the app registration.
    #[must_use]
    pub fn dangerous_any_in_tenant() -> Self {
        Self(Rule::AnyInTenant)
    }

    /// The callers of both lists. Any caller stays any caller.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Rule::Listed(mut callers), Rule::Listed(more)) => {
                callers.extend(more);
                Self(Rule::Listed(callers))
            }
            _ => Self(Rule::AnyInTenant),
        }
    }

    /// Whether every application of an accepted tenant may call.
    #[must_use]
    pub fn is_any_in_tenant(&self) -> bool {
        matches!(self.0, Rule::AnyInTenant)
    }

    /// The callers on the list. None if [every application](Self::is_any_in_tenant) may call.
    pub fn iter(&self) -> slice::Iter<'_, Caller> {
        match &self.0 {
            Rule::AnyInTenant => [].iter(),
            Rule::Listed(callers) => callers.iter(),
        }
    }

    /// Whether an identity may call. This says nothing about a token: anyone can write one that names any identity.
    /// [`Validator`](crate::Validator) calls it after the signature is verified.
    #[must_use]
    pub fn allows(&self, tenant: TenantId, object: ObjectId, client: Option<ClientId>) -> bool {
        self.is_any_in_tenant()
            || self.iter().any(|caller| match *caller {
                Caller::ObjectId(allowed) => allowed == object,
                Caller::ClientId(allowed) => Some(allowed) == client,
                Caller::TenantObjectId(of, allowed) => (of, allowed) == (tenant, object),
            })
    }

    /// The list by kind. `None` if every application of the tenants may call.
    pub(crate) fn listed(&self) -> Option<CallersByKind> {
        let Rule::Listed(callers) = &self.0 else { return None };
        let mut listed = CallersByKind::default();
        for caller in callers {
            match *caller {
                Caller::ObjectId(object) => listed.object_ids.push(object),
                Caller::ClientId(client) => listed.client_ids.push(client),
                Caller::TenantObjectId(tenant, object) => listed.pairs.push((tenant, object)),
            }
        }
        Some(listed)
    }

    /// The tenants of the pairs.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.iter().filter_map(|caller| match *caller {
            Caller::TenantObjectId(tenant, _) => Some(tenant),
            Caller::ObjectId(_) | Caller::ClientId(_) => None,
        })
    }

    fn listed_as(callers: Vec<Caller>) -> Self {
        Self(Rule::Listed(callers))
    }
}

impl<'c> IntoIterator for &'c Callers {
    type Item = &'c Caller;
    type IntoIter = slice::Iter<'c, Caller>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One identity that may call.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Caller {
    /// A service principal by its object id (`oid`), in every accepted tenant.
    ObjectId(ObjectId),
    /// An application by its client id (`appid` in v1 tokens, `azp` in v2 tokens), in every accepted tenant.
    ClientId(ClientId),
    /// A service principal by its object id, in one tenant only.
    TenantObjectId(TenantId, ObjectId),
}

impl From<ObjectId> for Caller {
    fn from(object: ObjectId) -> Self {
        Self::ObjectId(object)
    }
}

impl From<ClientId> for Caller {
    fn from(client: ClientId) -> Self {
        Self::ClientId(client)
    }
}

impl From<(TenantId, ObjectId)> for Caller {
    fn from((tenant, object): (TenantId, ObjectId)) -> Self {
        Self::TenantObjectId(tenant, object)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ObjectId(object) => write!(f, "object id {object}"),
            Self::ClientId(client) => write!(f, "client id {client}"),
            Self::TenantObjectId(tenant, object) => write!(f, "object id {object} of tenant {tenant}"),
        }
    }
}

/// [`Callers`] by kind.
#[derive(Debug, Default)]
pub(crate) struct CallersByKind {
    pub(crate) object_ids: Vec<ObjectId>,
    pub(crate) client_ids: Vec<ClientId>,
    pub(crate) pairs: Vec<(TenantId, ObjectId)>,
}

/// App roles of which a caller must have one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RequiredRoles(Vec<String>);

impl RequiredRoles {
    pub(crate) fn new(roles: impl IntoIterator<Item: Into<String>>) -> Self {
        Self(roles.into_iter().map(Into::into).collect())
    }

    /// Compares whole elements byte for byte. If no role is required, every caller meets them.
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

/// Reads `object` or `tenant/object`.
fn object_or_pair(item: &str) -> Result<Caller, String> {
    match item.split_once('/') {
        Some((tenant, object)) => Ok(Caller::TenantObjectId(guid(tenant.trim())?, guid(object.trim())?)),
        None => guid(item).map(Caller::ObjectId),
    }
}

fn guid<T: std::str::FromStr<Err = InvalidGuid>>(item: &str) -> Result<T, String> {
    item.parse().map_err(|fault| format!("{} is {fault}", quoted(item)))
}

const CALLERS: &str = "callers";
const CALLERS_MISSING: &str = "the list is empty; name the identity of the SignalR resource";
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
        let by_object = Callers::parse_object_ids([A]).unwrap();
        assert!(allow(&by_object, T1, A, None));
        assert!(!allow(&by_object, T1, B, Some(A)));
        let by_client = Callers::parse_client_ids([B.to_uppercase()]).unwrap();
        assert!(allow(&by_client, T1, A, Some(B)));
        assert!(!allow(&by_client, T1, B, Some(A)));
        assert!(!allow(&by_client, T1, B, None));
        let either = by_object.or(by_client);
        assert!(allow(&either, T1, A, None) && allow(&either, T1, B, Some(B)) && !allow(&either, T1, B, Some(A)));
    }

    #[test]
    fn a_pair_counts_in_its_tenant_only() {
        let callers = Callers::parse_tenant_object_ids([(T1, A)]).unwrap();
        assert!(allow(&callers, T1, A, None));
        assert!(!allow(&callers, T2, A, None));
        assert!(!allow(&callers, T1, B, Some(A)));
        assert_eq!(callers.tenants().map(|tenant| tenant.to_string()).collect::<Vec<_>>(), [T1]);
    }

    #[test]
    fn text_of_a_pair_counts_in_its_tenant_only() {
        let callers = Callers::parse_object_ids([&format!(" {} / {A}", T1.to_uppercase()), B]).unwrap();
        assert!(allow(&callers, T1, A, None) && !allow(&callers, T2, A, None));
        assert!(allow(&callers, T1, B, None) && allow(&callers, T2, B, None));
        assert_eq!(callers.tenants().map(|tenant| tenant.to_string()).collect::<Vec<_>>(), [T1]);
        for item in [format!("{T1}/"), format!("/{A}"), format!("{T1}/{A}/{A}"), format!("{T1}/x"), format!("{T1}:{A}")]
        {
            let error = Callers::parse_object_ids([&item]).unwrap_err();
            assert_eq!(error.faults().map(|fault| fault.field()).collect::<Vec<_>>(), ["caller_object_ids"], "{item}");
        }
    }

    #[test]
    fn only_the_dangerous_choice_accepts_every_caller() {
        let any = Callers::dangerous_any_in_tenant();
        assert!(allow(&any, T1, A, None) && any.is_any_in_tenant() && any.iter().next().is_none());
        assert!(any.clone().or(Callers::parse_object_ids([A]).unwrap()).is_any_in_tenant());
        assert!(Callers::parse_object_ids([A]).unwrap().or(any).is_any_in_tenant());
        assert!(!Callers::parse_object_ids([A]).unwrap().is_any_in_tenant());
    }

    #[test]
    fn every_constructor_rejects_an_empty_list() {
        let field = |callers: Result<Callers, ConfigError>| {
            callers.unwrap_err().faults().map(|fault| fault.field().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(field(Callers::parse_object_ids(Vec::<String>::new())), ["caller_object_ids"]);
        assert_eq!(field(Callers::parse_client_ids([" ", ""])), ["caller_client_ids"]);
        assert_eq!(field(Callers::parse_tenant_object_ids(Vec::<(&str, &str)>::new())), ["callers"]);
        assert_eq!(field(Callers::new(Vec::<Caller>::new())), ["callers"]);
    }

    #[test]
    fn names_every_item_that_is_not_a_guid() {
        assert_eq!(Callers::parse_object_ids(["x", "{y}", A]).unwrap_err().faults().count(), 2);
        let error = Callers::parse_tenant_object_ids([("x", "y"), (T1, ""), (T1, A)]).unwrap_err();
        let shown: Vec<_> = error.faults().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 3, "{shown:?}");
        for (fault, begins) in
            shown.iter().zip(["callers: `x` is not", "callers: `y` is not", "callers: an empty value is"])
        {
            assert!(fault.starts_with(begins), "{fault}");
        }
    }

    #[test]
    fn typed_and_text_constructors_agree() {
        let (object, client): (ObjectId, ClientId) = (A.parse().unwrap(), B.parse().unwrap());
        let tenant: TenantId = T1.parse().unwrap();
        assert_eq!(Callers::new([object]), Callers::parse_object_ids([" ", A]));
        assert_eq!(Callers::new([client]), Callers::parse_client_ids([B.to_uppercase()]));
        assert_eq!(Callers::new([(tenant, object)]), Callers::parse_tenant_object_ids([(format!(" {T1} "), A)]));
        let all = [object.into(), client.into(), (tenant, object).into()];
        let callers = Callers::new(all).unwrap();
        assert!((&callers).into_iter().eq(&all));
        let shown: Vec<_> = callers.iter().map(ToString::to_string).collect();
        let expected = [format!("object id {A}"), format!("client id {B}"), format!("object id {A} of tenant {T1}")];
        assert_eq!(shown, expected);
        let listed = callers.listed().unwrap();
        assert_eq!(
            (listed.object_ids, listed.client_ids, listed.pairs),
            (vec![object], vec![client], vec![(tenant, object)])
        );
        assert!(Callers::dangerous_any_in_tenant().listed().is_none());
    }

    #[test]
    fn one_required_role_is_enough_and_matches_whole() {
        let required = RequiredRoles::new(["Upstream.Call", "Admin"]);
        let met =
            |held: &[&str]| required.are_met_by(&held.iter().map(|role| Cow::Borrowed(*role)).collect::<Vec<_>>());
        assert!(met(&["Other", "Admin"]));
        assert!(!met(&[]) && !met(&["admin"]) && !met(&["Upstream.Call Admin"]) && !met(&["Upstream"]));
        assert!(RequiredRoles::default().are_met_by(&[]));
    }
}

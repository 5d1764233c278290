//! What a token must say to be accepted.

pub(crate) mod audience;
pub(crate) mod callers;
mod list;
pub(crate) mod stages;
pub(crate) mod tenants;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use audience::Audiences;
use callers::{Callers, RequiredRoles};
use tenants::Tenants;

use crate::claims::{ClaimValues, Claims, TokenVersion};
use crate::clock::UnixTime;
use crate::cloud::{Cloud, TENANT_PLACEHOLDER};
use crate::error::{ConfigError, ConfigFault, RejectionKind};
use crate::ids::{ClientId, ObjectId, TenantId, from_lower_case};
use crate::json::Texts;
use crate::policy::stages::{CheckedClaims, CheckedToken, TrustedKey, VerifiedToken};
use crate::signature::key::VerificationKey;
use crate::token::times::Validity;
use crate::token::{ClaimsSet, UnverifiedToken};

/// What a token must say: from which tenant, for which audience, from which caller. Cheap to clone.
///
/// ```
/// use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants};
///
/// let policy = Policy::builder(
///     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
///     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
///     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
/// )
/// .build()?;
/// # Ok::<(), signalr_upstream_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    cloud: Cloud,
    tenants: Tenants,
    issuers: HashMap<TenantId, Issuers>,
    audiences: Audiences,
    callers: Callers,
    required_roles: RequiredRoles,
    clock_skew: Duration,
    accepts_foreign_cloud_instance_names: bool,
}

/// The issuers of one tenant, built once from cloud and tenant.
#[derive(Debug)]
struct Issuers {
    tenant: String,
    v1: String,
    v2: String,
}

impl Issuers {
    /// Whether a key's issuer, with the tenant in every place left for one, is this issuer to the letter.
    fn expands(&self, template: &str, issuer: &str) -> bool {
        let mut pieces = template.split(TENANT_PLACEHOLDER);
        let rest = pieces.next().and_then(|first| issuer.strip_prefix(first));
        let rest = pieces.try_fold(rest, |rest, piece| Some(rest?.strip_prefix(&*self.tenant)?.strip_prefix(piece)));
        rest.flatten() == Some("")
    }
}

impl Policy {
    /// Starts a policy with the three answers that have no safe default.
    pub fn builder(tenants: Tenants, audiences: Audiences, callers: Callers) -> PolicyBuilder {
        PolicyBuilder {
            tenants,
            audiences,
            callers,
            cloud: Cloud::public(),
            required_roles: RequiredRoles::default(),
            clock_skew: DEFAULT_SKEW,
            accepts_foreign_cloud_instance_names: false,
        }
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// The tenants.
    #[must_use]
    pub fn tenants(&self) -> &Tenants {
        &self.0.tenants
    }

    /// The audiences.
    #[must_use]
    pub fn audiences(&self) -> &Audiences {
        &self.0.audiences
    }

    /// The callers.
    #[must_use]
    pub fn callers(&self) -> &Callers {
        &self.0.callers
    }

    /// The app roles of which a caller must have one. Empty if none is demanded.
    #[must_use]
    pub fn required_roles(&self) -> &[String] {
        self.0.required_roles.as_slice()
    }

    /// How far clocks may be apart.
    #[must_use]
    pub fn clock_skew(&self) -> Duration {
        self.0.clock_skew
    }

    /// The issuer that a token of this tenant and version must name. `None` if the tenant is not accepted.
    pub(crate) fn expected_issuer(&self, tenant: &TenantId, version: TokenVersion) -> Option<&str> {
        self.0.issuers.get(tenant).map(|issuers| match version {
            TokenVersion::V1 => issuers.v1.as_str(),
            TokenVersion::V2 => issuers.v2.as_str(),
        })
    }

    /// Whether the claims would do if they were true: version, tenant, issuer, audience, times, in this
    /// order. This may only reject; nothing is admitted before the signature holds (RFC 8725 section 3.10).
    pub(crate) fn check_claims<'t>(
        &self,
        token: UnverifiedToken<'t>,
        now: Option<UnixTime>,
    ) -> Result<CheckedToken<'t>, RejectionKind> {
        let version = Self::version(&token)?;
        let tenant = self.tenant(&token)?;
        self.issuer(&token, tenant, version)?;
        self.audience(&token, version)?;
        let validity = Self::validity(&token)?;
        self.check_times(&validity, now)?;
        Ok(CheckedToken::assertion(token, CheckedClaims { tenant, version, validity }))
    }

    /// Whether the times are right at `now`. A token that was verified before is asked again.
    pub(crate) fn check_times(&self, validity: &Validity, now: Option<UnixTime>) -> Result<(), RejectionKind> {
        validity.check(now, self.0.clock_skew)
    }

    /// Whether a key may sign for the tenant of a token: its own `issuer` and `cloud_instance_name` say
    /// so, where it has them. Entra publishes the keys of personal accounts and of the US Government
    /// cloud beside those of the public cloud's tenants.
    pub(crate) fn check_key<'k>(
        &self,
        key: &'k VerificationKey,
        token: &CheckedToken<'_>,
    ) -> Result<TrustedKey<'k>, RejectionKind> {
        let tenant = token.checked_claims().tenant;
        let issuers = self.0.issuers.get(&tenant).ok_or(RejectionKind::WrongTenant)?;
        if let Some(issuer) = key.issuer()
            && !issuers.expands(issuer, &issuers.v2)
            && !issuers.expands(issuer, &issuers.v1)
        {
            return Err(RejectionKind::ForeignIssuerKey);
        }
        // Both, since the keys may have been fetched for another policy.
        let mut expected = [key.document_cloud(), self.0.cloud.cloud_instance_name()].into_iter().flatten();
        if let Some(cloud) = key.cloud_instance_name()
            && expected.any(|expected| cloud != expected)
            && !self.0.accepts_foreign_cloud_instance_names
        {
            return Err(RejectionKind::ForeignCloudKey);
        }
        Ok(TrustedKey::assertion(key))
    }

    /// Whether the caller of a signed token is wanted: an application, on the list, with a role.
    pub(crate) fn authorize(&self, token: &VerifiedToken<'_>) -> Result<Claims, RejectionKind> {
        self.caller(token.checked_claims(), token.claims()).map(Claims::assertion)
    }

    /// What this policy says of claims whoever signed them. No proof comes of it.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn check_unverified_claims(
        &self,
        token: UnverifiedToken<'_>,
        now: Option<UnixTime>,
    ) -> Result<(), RejectionKind> {
        let token = self.check_claims(token, now)?;
        self.caller(token.checked_claims(), token.claims()).map(drop)
    }

    fn caller(&self, facts: CheckedClaims, claims: &ClaimsSet<'_>) -> Result<ClaimValues, RejectionKind> {
        let CheckedClaims { tenant, version, validity } = facts;
        let object_id = claims.oid.as_deref().ok_or(RejectionKind::MissingClaim)?;
        let subject = claims.sub.as_deref().ok_or(RejectionKind::MissingClaim)?;
        let is_app = claims.scp.is_none() && claims.idtyp.as_deref().is_none_or(|kind| kind == "app");
        let object_id = match from_lower_case::<ObjectId>(object_id) {
            Some(_) if !is_app || subject != object_id => return Err(RejectionKind::DelegatedToken),
            Some(id) => id,
            None => return Err(RejectionKind::MalformedClaims),
        };
        let client_id = match version {
            TokenVersion::V1 => claims.appid.as_deref(),
            TokenVersion::V2 => claims.azp.as_deref(),
        };
        let client_id = client_id.and_then(|id| id.parse::<ClientId>().ok());
        if !self.0.callers.allows(tenant, object_id, client_id) {
            return Err(RejectionKind::CallerNotAllowed);
        }
        let roles = claims.roles.as_ref().map_or(&[][..], Texts::as_slice);
        if !self.0.required_roles.are_met_by(roles) {
            return Err(RejectionKind::MissingRole);
        }
        Ok(ClaimValues {
            tenant_id: tenant,
            object_id,
            client_id,
            audience: single_audience(claims.aud.as_ref()).unwrap_or_default().to_owned(),
            version,
            roles: roles.iter().map(|role| role.clone().into_owned()).collect(),
            expires_at: validity.ends(),
            token_id: claims.uti.as_deref().map(str::to_owned),
        })
    }

    fn version(token: &UnverifiedToken<'_>) -> Result<TokenVersion, RejectionKind> {
        let version = token.claims.ver.as_deref().ok_or(RejectionKind::MissingClaim)?;
        TokenVersion::parse(version).ok_or(RejectionKind::UnsupportedVersion)
    }

    fn tenant(&self, token: &UnverifiedToken<'_>) -> Result<TenantId, RejectionKind> {
        let tenant = token.claims.tid.as_deref().ok_or(RejectionKind::MissingClaim)?;
        from_lower_case(tenant).filter(|tenant| self.0.tenants.contains(*tenant)).ok_or(RejectionKind::WrongTenant)
    }

    /// The issuer is built from cloud, tenant and version and compared whole, never by a part of it.
    fn issuer(
        &self,
        token: &UnverifiedToken<'_>,
        tenant: TenantId,
        version: TokenVersion,
    ) -> Result<(), RejectionKind> {
        let issuer = token.claims.iss.as_deref().ok_or(RejectionKind::MissingClaim)?;
        if self.expected_issuer(&tenant, version) == Some(issuer) { Ok(()) } else { Err(RejectionKind::WrongIssuer) }
    }

    fn audience(&self, token: &UnverifiedToken<'_>, version: TokenVersion) -> Result<(), RejectionKind> {
        let audiences = token.claims.aud.as_ref().ok_or(RejectionKind::MissingClaim)?;
        let audience = single_audience(Some(audiences));
        if self.accepts_audience(audience, version) {
            Ok(())
        } else if token.has_nonce || audience.is_some_and(audience::is_graph) {
            Err(RejectionKind::GraphToken)
        } else {
            Err(RejectionKind::WrongAudience)
        }
    }

    /// Whether a token's one audience is among the accepted ones.
    pub(crate) fn accepts_audience(&self, audience: Option<&str>, version: TokenVersion) -> bool {
        audience.is_some_and(|audience| self.0.audiences.accepts(audience, version))
    }

    fn validity(token: &UnverifiedToken<'_>) -> Result<Validity, RejectionKind> {
        let exp = token.claims.exp.ok_or(RejectionKind::MissingClaim)?;
        Ok(Validity { exp, nbf: token.claims.nbf, iat: token.claims.iat })
    }
}

/// Entra names one audience; a token for several was not meant for this service alone.
pub(crate) fn single_audience<'a>(audiences: Option<&'a Texts<'_>>) -> Option<&'a str> {
    match audiences?.as_slice() {
        [audience] => Some(audience),
        _ => None,
    }
}

/// Builds a [`Policy`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyBuilder {
    tenants: Tenants,
    audiences: Audiences,
    callers: Callers,
    cloud: Cloud,
    required_roles: RequiredRoles,
    clock_skew: Duration,
    accepts_foreign_cloud_instance_names: bool,
}

impl PolicyBuilder {
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
    /// demanded, since a managed identity has no roles unless somebody assigned one. **An empty list
    /// demands none, either.**
    pub fn required_roles(mut self, roles: impl IntoIterator<Item: Into<String>>) -> Self {
        self.required_roles = RequiredRoles::new(roles);
        self
    }

    /// Accepts keys that carry the label of another cloud. **A key of another cloud may then sign for a
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
    /// Names `clock_skew_secs` when it is more than 600 seconds, `required_roles` when one is blank, and
    /// `callers` when a pair names a tenant that is not accepted.
    pub fn build(self) -> Result<Policy, ConfigError> {
        let mut faults = Vec::new();
        faults.extend(skew_fault(self.clock_skew));
        if self.required_roles.has_blank() {
            faults.push(ConfigFault::new("required_roles", "a role is blank; write the value of the app role"));
        }
        for tenant in self.callers.tenants().filter(|tenant| !self.tenants.contains(*tenant)) {
            faults.push(ConfigFault::new(
                "callers",
                format!("tenant {tenant} is not among the accepted tenants; add it there"),
            ));
        }
        if let Some(error) = ConfigError::from_faults(faults) {
            return Err(error);
        }
        let issuers = self.tenants.iter().map(|tenant| {
            let (v1, v2) = (self.cloud.v1_issuer(tenant), self.cloud.v2_issuer(tenant));
            (*tenant, Issuers { tenant: tenant.to_string(), v1, v2 })
        });
        Ok(Policy(Arc::new(Rules {
            issuers: issuers.collect(),
            cloud: self.cloud,
            tenants: self.tenants,
            audiences: self.audiences,
            callers: self.callers,
            required_roles: self.required_roles,
            clock_skew: self.clock_skew,
            accepts_foreign_cloud_instance_names: self.accepts_foreign_cloud_instance_names,
        })))
    }
}

/// What is wrong with a clock skew, also for one that stands in no policy yet.
pub(crate) fn skew_fault(skew: Duration) -> Option<ConfigFault> {
    (skew > MAX_SKEW).then(|| ConfigFault::new("clock_skew_secs", "write 0 to 600 seconds; 300 is the default"))
}

const DEFAULT_SKEW: Duration = Duration::from_secs(300);
const MAX_SKEW: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
    const OTHER: &str = "33333333-aaaa-4bbb-8ccc-222222222222";

    fn builder() -> PolicyBuilder {
        let callers = Callers::parse_object_ids([ONE]).unwrap();
        Policy::builder(Tenants::parse([ONE]).unwrap(), Audiences::parse([ONE]).unwrap(), callers)
    }

    fn faults(builder: PolicyBuilder) -> Vec<String> {
        builder.build().unwrap_err().faults().map(|fault| fault.field().to_owned()).collect()
    }

    #[test]
    fn a_policy_says_what_it_was_built_from() {
        let policy = builder().clock_skew(Duration::from_secs(600)).required_roles(["a", "b"]).build().unwrap();
        assert_eq!(policy.clock_skew(), Duration::from_secs(600));
        assert_eq!(policy.required_roles(), ["a", "b"]);
        let (tenant, stranger) = (ONE.parse().unwrap(), OTHER.parse().unwrap());
        let issuer = |version| policy.expected_issuer(&tenant, version).map(str::to_owned);
        assert_eq!(issuer(TokenVersion::V1), Some(format!("https://sts.windows.net/{ONE}/")));
        assert_eq!(issuer(TokenVersion::V2), Some(format!("https://login.microsoftonline.com/{ONE}/v2.0")));
        assert_eq!(policy.expected_issuer(&stranger, TokenVersion::V2), None);
        let usual = builder().build().unwrap();
        assert_eq!((usual.clock_skew(), usual.required_roles().len()), (Duration::from_secs(300), 0));
    }

    #[test]
    fn every_fault_is_named() {
        let callers = Callers::new([(OTHER.parse().unwrap(), ONE.parse().unwrap())]).unwrap();
        let strange = Policy::builder(Tenants::parse([ONE]).unwrap(), Audiences::parse([ONE]).unwrap(), callers);
        let strange = strange.clock_skew(Duration::from_nanos(600_000_000_001)).required_roles(["a", " "]);
        assert_eq!(faults(strange), ["clock_skew_secs", "required_roles", "callers"]);
    }

    #[test]
    fn a_keys_issuer_has_the_tenant_in_each_of_its_gaps_and_nothing_else() {
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

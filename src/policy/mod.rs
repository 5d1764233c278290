//! What a token must say, in the order in which it is checked. Pure: no clock, no network.

pub(crate) mod audience;
pub(crate) mod builder;
pub(crate) mod callers;
pub(crate) mod claims;
pub(crate) mod first_party;
mod issuers;
mod list;
pub(crate) mod stages;
pub(crate) mod tenants;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use audience::Audiences;
use builder::PolicyBuilder;
use callers::{Callers, RequiredRoles};
use claims::{ClaimValues, Claims};
use issuers::Issuers;
use stages::{AuthorizedToken, CheckedToken, TrustedToken, VerifiedToken};
use tenants::Tenants;

use crate::clock::UnixTime;
use crate::cloud::Cloud;
use crate::error::{CheckName, Rejection, RejectionKind};
use crate::ids::{ClientId, KeyId, ObjectId, TenantId, from_lower_case};
use crate::json::Texts;
use crate::signature::key::VerificationKey;
use crate::token::UnverifiedToken;
use crate::token::claims_set::ClaimsSet;
use crate::token::times::Validity;
use crate::token::version::TokenVersion;

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
    revoked_keys: Vec<KeyId>,
    clock_skew: Duration,
    accepts_foreign_cloud_instance_names: bool,
}

impl Policy {
    /// Starts a policy with the three answers that have no safe default.
    pub fn builder(tenants: Tenants, audiences: Audiences, callers: Callers) -> PolicyBuilder {
        PolicyBuilder::new(tenants, audiences, callers)
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

    /// The app roles of which a caller must have one. Empty if none is required.
    #[must_use]
    pub fn required_roles(&self) -> &[String] {
        self.0.required_roles.as_slice()
    }

    /// The ids of the keys that are rejected from the start.
    #[must_use]
    pub fn revoked_keys(&self) -> &[KeyId] {
        &self.0.revoked_keys
    }

    /// How far clocks may be apart.
    #[must_use]
    pub fn clock_skew(&self) -> Duration {
        self.0.clock_skew
    }

    /// The issuer that a token of this tenant and version must name. `None` if the tenant is not accepted.
    pub(crate) fn expected_issuer(&self, tenant: &TenantId, version: TokenVersion) -> Option<&str> {
        self.0.issuers.get(tenant).map(|issuers| issuers.of(version))
    }

    /// Whether a token's single audience is accepted.
    pub(crate) fn accepts_audience(&self, audience: Option<&str>, version: TokenVersion) -> bool {
        audience.is_some_and(|audience| self.0.audiences.accepts(audience, version))
    }
}

/// The checks, in their order. Until the signature is verified, claims are untrusted: they can only cause a rejection
/// (RFC 8725 section 3.10).
impl Policy {
    /// Checks version, tenant, issuer, audience and times, and that the key is not revoked: nobody needs to look for it
    /// then.
    pub(crate) fn check_claims<'t>(
        &self,
        token: UnverifiedToken<'t>,
        now: Option<UnixTime>,
    ) -> Result<CheckedToken<'t>, Rejection> {
        let version = Self::check_version(&token.claims)?;
        let tenant = self.check_tenant(&token.claims)?;
        self.check_issuer(&token.claims, tenant, version)?;
        self.check_audience(&token, version)?;
        let validity = Self::validity(&token.claims)?;
        let now = self.check_times(&validity, now)?;
        if self.0.revoked_keys.contains(&token.key_id) {
            return Err(RejectionKind::RevokedKey.into());
        }
        Ok(CheckedToken::new(token, tenant, version, validity, now))
    }

    /// Checks `exp`, `nbf` and `iat` at `now`, and returns the time. A cached token is checked again with each request.
    pub(crate) fn check_times(&self, validity: &Validity, now: Option<UnixTime>) -> Result<UnixTime, RejectionKind> {
        let now = now.ok_or(RejectionKind::ClockUnavailable)?;
        validity.check(now, self.0.clock_skew).map(|()| now)
    }

    /// Checks that the key may sign for the token's tenant, by the key's own `issuer` and `cloud_instance_name` where
    /// it has them. Entra lists the keys of personal accounts and of the US Government cloud beside those of the
    /// public cloud's tenants.
    pub(crate) fn check_key<'t>(
        &self,
        token: CheckedToken<'t>,
        key: VerificationKey,
    ) -> Result<TrustedToken<'t>, RejectionKind> {
        let issuers = self.0.issuers.get(&token.tenant()).ok_or(RejectionKind::WrongTenant)?;
        if key.issuer().is_some_and(|issuer| !issuers.includes(issuer)) {
            return Err(RejectionKind::ForeignIssuerKey);
        }
        // Both, since the keys may have been fetched for another policy.
        let expected = [key.document_cloud(), self.0.cloud.cloud_instance_name()];
        if let Some(cloud) = key.cloud_instance_name()
            && expected.into_iter().flatten().any(|expected| cloud != expected)
            && !self.0.accepts_foreign_cloud_instance_names
        {
            return Err(RejectionKind::ForeignCloudKey);
        }
        Ok(TrustedToken::new(token, key))
    }

    /// Checks that the caller of a verified token is an application, is on the list and has a required role.
    pub(crate) fn authorize(&self, token: VerifiedToken<'_>) -> Result<AuthorizedToken, Rejection> {
        let claims = self.check_caller(token.checked())?;
        Ok(token.authorize(Claims::new(claims)))
    }

    /// Every check but those of key and signature, for the fuzz targets. Proves nothing.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn check_unverified(&self, token: UnverifiedToken<'_>, now: Option<UnixTime>) -> Result<(), Rejection> {
        self.check_caller(&self.check_claims(token, now)?).map(drop)
    }

    fn check_version(claims: &ClaimsSet<'_>) -> Result<TokenVersion, Rejection> {
        let version = claims.ver.as_deref().ok_or_else(|| missing(CheckName::Version))?;
        TokenVersion::parse(version).ok_or_else(|| RejectionKind::UnsupportedVersion.into())
    }

    fn check_tenant(&self, claims: &ClaimsSet<'_>) -> Result<TenantId, Rejection> {
        let tenant = claims.tid.as_deref().ok_or_else(|| missing(CheckName::Tenant))?;
        from_lower_case(tenant)
            .filter(|tenant| self.0.tenants.contains(*tenant))
            .ok_or_else(|| RejectionKind::WrongTenant.into())
    }

    /// The issuer is built from cloud, tenant and version and compared whole, never by a part of it.
    fn check_issuer(&self, claims: &ClaimsSet<'_>, tenant: TenantId, version: TokenVersion) -> Result<(), Rejection> {
        let issuer = claims.iss.as_deref().ok_or_else(|| missing(CheckName::Issuer))?;
        if self.expected_issuer(&tenant, version) == Some(issuer) {
            Ok(())
        } else {
            Err(RejectionKind::WrongIssuer.into())
        }
    }

    fn check_audience(&self, token: &UnverifiedToken<'_>, version: TokenVersion) -> Result<(), Rejection> {
        let audiences = token.claims.aud.as_ref().ok_or_else(|| missing(CheckName::Audience))?;
        let audience = single_audience(Some(audiences));
        if self.accepts_audience(audience, version) {
            Ok(())
        } else if token.has_nonce || audience.is_some_and(first_party::is_graph) {
            Err(RejectionKind::GraphToken.into())
        } else {
            Err(RejectionKind::WrongAudience.into())
        }
    }

    fn validity(claims: &ClaimsSet<'_>) -> Result<Validity, Rejection> {
        let exp = claims.exp.ok_or_else(|| missing(CheckName::Times))?;
        Ok(Validity { exp, nbf: claims.nbf, iat: claims.iat })
    }

    fn check_caller(&self, token: &CheckedToken<'_>) -> Result<ClaimValues, Rejection> {
        let (tenant, version, claims) = (token.tenant(), token.version(), token.claims());
        let object_id = Self::check_application(claims)?;
        let client_id = match version {
            TokenVersion::V1 => claims.appid.as_deref(),
            TokenVersion::V2 => claims.azp.as_deref(),
        };
        let client_id = client_id.and_then(|id| id.parse::<ClientId>().ok());
        if !self.0.callers.allows(tenant, object_id, client_id) {
            return Err(RejectionKind::CallerNotAllowed.into());
        }
        let roles = claims.roles.as_ref().map_or(&[][..], Texts::as_slice);
        if !self.0.required_roles.are_met_by(roles) {
            return Err(RejectionKind::MissingRole.into());
        }
        Ok(ClaimValues {
            tenant_id: tenant,
            object_id,
            client_id,
            audience: single_audience(claims.aud.as_ref()).unwrap_or_default().to_owned(),
            version,
            roles: roles.iter().map(|role| role.clone().into_owned()).collect(),
            expires_at: token.validity().ends(),
            token_id: claims.uti.as_deref().map(str::to_owned),
        })
    }

    /// An application's own token has an `oid` that is its `sub`, too, and no delegated scope.
    fn check_application(claims: &ClaimsSet<'_>) -> Result<ObjectId, Rejection> {
        let object_id = claims.oid.as_deref().ok_or_else(|| missing(CheckName::Application))?;
        let subject = claims.sub.as_deref().ok_or_else(|| missing(CheckName::Application))?;
        let is_app = claims.scp.is_none() && claims.idtyp.as_deref().is_none_or(|kind| kind == "app");
        match from_lower_case::<ObjectId>(object_id) {
            Some(_) if !is_app || subject != object_id => Err(RejectionKind::DelegatedToken.into()),
            Some(id) => Ok(id),
            None => Err(Rejection::at(CheckName::Application, RejectionKind::MalformedClaims)),
        }
    }
}

fn missing(check: CheckName) -> Rejection {
    Rejection::at(check, RejectionKind::MissingClaim)
}

/// Entra names one audience. A token for several was not meant for this service alone.
pub(crate) fn single_audience<'a>(audiences: Option<&'a Texts<'_>>) -> Option<&'a str> {
    match audiences?.as_slice() {
        [audience] => Some(audience),
        _ => None,
    }
}

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
    fn policy_returns_what_it_was_built_from() {
        let policy = builder().clock_skew(Duration::from_secs(600)).required_roles(["a", "b"]);
        let policy = policy.revoked_keys([KeyId::new("k")]).build().unwrap();
        assert_eq!(policy.revoked_keys(), [KeyId::new("k")]);
        assert_eq!(policy.clock_skew(), Duration::from_secs(600));
        assert_eq!(policy.required_roles(), ["a", "b"]);
        let (tenant, stranger) = (ONE.parse().unwrap(), OTHER.parse().unwrap());
        let issuer = |version| policy.expected_issuer(&tenant, version).map(str::to_owned);
        assert_eq!(issuer(TokenVersion::V1), Some(format!("https://sts.windows.net/{ONE}/")));
        assert_eq!(issuer(TokenVersion::V2), Some(format!("https://login.microsoftonline.com/{ONE}/v2.0")));
        assert_eq!(policy.expected_issuer(&stranger, TokenVersion::V2), None);
        let usual = builder().build().unwrap();
        assert_eq!((usual.clock_skew(), usual.required_roles().len()), (Duration::from_secs(300), 0));
        assert!(usual.revoked_keys().is_empty());
    }

    #[test]
    fn names_every_fault_of_a_policy() {
        let callers = Callers::parse_tenant_object_ids([(OTHER, ONE)]).unwrap();
        let strange = Policy::builder(Tenants::parse([ONE]).unwrap(), Audiences::parse([ONE]).unwrap(), callers);
        let strange = strange.clock_skew(Duration::from_nanos(600_000_000_001)).required_roles(["a", " "]);
        let keys = ["", "a b", "a\n", "k", &"k".repeat(257)].map(KeyId::new);
        let strange = strange.revoked_keys(keys);
        let expected = [&["clock_skew_secs", "required_roles"][..], &["revoked_keys"; 4], &["callers"]].concat();
        assert_eq!(faults(strange), expected);
    }
}

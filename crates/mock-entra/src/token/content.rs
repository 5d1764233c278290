//! The JOSE header and the claims set of a token, with Entra's members in Entra's order.

use signalr_upstream_auth::TokenVersion;
use signalr_upstream_auth::clock::UnixTime;

use super::{LIFETIME, Parties, Segment, TokenBuilder, random_text};
use crate::members::Members;

impl TokenBuilder {
    pub(super) fn header_text(&self, nonce: Option<&str>) -> String {
        let v1 = self.version == TokenVersion::V1;
        let usual = Members::default()
            .with("typ", "JWT")
            .with_some("nonce", nonce)
            .with("alg", &self.algorithm)
            .with_some("x5t", v1.then(|| self.key.thumbprint()))
            .with("kid", self.key.key_id().as_str());
        self.header.text(usual)
    }

    pub(super) fn claims_text(&self) -> String {
        self.claims.text(if self.delegated { self.user_claims() } else { self.application_claims() })
    }

    /// The claims of a managed identity's token. Behind the times Entra sorts them by name.
    fn application_claims(&self) -> Members {
        let Parties { tenant, caller_object_id, caller_client_id, .. } = self.parties;
        let (v1, v2) = (self.version == TokenVersion::V1, self.version == TokenVersion::V2);
        self.registered_claims()
            .with("aio", random_text::<36>())
            .with_some("app_displayname", self.graph.then_some("contoso"))
            .with_some("appid", v1.then(|| caller_client_id.to_string()))
            .with_some("appidacr", v1.then_some("2"))
            .with_some("azp", v2.then(|| caller_client_id.to_string()))
            .with_some("azpacr", v2.then_some("2"))
            .with_some("idp", v1.then(|| self.authority.issuer(tenant, TokenVersion::V1)))
            .with_some("idtyp", self.graph.then_some("app"))
            .with("oid", caller_object_id.to_string())
            .with("rh", RH)
            .with_some("roles", self.roles.as_ref())
            .with("sub", caller_object_id.to_string())
            .with_some("tenant_region_scope", self.graph.then_some("EU"))
            .with("tid", tenant.to_string())
            .with("uti", random_text::<16>())
            .with("ver", self.version_claim())
            .with_some("wids", self.graph.then_some([DEFAULT_DIRECTORY_ROLE]))
            .with("xms_idrel", "7 18")
            .with("xms_mirid", SIGNALR_RESOURCE)
    }

    /// The claims of a token on behalf of a user, sorted likewise.
    fn user_claims(&self) -> Members {
        let Parties { tenant, caller_client_id, .. } = self.parties;
        let (v1, v2) = (self.version == TokenVersion::V1, self.version == TokenVersion::V2);
        self.registered_claims()
            .with_some("acr", v1.then_some("1"))
            .with("aio", random_text::<36>())
            .with_some("amr", v1.then_some(["pwd", "mfa"]))
            .with_some("appid", v1.then(|| caller_client_id.to_string()))
            .with_some("appidacr", v1.then_some("1"))
            .with_some("azp", v2.then(|| caller_client_id.to_string()))
            .with_some("azpacr", v2.then_some("1"))
            .with("name", "Ada Example")
            .with("oid", USER_OBJECT_ID)
            .with_some("preferred_username", v2.then_some(USER_NAME))
            .with("rh", RH)
            .with_some("roles", self.roles.as_ref())
            .with("scp", "user_impersonation")
            .with("sub", USER_SUBJECT)
            .with("tid", tenant.to_string())
            .with_some("unique_name", v1.then_some(USER_NAME))
            .with_some("upn", v1.then_some(USER_NAME))
            .with("uti", random_text::<16>())
            .with("ver", self.version_claim())
    }

    /// The registered claims (RFC 7519 section 4.1) that every token of Entra begins with.
    fn registered_claims(&self) -> Members {
        let issued_at = self.issued_at.unwrap_or_else(|| self.now());
        let default_end = UnixTime::from_secs(issued_at.as_secs().saturating_add(LIFETIME.as_secs()));
        Members::default()
            .with("aud", self.audience_claim())
            .with("iss", self.authority.issuer(self.parties.tenant, self.version))
            .with("iat", issued_at.as_secs())
            .with("nbf", self.not_before.unwrap_or(issued_at).as_secs())
            .with("exp", self.expires_at.unwrap_or(default_end).as_secs())
    }

    fn audience_claim(&self) -> String {
        match (&self.audience, self.version) {
            (Some(audience), _) => audience.clone(),
            (None, _) if self.graph => "https://graph.microsoft.com".to_owned(),
            (None, TokenVersion::V1) => format!("api://{}", self.parties.audience_client_id),
            (None, TokenVersion::V2) => self.parties.audience_client_id.to_string(),
        }
    }

    fn version_claim(&self) -> &'static str {
        match self.version {
            TokenVersion::V1 => "1.0",
            TokenVersion::V2 => "2.0",
        }
    }
}

impl Segment {
    fn text(&self, usual: Members) -> String {
        match &self.raw {
            Some(raw) => raw.clone(),
            None => usual.edited(&self.edits).to_string(),
        }
    }
}

const DEFAULT_DIRECTORY_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
/// The claim `rh`, which Entra documents as its own to revalidate tokens. A made-up value.
const RH: &str = "0.AVQAEREREaqqu0uMzCIiIiIiIkREREQAAAAAwAAAAAAAAAAAAAA.";
const SIGNALR_RESOURCE: &str = "/subscriptions/99999999-0000-4000-8000-aaaaaaaaaaaa/resourcegroups/rg/providers/Microsoft.SignalRService/SignalR/contoso";
const USER_NAME: &str = "ada@contoso.example";
const USER_OBJECT_ID: &str = "bbbbbbbb-5678-4cde-8fab-cccccccccccc";
const USER_SUBJECT: &str = "Q2n4bDZ0c0hXb1hGd0R2eUxyT3pVaE5qS3VQYkFtRWc";

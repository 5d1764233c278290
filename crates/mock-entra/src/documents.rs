//! The documents that a validator reads, v1 and v2: OpenID Connect discovery and keys, byte for byte as Entra's.

use signalr_upstream_auth::{TenantId, TokenVersion};

use crate::authority::Authority;
use crate::jwk::Jwk;
use crate::members::Members;

/// Whose document it is: the first segment of its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Directory {
    /// Work, school and personal accounts of any tenant.
    Common,
    /// Work and school accounts of any tenant.
    Organizations,
    Tenant(TenantId),
}

impl Directory {
    fn segment(self) -> String {
        match self {
            Self::Common => "common".to_owned(),
            Self::Organizations => "organizations".to_owned(),
            Self::Tenant(tenant) => tenant.to_string(),
        }
    }

    fn issuer(self, authority: &Authority, version: TokenVersion) -> String {
        match self {
            Self::Common | Self::Organizations => authority.issuer_template(version),
            Self::Tenant(tenant) => authority.issuer(tenant, version),
        }
    }

    /// The region of the tenant's data.
    fn region(self) -> Option<&'static str> {
        match self {
            Self::Common | Self::Organizations => None,
            Self::Tenant(_) => Some("EU"),
        }
    }
}

/// The discovery document (OpenID Connect Discovery 1.0 section 3).
///
/// It names the public cloud's hosts of other services (Graph, role management), whatever the cloud is.
pub(crate) fn discovery(authority: &Authority, directory: Directory, version: TokenVersion) -> String {
    match version {
        TokenVersion::V1 => discovery_v1(authority, directory),
        TokenVersion::V2 => discovery_v2(authority, directory),
    }
    .to_string()
}

/// The key document (RFC 7517 section 5).
pub(crate) fn keys<'a>(
    authority: &Authority,
    entries: impl IntoIterator<Item = &'a Jwk>,
    version: TokenVersion,
) -> String {
    let entries: Vec<_> = entries.into_iter().map(|entry| entry.text(authority, version)).collect();
    format!(r#"{{"keys":[{}]}}"#, entries.join(","))
}

fn discovery_v1(authority: &Authority, directory: Directory) -> Members {
    let login = &authority.login;
    let at = format!("{login}/{}", directory.segment());
    Members::default()
        .with("token_endpoint", format!("{at}/oauth2/token"))
        .with("token_endpoint_auth_methods_supported", CLIENT_AUTHENTICATION)
        // The tenant's own document names the keys of `common` too.
        .with("jwks_uri", format!("{login}/common/discovery/keys"))
        .with("response_modes_supported", ["query", "fragment", "form_post"])
        .with("subject_types_supported", ["pairwise"])
        .with("id_token_signing_alg_values_supported", ["RS256"])
        .with("response_types_supported", ["code", "id_token", "code id_token", "token id_token", "token"])
        .with("scopes_supported", ["openid"])
        .with("issuer", directory.issuer(authority, TokenVersion::V1))
        .with("microsoft_multi_refresh_token", true)
        .with("authorization_endpoint", format!("{at}/oauth2/authorize"))
        .with("device_authorization_endpoint", format!("{at}/oauth2/devicecode"))
        .with("http_logout_supported", true)
        .with("frontchannel_logout_supported", true)
        .with("end_session_endpoint", format!("{at}/oauth2/logout"))
        .with("claims_supported", CLAIMS_V1)
        .with("check_session_iframe", format!("{at}/oauth2/checksession"))
        .with("userinfo_endpoint", format!("{at}/openid/userinfo"))
        .with("kerberos_endpoint", format!("{at}/kerberos"))
        .with("tenant_region_scope", directory.region())
        .with_some("cloud_instance_name", authority.cloud_instance_name.as_deref())
        .with("cloud_graph_host_name", "graph.windows.net")
        .with("msgraph_host", "graph.microsoft.com")
        .with("rbac_url", "https://pas.windows.net")
}

fn discovery_v2(authority: &Authority, directory: Directory) -> Members {
    let at = format!("{}/{}", authority.login, directory.segment());
    Members::default()
        .with("token_endpoint", format!("{at}/oauth2/v2.0/token"))
        .with("token_endpoint_auth_methods_supported", CLIENT_AUTHENTICATION)
        .with("jwks_uri", format!("{at}/discovery/v2.0/keys"))
        .with("response_modes_supported", ["query", "fragment", "form_post"])
        .with("subject_types_supported", ["pairwise"])
        .with("id_token_signing_alg_values_supported", ["RS256"])
        .with("response_types_supported", ["code", "id_token", "code id_token", "id_token token"])
        .with("scopes_supported", ["openid", "profile", "email", "offline_access"])
        .with("issuer", directory.issuer(authority, TokenVersion::V2))
        .with("request_uri_parameter_supported", false)
        .with("userinfo_endpoint", "https://graph.microsoft.com/oidc/userinfo")
        .with("authorization_endpoint", format!("{at}/oauth2/v2.0/authorize"))
        .with("device_authorization_endpoint", format!("{at}/oauth2/v2.0/devicecode"))
        .with("http_logout_supported", true)
        .with("frontchannel_logout_supported", true)
        .with("end_session_endpoint", format!("{at}/oauth2/v2.0/logout"))
        .with("claims_supported", CLAIMS_V2)
        .with("kerberos_endpoint", format!("{at}/kerberos"))
        .with("tenant_region_scope", directory.region())
        .with_some("cloud_instance_name", authority.cloud_instance_name.as_deref())
        .with("cloud_graph_host_name", "graph.windows.net")
        .with("msgraph_host", "graph.microsoft.com")
        .with("rbac_url", "https://pas.windows.net")
}

const CLIENT_AUTHENTICATION: [&str; 3] = ["client_secret_post", "private_key_jwt", "client_secret_basic"];

const CLAIMS_V1: [&str; 17] = [
    "sub",
    "iss",
    "cloud_instance_name",
    "cloud_instance_host_name",
    "cloud_graph_host_name",
    "msgraph_host",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "email",
    "given_name",
    "family_name",
    "nickname",
];

const CLAIMS_V2: [&str; 19] = [
    "sub",
    "iss",
    "cloud_instance_name",
    "cloud_instance_host_name",
    "cloud_graph_host_name",
    "msgraph_host",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "nonce",
    "preferred_username",
    "name",
    "tid",
    "ver",
    "at_hash",
    "c_hash",
    "email",
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::SigningKey;

    fn tenant() -> TenantId {
        "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap()
    }

    #[test]
    fn public_documents_are_as_long_as_entras() {
        assert_eq!(discovery(&Authority::public(), Directory::Common, TokenVersion::V1).len(), 1564);
        assert_eq!(discovery(&Authority::public(), Directory::Common, TokenVersion::V2).len(), 1547);
    }

    #[test]
    #[ignore = "reads the recorded documents: .ci/vectors recorded"]
    fn public_v2_documents_match_recorded_ones() {
        let folder = std::env::var("UPSTREAM_AUTH_VECTORS").unwrap();
        for (directory, name) in [(Directory::Common, "common"), (Directory::Organizations, "organizations")] {
            let recorded = std::fs::read_to_string(format!("{folder}/entra/entra-{name}-discovery.json")).unwrap();
            // The recording is indented; no string of it begins a line.
            let recorded: String = recorded.lines().map(|line| line.trim_start().replacen("\": ", "\":", 1)).collect();
            assert_eq!(discovery(&Authority::public(), directory, TokenVersion::V2), recorded);
        }
    }

    #[test]
    fn documents_of_a_tenant_name_it_where_entras_do() {
        let authority = Authority::custom("http://127.0.0.1:8080");
        for (version, jwks_uri, issuer) in [
            (
                TokenVersion::V1,
                "http://127.0.0.1:8080/common/discovery/keys",
                "http://127.0.0.1:8080/11111111-aaaa-4bbb-8ccc-222222222222/",
            ),
            (
                TokenVersion::V2,
                "http://127.0.0.1:8080/11111111-aaaa-4bbb-8ccc-222222222222/discovery/v2.0/keys",
                "http://127.0.0.1:8080/11111111-aaaa-4bbb-8ccc-222222222222/v2.0",
            ),
        ] {
            let document: Value =
                serde_json::from_str(&discovery(&authority, Directory::Tenant(tenant()), version)).unwrap();
            assert_eq!(document["jwks_uri"], jwks_uri);
            assert_eq!(document["issuer"], issuer);
            assert_eq!(document["cloud_instance_name"], "entra.test");
            assert_eq!(document["id_token_signing_alg_values_supported"], serde_json::json!(["RS256"]));
        }
    }

    #[test]
    fn keys_have_entras_members_in_entras_order() {
        let key = SigningKey::stranger();
        let (kid, certificate) = (key.key_id().as_str(), key.certificate());
        let n = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key.modulus());
        let start = format!(
            r#"{{"keys":[{{"kty":"RSA","use":"sig","kid":"{kid}","x5t":"{kid}","n":"{n}","e":"AQAB","x5c":["{certificate}"]"#
        );
        let entries = [Jwk::from(&key)];
        assert_eq!(keys(&Authority::public(), &entries, TokenVersion::V1), format!("{start}}}]}}"));
        assert_eq!(
            keys(&Authority::public(), &entries, TokenVersion::V2),
            start
                + r#","cloud_instance_name":"microsoftonline.com","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}]}"#
        );
    }

    #[test]
    fn documents_of_cloud_without_label_have_none() {
        let authority = Authority { cloud_instance_name: None, ..Authority::public() };
        let entries = [Jwk::from(SigningKey::stranger())];
        for document in
            [discovery(&authority, Directory::Common, TokenVersion::V2), keys(&authority, &entries, TokenVersion::V2)]
        {
            assert!(!document.contains(r#""cloud_instance_name":"#), "{document}");
        }
    }
}

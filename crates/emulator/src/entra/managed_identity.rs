//! The identity endpoints of App Service and of virtual machines.
//!
//! Microsoft's pages "How to use managed identities for App Service and Azure Functions" and "How to use managed
//! identities for Azure resources on an Azure VM to acquire an access token".

use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::answers::no_store;
use super::directory::Entra;
use super::principals::ManagedIdentity;
use crate::web::{Answer, Query};

impl Entra {
    /// `GET {IDENTITY_ENDPOINT}?api-version=2019-08-01&resource=…` with the header `X-IDENTITY-HEADER`.
    pub(super) fn app_service(&self, headers: &HeaderMap, query: &Query) -> (Answer, Option<String>) {
        let given = headers.get("x-identity-header").map(|value| value.as_bytes());
        if given != Some(self.identity_header().as_bytes()) {
            return rejected(StatusCode::UNAUTHORIZED, "unauthorized", "X-IDENTITY-HEADER is missing or wrong");
        }
        if query.first("api-version") != Some("2019-08-01") {
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", "api-version must be 2019-08-01");
        }
        self.identity_token(query, &["client_id", "principal_id", "object_id", "mi_res_id"])
    }

    /// `GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=…` with the header `Metadata: true`.
    pub(super) fn imds(&self, headers: &HeaderMap, query: &Query) -> (Answer, Option<String>) {
        if headers.get("metadata").is_none_or(|value| !value.as_bytes().eq_ignore_ascii_case(b"true")) {
            let text = "Required metadata header not specified";
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", text);
        }
        if headers.contains_key("x-forwarded-for") {
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", "X-Forwarded-For is not allowed");
        }
        if query.first("api-version").is_none_or(|version| version < "2018-02-01") {
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", "api-version must be 2018-02-01 or later");
        }
        self.identity_token(query, &["client_id", "object_id", "msi_res_id", "mi_res_id"])
    }

    fn identity_token(&self, query: &Query, names: &[&str]) -> (Answer, Option<String>) {
        let Some(resource) = query.first("resource").filter(|resource| !resource.is_empty()) else {
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", "resource is missing");
        };
        if !self.knows_resource(resource) {
            let text = format!("AADSTS500011: The resource principal named {resource} was not found");
            return rejected(StatusCode::BAD_REQUEST, "invalid_resource", &text);
        }
        let named: Vec<_> = names.iter().filter_map(|name| Some((*name, query.first(name)?))).collect();
        if named.len() > 1 {
            let text = "more than one of client id, object id and resource id is given";
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", text);
        }
        let identities = self.identities();
        let Some(identity) = identities.iter().find(|identity| fits(identity, named.first().copied())) else {
            return rejected(StatusCode::BAD_REQUEST, "invalid_request", "Identity not found");
        };
        let token = self.mint(identity.tenant, identity.object_id, identity.client_id, resource);
        let body = json!({
            "access_token": token.text,
            "client_id": identity.client_id.to_string(),
            "expires_in": token.lifetime.to_string(),
            "expires_on": token.expires_on.to_string(),
            "ext_expires_in": token.lifetime.to_string(),
            "not_before": token.not_before.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        });
        (no_store(StatusCode::OK, &body), None)
    }
}

fn fits(identity: &ManagedIdentity, named: Option<(&str, &str)>) -> bool {
    match named {
        None => identity.resource_id.is_none(),
        Some(("client_id", id)) => id.parse() == Ok(identity.client_id),
        Some(("object_id" | "principal_id", id)) => id.parse() == Ok(identity.object_id),
        Some((_, id)) => identity.resource_id.as_deref().is_some_and(|present| present.eq_ignore_ascii_case(id)),
    }
}

fn rejected(status: StatusCode, error: &str, description: &str) -> (Answer, Option<String>) {
    let body = json!({"error": error, "error_description": description});
    (no_store(status, &body), Some(description.to_owned()))
}

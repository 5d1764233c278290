//! `POST /{tenant}/oauth2/v2.0/token`: client credentials with a secret or an assertion.
//!
//! RFC 6749 section 4.4, RFC 7523 section 2.2; Microsoft's page "OAuth 2.0 client credentials flow".

use http::StatusCode;
use serde_json::json;

use super::answers::{TokenError, no_store};
use super::assertion::check_assertion;
use super::directory::Entra;
use super::principals::Application;
use crate::mock::TenantId;
use crate::web::{Answer, Query};

impl Entra {
    /// Answers a token request. The second part says why it was rejected.
    pub(super) fn token(&self, tenant: &str, form: &Query) -> (Answer, Option<String>) {
        match self.try_token(tenant, form) {
            Ok(answer) => (answer, None),
            Err(error) => {
                let answer = error.answer();
                (answer, Some(error.description))
            }
        }
    }

    fn try_token(&self, tenant: &str, form: &Query) -> Result<Answer, TokenError> {
        let tenant = self.known_tenant(tenant)?;
        let field = |name: &str| form.first(name).filter(|value| !value.is_empty());
        match field("grant_type") {
            Some("client_credentials") => (),
            Some(_) => {
                return Err(TokenError::bad_request(
                    "unsupported_grant_type",
                    70003,
                    "The grant type is not supported.",
                ));
            }
            None => {
                return Err(TokenError::bad_request("invalid_request", 900_144, "The body must contain 'grant_type'."));
            }
        }
        let client_id = field("client_id")
            .ok_or_else(|| TokenError::bad_request("invalid_request", 900_144, "The body must contain 'client_id'."))?;
        let application = self.state_application(client_id);
        let found = application.and_then(|application| Some((application.object_id(tenant)?, application)));
        let Some((object_id, application)) = found else {
            let text = format!("Application with identifier '{client_id}' was not found in the directory.");
            return Err(TokenError::bad_request("unauthorized_client", 700_016, text));
        };
        self.authenticate(&application, form)?;
        let resource = self.resource_of_scope(field("scope"))?;
        let token = self.mint(tenant, object_id, application.client_id, resource);
        Ok(no_store(
            StatusCode::OK,
            &json!({
                "token_type": "Bearer",
                "expires_in": token.lifetime,
                "ext_expires_in": token.lifetime,
                "access_token": token.text,
            }),
        ))
    }

    fn known_tenant(&self, tenant: &str) -> Result<TenantId, TokenError> {
        let known = tenant.parse().ok().filter(|id| self.mock().tenants().contains(id));
        known.ok_or_else(|| TokenError::bad_request("invalid_request", 90002, format!("Tenant '{tenant}' not found.")))
    }

    fn authenticate(&self, application: &Application, form: &Query) -> Result<(), TokenError> {
        if let Some(secret) = form.first("client_secret") {
            let known = application.secrets.iter().any(|known| known == secret);
            return if known {
                Ok(())
            } else {
                Err(TokenError::invalid_client(7_000_215, "Invalid client secret provided."))
            };
        }
        let Some(assertion) = form.first("client_assertion") else {
            let text = "The request body must contain 'client_assertion' or 'client_secret'.";
            return Err(TokenError::invalid_client(7_000_218, text));
        };
        if form.first("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(TokenError::bad_request("invalid_request", 50027, "'client_assertion_type' is wrong."));
        }
        check_assertion(assertion, &application.federated, &self.key_set(), self.clock().unix_seconds())
    }

    /// The resource of a scope that ends in `/.default`.
    fn resource_of_scope<'a>(&self, scope: Option<&'a str>) -> Result<&'a str, TokenError> {
        let wrong = || TokenError::bad_request("invalid_scope", 1_002_012, "The scope must end in '/.default'.");
        let resource = scope.and_then(|scope| scope.strip_suffix("/.default")).ok_or_else(wrong)?;
        if self.knows_resource(resource) {
            return Ok(resource);
        }
        let text = format!("The resource principal named {resource} was not found in the tenant.");
        Err(TokenError::bad_request("invalid_resource", 500_011, text))
    }
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

//! Platforms and proxies that take, move or replace the token on its way, each with its sentence.

use http::HeaderMap;

use super::evidence::Evidence;
use crate::error::{Rejection, RejectionKind};

/// The advice that replaces the one of the rejection's kind: the token shows which platform made or changed it.
pub(super) fn instead(rejection: &Rejection, evidence: &Evidence<'_>) -> Option<&'static str> {
    let line = evidence.credentials.lines.first().copied().unwrap_or_default();
    if line.ends_with(REMOVED_BY_GOOGLE) {
        return Some(GOOGLE);
    }
    let claims = evidence.claims.as_ref()?;
    let is_static_web_app = claims.iss.as_deref().is_some_and(|issuer| issuer.ends_with(STATIC_WEB_APPS_ISSUER));
    (is_static_web_app && rejection.kind() == RejectionKind::AlgorithmNotAllowed).then_some(STATIC_WEB_APPS)
}

/// What the other headers show of a proxy in front.
pub(super) fn in_front(rejection: &Rejection, headers: &HeaderMap) -> impl Iterator<Item = &'static str> {
    let has =
        |prefixes: &[&str]| headers.keys().any(|name| prefixes.iter().any(|prefix| name.as_str().starts_with(prefix)));
    let is_missing = rejection.kind() == RejectionKind::MissingCredentials;
    [
        (has(APP_SERVICE_HEADERS), APP_SERVICE),
        (has(GOOGLE_HEADERS), GOOGLE_IN_FRONT),
        (is_missing && has(ISTIO_HEADERS), ISTIO),
        (is_missing && (has(OAUTH2_PROXY_HEADERS) || has_oauth2_proxy_cookie(headers)), OAUTH2_PROXY),
    ]
    .into_iter()
    .filter(|(is_there, _)| *is_there)
    .map(|(_, sentence)| sentence)
}

fn has_oauth2_proxy_cookie(headers: &HeaderMap) -> bool {
    let name = b"_oauth2_proxy";
    headers
        .get_all(http::header::COOKIE)
        .iter()
        .any(|cookie| cookie.as_bytes().windows(name.len()).any(|at| at == name))
}

/// For a caller that is not listed: its token may be a gateway's.
pub(super) const GATEWAY: &str = "A gateway in front may have replaced SignalR's token with one of its own identity: API Management does so with \
     `authentication-managed-identity` or backend credentials. Let it pass Authorization through. Never list the gateway's \
     identity: everyone who gets through the gateway would then count as SignalR.";

const GOOGLE: &str = "Google's front end has removed the signature: `SIGNATURE_REMOVED_BY_GOOGLE` stands in its place. Cloud Run with IAM \
     authentication, or Identity-Aware Proxy, takes Authorization for its own check. Allow unauthenticated invokers for this \
     service; the layer checks the token.";
const GOOGLE_IN_FRONT: &str = "Google's Identity-Aware Proxy or IAM authentication stands in front and takes Authorization for its own check. Allow \
     unauthenticated invokers for the upstream's service; the layer checks the token.";
const STATIC_WEB_APPS: &str = "Azure Static Web Apps made this token: its proxy overwrites Authorization for linked backends and managed functions. \
     SignalR's token never arrives that way. Write the backend's own host into the upstream's address, not that of the \
     static web app.";
const APP_SERVICE: &str = "App Service authentication stands in front and answers 401 and 403 itself. An answer is this layer's if it has an empty \
     body, `Cache-Control: no-store`, and a counter of rejections moved. Otherwise look at App Service's allowed client \
     applications (the client id of SignalR's identity) and allowed token audiences.";
const ISTIO: &str = "The call came through Envoy. Istio's RequestAuthentication removes the token that it has checked, unless its rule has \
     `forwardOriginalToken: true`.";
const OAUTH2_PROXY: &str = "The call came through oauth2-proxy. It is made for browsers and redirects machine calls to a login page. Let it pass the \
     upstream's path (`skip_auth_routes`), or set `skip_jwt_bearer_tokens` and `pass_authorization_header`. With the v2 \
     issuer it rejects v1 tokens: add `https://sts.windows.net/TENANT/` to `extra_jwt_issuers`.";

/// Google, "Authenticating service-to-service": Cloud Run replaces the signature of a token that it has checked.
const REMOVED_BY_GOOGLE: &[u8] = b".SIGNATURE_REMOVED_BY_GOOGLE";
const STATIC_WEB_APPS_ISSUER: &str = ".scm.azurewebsites.net";

const APP_SERVICE_HEADERS: &[&str] = &["x-ms-client-principal", "x-ms-token-aad-"];
const GOOGLE_HEADERS: &[&str] =
    &["x-goog-iap-jwt-assertion", "x-goog-authenticated-user-", "x-serverless-authorization"];
const ISTIO_HEADERS: &[&str] = &["x-envoy-", "x-forwarded-client-cert"];
const OAUTH2_PROXY_HEADERS: &[&str] = &["x-auth-request-", "x-forwarded-access-token"];

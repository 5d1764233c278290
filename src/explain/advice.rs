//! The usual mistakes, each with a plain sentence and what to do about it.

use std::borrow::Cow;
use std::error::Error as _;
use std::time::Duration;

use http::header::AUTHORIZATION;

use super::evidence::{Evidence, MAX_VALUE, list, scheme, time};
use super::platform;
use crate::cloud::Cloud;
use crate::error::{CheckName, KeyError, KeyErrorKind, Rejection, RejectionKind};
use crate::ids::TenantId;
use crate::policy::first_party::foreign_service;
use crate::telemetry::escape::escape_and_cut;
use crate::token::version::TokenVersion;

/// A sentence is borrowed if it is fixed, and owned if it may contain a value of the token.
type Sentence = Cow<'static, str>;

/// What to say of a rejection, most helpful first.
pub(super) fn on(rejection: &Rejection, evidence: &Evidence<'_>) -> Vec<Sentence> {
    let mut sentences = match platform::instead(rejection, evidence) {
        Some(sentence) => one(sentence),
        None => on_kind(rejection, evidence),
    };
    let headers = evidence.credentials.headers;
    sentences
        .extend(headers.into_iter().flat_map(|headers| platform::in_front(rejection, headers)).map(Sentence::from));
    sentences
}

fn on_kind(rejection: &Rejection, evidence: &Evidence<'_>) -> Vec<Sentence> {
    use RejectionKind as K;
    match rejection.kind() {
        K::AlgorithmNotAllowed => {
            one("Entra signs its access tokens with RS256 and nothing else. This token was made by \
            somebody else, or for another purpose.")
        }
        K::CallerNotAllowed => caller(evidence),
        K::ClockUnavailable => one("The clock of this machine cannot be read or stands before 1970. Set it."),
        K::CriticalHeader | K::MalformedHeader | K::MissingKeyId | K::UnsupportedType => {
            one("The token's header is not one that Entra writes for an access token. Send the access token that \
                 SignalR sends, not an id token, a refresh token or a token of another issuer.")
        }
        K::DelegatedToken => delegated(evidence),
        K::DuplicateMember => one("The token names a member twice (or `tid` in two spellings). Entra never does: \
            somebody has tampered with it."),
        K::EncryptedToken => one("The token is encrypted. The app registration must not have token encryption \
            configured: remove the encryption key under its Token encryption."),
        K::Expired => told(expired(evidence)),
        K::ForeignCloudKey => told(foreign_cloud_key(evidence)),
        K::ForeignIssuerKey => one("The key belongs to another issuer of the same key document, such as personal \
            Microsoft accounts. It may not sign for this tenant."),
        K::RevokedKey if evidence.is_revoked_by_policy() => one("The key is listed in `revoked_keys` \
            (SIGNALR_UPSTREAM_REVOKED_KEYS). If that is a mistake, take it off the list and restart."),
        K::RevokedKey => one("The key was revoked in this process with `RemoteKeys::revoke`. If that was \
            a mistake, call `reinstate` or restart."),
        K::GraphToken => one(GRAPH),
        K::InvalidSignature => one("The signature does not hold: the token was changed or cut on its way, or it was \
            not signed by Entra. If you pasted it, check that all of it came along."),
        K::IssuedInFuture => told(not_yet(evidence, evidence.claims.as_ref().and_then(|claims| claims.iat), "issued")),
        K::KeysUnavailable => keys_unavailable(rejection, evidence),
        K::MalformedClaims if rejection.check() == CheckName::Application => {
            one("`oid` is not a GUID in lower case, so Entra did not write it for a service principal.")
        }
        K::MalformedClaims => {
            one("A claim has another JSON type than Entra gives it: texts for ids and issuer, whole \
            numbers for times, a text or an array of texts for aud and roles.")
        }
        K::MalformedCredentials => malformed(evidence),
        K::MalformedToken => one("This is no JSON Web Token of three segments, or it was cut or changed on its way. \
            A token of Entra begins with `eyJ` and has two dots."),
        K::MissingClaim => told(missing_claim(rejection, evidence)),
        K::MissingCredentials => missing(evidence),
        K::MissingRole => role(evidence),
        K::MultipleCredentials => {
            one("The request has more than one Authorization header. SignalR sends one: look for \
            a proxy or gateway that adds its own instead of replacing it.")
        }
        K::NotYetValid => told(not_yet(evidence, evidence.claims.as_ref().and_then(|claims| claims.nbf), "valid")),
        K::TokenTooLarge => {
            one("The credentials are larger than any token of Entra for a managed identity. Such a size \
            comes from an identity in very many groups (remove the groups claim from the app registration), or the \
            header is not a token at all.")
        }
        K::UnknownKey => unknown_key(rejection, evidence),
        K::UnsupportedScheme => unsupported_scheme(evidence),
        K::UnsupportedVersion => {
            one("`ver` is neither 1.0 nor 2.0. Only access tokens of Entra for organizations are \
            read here, not those of B2C or of other issuers.")
        }
        K::UnusableKey => {
            one("The tenant's key document lists this key, but not as one that may verify RS256. If the \
            document came to this machine by hand, bring a fresh one.")
        }
        K::ValidityReversed => one("The token ends before it begins. Entra does not issue such tokens."),
        K::WrongAudience => told(audience(evidence)),
        K::WrongIssuer => vec![issuer(evidence)],
        K::WrongTenant => tenant(evidence),
    }
}

fn one(sentence: &'static str) -> Vec<Sentence> {
    vec![sentence.into()]
}

/// A sentence with values of the token or of the configuration.
fn told(sentence: String) -> Vec<Sentence> {
    vec![sentence.into()]
}

fn missing(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let Some(headers) = evidence.credentials.headers else { return one(NO_TOKEN) };
    let elsewhere = headers
        .iter()
        .find(|(name, value)| *name != AUTHORIZATION && *name != CLIENT_QUERY && is_like_a_token(value.as_bytes()));
    if let Some((name, _)) = elsewhere {
        return told(format!(
            "There is no Authorization header, but the header `{}` carries what looks like a token. Only \
             Authorization is read: find the proxy that moves the token and let it pass Authorization through.",
            escape_and_cut(name.as_str(), MAX_VALUE)
        ));
    }
    if headers.keys().any(|name| name.as_str().starts_with("x-asrs-")) {
        return one(
            "The call looks like SignalR's, but it carries no token. In the SignalR resource's upstream settings \
            choose \"Use managed identity\" for this address, and check that no proxy takes Authorization away. A \
            deployment with an API version before 2021-10-01 silently drops the setting.",
        );
    }
    one(NO_TOKEN)
}

fn unsupported_scheme(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let line = evidence.credentials.lines.first().copied().unwrap_or_default();
    if line.iter().any(|byte| QUOTES.contains(byte)) {
        return one(QUOTED);
    }
    if is_like_a_token(line) {
        return one("The token stands in the Authorization header without `Bearer ` before it.");
    }
    let scheme =
        scheme(line).map_or_else(|| "another scheme than Bearer".to_owned(), |scheme| format!("the scheme {scheme}"));
    told(format!(
        "The Authorization header has {scheme}. SignalR sends `Bearer` and its token: this call is somebody \
        else's, or a proxy puts credentials of its own there."
    ))
}

fn malformed(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let line = evidence.credentials.lines.first().copied().unwrap_or_default();
    let after = line.get("Bearer".len()..).unwrap_or_default().trim_ascii();
    if after.is_empty() {
        return one("After `Bearer` there is no token.");
    }
    if after.get(.."Bearer".len()).is_some_and(|word| word.eq_ignore_ascii_case(b"bearer")) {
        return one("`Bearer` stands there twice. Whoever adds it must add it to the bare token.");
    }
    if after.iter().any(|byte| QUOTES.contains(byte)) {
        return one(QUOTED);
    }
    if after.starts_with(b":") {
        return one("There is a colon after `Bearer`. Only a space belongs there.");
    }
    if line.ends_with(b"\n") || line.ends_with(b" ") || after.iter().any(u8::is_ascii_whitespace) {
        return one("There is a blank or a line end in the token or after it. Send it in one piece, as it was issued.");
    }
    one("After `Bearer` there are characters that no token has. Send one token, as it was issued, and nothing else.")
}

fn missing_claim(rejection: &Rejection, evidence: &Evidence<'_>) -> String {
    let claim = match rejection.check() {
        CheckName::Version => "ver",
        CheckName::Tenant => "tid",
        CheckName::Issuer => "iss",
        CheckName::Audience => "aud",
        CheckName::Times => "exp",
        _ if evidence.claims.as_ref().is_some_and(|claims| claims.oid.is_none()) => "oid",
        _ => "sub",
    };
    format!(
        "The token has no `{claim}`, which every access token of Entra for an application has. It comes from another \
         issuer, or a claims mapping has removed it."
    )
}

fn tenant(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let found = evidence.claims.as_ref().and_then(|claims| claims.tid.as_deref()).unwrap_or_default();
    let Some(tenant) = evidence.tenant() else {
        return told(format!(
            "`tid` is `{}`, no GUID in lower case. Entra did not write that.",
            escape_and_cut(found, MAX_VALUE)
        ));
    };
    let mut sentences = told(format!(
        "The token was issued by another tenant, {tenant}. SignalR's identity gets its tokens from the tenant of its \
         own subscription: if that is this one, write it into {TENANTS}; otherwise this is not your SignalR resource."
    ));
    sentences.extend(foreign_cloud(evidence, tenant).map(Sentence::from));
    sentences
}

fn issuer(evidence: &Evidence<'_>) -> Sentence {
    let found = evidence.claims.as_ref().and_then(|claims| claims.iss.as_deref()).unwrap_or_default();
    let (Some(tenant), Some(version)) = (evidence.tenant(), evidence.version()) else {
        return NOT_ENTRA.into();
    };
    if let Some(sentence) = foreign_cloud(evidence, tenant) {
        return sentence.into();
    }
    let expected = |version| evidence.policy().expected_issuer(&tenant, version).unwrap_or_default();
    let other = match version {
        TokenVersion::V1 => TokenVersion::V2,
        TokenVersion::V2 => TokenVersion::V1,
    };
    if found == expected(other) {
        return format!(
            "`ver` says {version}, but the issuer is the one of version {other}. Both versions are accepted, a mixture is \
             not: Entra does not issue one."
        )
        .into();
    }
    if found.trim_end_matches('/') == expected(version).trim_end_matches('/') {
        return format!("The issuer differs in a trailing slash only, which Entra never gets wrong. {NOT_ENTRA}")
            .into();
    }
    NOT_ENTRA.into()
}

/// If the issuer is that of another national cloud.
fn foreign_cloud(evidence: &Evidence<'_>, tenant: TenantId) -> Option<String> {
    let found = evidence.claims.as_ref()?.iss.as_deref()?;
    let ours = evidence.policy().cloud();
    let is_of = |cloud: &Cloud| cloud.v1_issuer(&tenant) == found || cloud.v2_issuer(&tenant) == found;
    if is_of(ours) {
        return None;
    }
    let cloud = [Cloud::public(), Cloud::us_government(), Cloud::china()].into_iter().find(is_of)?;
    Some(format!(
        "The token was issued in another cloud, `{}`; the configuration is for `{}`. If your SignalR resource is there, \
         set {CLOUD} to `{0}`.",
        cloud.name(),
        ours.name()
    ))
}

fn audience(evidence: &Evidence<'_>) -> String {
    let Some(found) = evidence.audience() else {
        return "The token names no audience or several. Entra names one: it did not issue this token.".to_owned();
    };
    let shown = escape_and_cut(found, MAX_VALUE);
    let audiences = evidence.policy().audiences();
    let uris = || audiences.uris();
    if let Some(service) = foreign_service(found) {
        return format!(
            "The token is for {service}, not for your app registration. Write the client id of your app registration as \
             the audience into the SignalR resource's upstream settings."
        );
    }
    let trimmed = found.trim_end_matches('/');
    if let Some(uri) = uris().find(|uri| uri.trim_end_matches('/') == trimmed) {
        return format!(
            "The audience differs in trailing slashes: `{shown}` in the token, `{uri}` configured. One more or less is \
             accepted, not {}. Write it alike into {AUDIENCES} and into the upstream settings.",
            found.len().abs_diff(uri.len())
        );
    }
    if let Some(uri) = uris().find(|uri| uri.trim_end_matches('/').eq_ignore_ascii_case(trimmed)) {
        return format!(
            "The audience differs in upper and lower case: `{shown}` in the token, `{uri}` configured. Write it into \
             {AUDIENCES} as the token has it."
        );
    }
    let (client, is_uri) = match found.strip_prefix("api://") {
        Some(rest) => (rest.strip_suffix('/').unwrap_or(rest).parse().ok(), true),
        None => (found.parse().ok(), found.contains(':')),
    };
    match client {
        Some(client) if is_uri && audiences.client_ids().any(|known| known == client) => format!(
            "The audience is the App ID URI `{shown}` in a v2 token, where Entra writes the bare client id. Somebody else \
             made this token, or a claims mapping is at work."
        ),
        Some(client) if !is_uri && audiences.client_ids().next().is_none() => {
            let surprise = match evidence.version() {
                Some(TokenVersion::V2) => {
                    " This is a v2 token, which always has the client id: the app registration's \
                     `requestedAccessTokenVersion` is 2."
                }
                Some(TokenVersion::V1) | None => "",
            };
            format!(
                "The token has the client id {client} as its audience, while an App ID URI is configured.{surprise} If it \
                 is the client id of your app registration, write it into {AUDIENCES}; it covers `api://{client}`, too."
            )
        }
        _ if is_uri && uris().next().is_none() => format!(
            "The token has the App ID URI `{shown}` as its audience, while a client id is configured. If it is the URI of \
             your app registration, add it to {AUDIENCES}, or write the client id as the audience into the SignalR \
             resource's upstream settings."
        ),
        _ => format!(
            "The token is for another audience, `{shown}`. Either the upstream settings of the SignalR resource name the \
             wrong app registration, or {AUDIENCES} does. Add it there only if it is your own app registration's."
        ),
    }
}

fn expired(evidence: &Evidence<'_>) -> String {
    let end = evidence.claims.as_ref().and_then(|claims| claims.exp).unwrap_or_default();
    let ago = evidence.now.map_or(0, |now| i128::from(now.as_secs()) - i128::from(end));
    format!(
        "The token ended {ago} ago, at {}. If SignalR has sent it just now, the clock of this machine is fast by \
         {ago} or more: check the time synchronization. A token that was copied from a log is simply too old.",
        time(end.into()),
        ago = span(ago),
    )
}

fn not_yet(evidence: &Evidence<'_>, from: Option<i64>, what: &str) -> String {
    let from = from.unwrap_or_default();
    let ahead = evidence.now.map_or(0, |now| i128::from(from) - i128::from(now.as_secs()));
    format!(
        "The token is {what} only {} from now, at {}. The clock of this machine is slow by so much: check the time \
         synchronization.",
        span(ahead),
        time(from.into())
    )
}

fn foreign_cloud_key(evidence: &Evidence<'_>) -> String {
    let key = evidence.key();
    let label = key.as_ref().and_then(|key| key.cloud_instance_name()).unwrap_or("another cloud");
    let ours = evidence.policy().cloud();
    let cloud = [Cloud::public(), Cloud::us_government(), Cloud::china()]
        .into_iter()
        .find(|cloud| cloud.cloud_instance_name() == Some(label));
    let remedy = cloud.map_or_else(String::new, |cloud| {
        format!(" If your SignalR resource is there, set {CLOUD} to `{}`.", cloud.name())
    });
    format!(
        "The token was signed with a key of another cloud, `{}`; the configuration is for `{}`.{remedy}",
        escape_and_cut(label, MAX_VALUE),
        ours.name()
    )
}

fn unknown_key(rejection: &Rejection, evidence: &Evidence<'_>) -> Vec<Sentence> {
    let key = evidence.key_id().map_or_else(String::new, |id| escape_and_cut(id.as_str(), MAX_VALUE));
    let next = match key_error(rejection).and_then(KeyError::retry_after) {
        Some(wait) => format!("the next fetch for an unknown key may begin in {}", span(seconds(wait))),
        None => "this key source fetches no others".to_owned(),
    };
    vec![
        format!(
            "No key document of the tenant lists the key `{key}`; {next}. If Entra has just changed its keys, that will \
             find it. Otherwise Entra did not sign this token for this tenant: it was made by somebody else, or in \
             another cloud than `{}`.",
            evidence.policy().cloud().name()
        )
        .into(),
        CUSTOM_KEYS.into(),
    ]
}

fn keys_unavailable(rejection: &Rejection, evidence: &Evidence<'_>) -> Vec<Sentence> {
    let mut causes = Vec::new();
    let mut is_unknown_tenant = key_error(rejection).is_some_and(is_of_unknown_tenant);
    let mut cause = key_error(rejection).and_then(|error| error.source());
    while let Some(error) = cause {
        is_unknown_tenant |= error.downcast_ref().is_some_and(is_of_unknown_tenant);
        causes.push(escape_and_cut(&error.to_string(), MAX_VALUE));
        cause = error.source();
    }
    let causes = if causes.is_empty() { String::new() } else { format!(": {}", causes.join(": ")) };
    let next = rejection
        .retry_after()
        .map_or_else(String::new, |wait| format!(" Another try makes sense in {}.", span(seconds(wait))));
    if is_unknown_tenant {
        return told(format!(
            "The keys are unavailable, so the token cannot be checked{causes}.{next} The tenant id may be misspelt or \
             deleted, or the tenant may be in another cloud than `{}`. Retries cannot mend it.",
            evidence.policy().cloud().name()
        ));
    }
    told(format!(
        "The keys are unavailable, so the token cannot be checked{causes}.{next} Check that this machine reaches https://{} \
         (HTTPS_PROXY, firewall, DNS) and trusts its certificate (ca-certificates, SSL_CERT_FILE).",
        evidence.policy().cloud().login_host()
    ))
}

fn delegated(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let claims = evidence.claims.as_ref();
    let sign = match claims {
        Some(claims) if claims.scp.is_some() => "it has `scp`".to_owned(),
        Some(claims) if claims.idtyp.is_some() => {
            format!("`idtyp` is `{}`", escape_and_cut(claims.idtyp.as_deref().unwrap_or_default(), MAX_VALUE))
        }
        _ => "`sub` is not `oid`".to_owned(),
    };
    told(format!(
        "The token was issued for a user, not for an application: {sign}. SignalR sends its managed identity's token. \
         One from `az account get-access-token` or from a signed-in browser is a user's and cannot stand in for it."
    ))
}

fn caller(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let Some(listed) = evidence.policy().callers().listed() else { return Vec::new() };
    let (claim, client) = evidence.client_id();
    let Some(object) = evidence.object_id() else { return Vec::new() };
    let as_object = client.map(|client| client.to_string());
    let mut object_ids = listed.object_ids.iter().map(ToString::to_string);
    if let Some(listed) = object_ids.find(|listed| Some(listed) == as_object.as_ref()) {
        return told(format!(
            "{listed} is the caller's client id (`{claim}`), but it is configured as an object id. Write it into \
             {CLIENT_IDS}, or write the caller's object id {object} into {OBJECT_IDS}."
        ));
    }
    if listed.client_ids.iter().any(|listed| listed.to_string() == object.to_string()) {
        return told(format!(
            "{object} is the caller's object id (`oid`), but it is configured as a client id. Write it into {OBJECT_IDS}."
        ));
    }
    if let Some((tenant, _)) = listed.pairs.iter().find(|(_, listed)| *listed == object) {
        return told(format!("The object id {object} is listed for another tenant, {tenant}."));
    }
    let mut sentence = format!("The token is sound, but its caller is another identity: object id {object}");
    if let Some(client) = client {
        sentence.push_str(&format!(", client id {client}"));
    }
    vec![
        format!(
            "{sentence}. Compare `az signalr identity show --query principalId`. If the SignalR resource's identity was recreated \
             or switched off and on, its ids have changed: write the new object id into {OBJECT_IDS}. If it is not your SignalR \
             resource's, another application of the tenant is calling you."
        )
        .into(),
        platform::GATEWAY.into(),
    ]
}

fn role(evidence: &Evidence<'_>) -> Vec<Sentence> {
    let wanted = list(evidence.policy().required_roles());
    let present = match evidence.found(CheckName::Role).filter(|roles| !roles.is_empty()) {
        Some(roles) => format!("has {roles}"),
        None => "has none".to_owned(),
    };
    told(format!(
        "The caller lacks a required role: one of {wanted} is required ({ROLES}), and the token {present}. Assign the app \
         role to the SignalR resource's identity (Microsoft Graph, appRoleAssignments; the portal cannot). Tokens issued \
         before that stay without it for up to a day."
    ))
}

fn is_of_unknown_tenant(error: &KeyError) -> bool {
    error.kind() == KeyErrorKind::UnknownTenant
}

fn key_error(rejection: &Rejection) -> Option<&KeyError> {
    rejection.source()?.downcast_ref()
}

/// Whether there is a token in a value: base64url of `{"`, and two dots.
fn is_like_a_token(value: &[u8]) -> bool {
    value.windows(3).any(|window| window == b"eyJ") && value.iter().filter(|byte| **byte == b'.').count() >= 2
}

fn seconds(wait: Duration) -> i128 {
    i128::from(wait.as_secs()) + i128::from(wait.subsec_nanos() > 0)
}

/// A stretch of time as people say it.
fn span(seconds: i128) -> String {
    let (number, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

const TENANTS: &str = "`tenant_ids` (SIGNALR_UPSTREAM_TENANT_IDS)";
const AUDIENCES: &str = "`audiences` (SIGNALR_UPSTREAM_AUDIENCES)";
const CLOUD: &str = "`cloud` (SIGNALR_UPSTREAM_CLOUD)";
const OBJECT_IDS: &str = "`caller_object_ids` (SIGNALR_UPSTREAM_CALLER_OBJECT_IDS)";
const CLIENT_IDS: &str = "`caller_client_ids` (SIGNALR_UPSTREAM_CALLER_CLIENT_IDS)";
const ROLES: &str = "`required_roles`, SIGNALR_UPSTREAM_REQUIRED_ROLES";

const GRAPH: &str = "This is a token for Microsoft Graph, which nobody but Graph can verify. SignalR asks for one when the \
                     audience in its upstream settings is empty: write the client id of your app registration there.";
const NO_TOKEN: &str = "The request carries no token. In the SignalR resource's upstream settings choose \"Use managed \
                        identity\" for this address, and check that no proxy takes the Authorization header away.";
const QUOTED: &str = "There are quotation marks around the token. Send it bare: they are a part of the shell or of JSON, not \
                      of the token.";
const CUSTOM_KEYS: &str = "An app registration with a claims mapping policy or a SAML signing certificate gets tokens that are \
                           signed with keys of its own. Such tokens are rejected: remove the policy or the certificate, \
                           or give the upstream an app registration of its own.";
const NOT_ENTRA: &str = "The issuer is not the one that Entra writes for this tenant, version and cloud. The token was made \
                         by somebody else, or by Entra for another purpose.";

/// Holds the client's own access token, which is no proof of anything here.
const CLIENT_QUERY: &str = "x-asrs-client-query";

const QUOTES: &[u8] = b"\"'`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_as_people_tell_it() {
        for (seconds, text) in [
            (1, "1 second"),
            (119, "119 seconds"),
            (420, "7 minutes"),
            (7200, "2 hours"),
            (172_799, "47 hours"),
            (900_000, "10 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_token_is_known_by_its_looks() {
        assert!(is_like_a_token(b"Bearer eyJhbGciOi.eyJhdWQi.c2ln") && is_like_a_token(b"eyJ.a.b"));
        assert!(!is_like_a_token(b"Bearer") && !is_like_a_token(b"a.b.c") && !is_like_a_token(b"eyJhbGciOi"));
    }
}

//! What a request has and what is asked for, as texts. Everything is read from the types that the check
//! itself uses; nothing is decided here.

use std::borrow::Cow;

use http::HeaderMap;

use crate::clock::UnixTime;
use crate::error::CheckName;
use crate::ids::{ClientId, KeyId, ObjectId, TenantId, from_lower_case};
use crate::keys::source::Lookup;
use crate::policy::{Policy, single_audience};
use crate::signature::key::VerificationKey;
use crate::telemetry::escape::escape_and_cut;
use crate::token::bearer::{BearerToken, MAX_CREDENTIALS};
use crate::token::claims_set::ClaimsSet;
use crate::token::compact::CompactJws;
use crate::token::header::JoseHeader;
use crate::token::version::TokenVersion;
use crate::validator::Validator;

/// Where the token of a request stands, or should.
pub(super) struct Credentials<'h> {
    /// The values of `Authorization`.
    pub(super) lines: Vec<&'h [u8]>,
    /// All headers, where there are others.
    pub(super) headers: Option<&'h HeaderMap>,
}

impl Credentials<'_> {
    /// The token taken apart, if there is one and it has the right form.
    pub(super) fn segments(&self) -> Option<CompactJws<'_>> {
        match self.lines[..] {
            [line] => BearerToken::from_credentials(line).and_then(CompactJws::decode).ok(),
            _ => None,
        }
    }
}

/// All that a sentence may be about.
pub(super) struct Evidence<'e> {
    pub(super) validator: &'e Validator,
    pub(super) credentials: &'e Credentials<'e>,
    pub(super) has_form: bool,
    pub(super) header: Option<JoseHeader<'e>>,
    pub(super) claims: Option<ClaimsSet<'e>>,
    pub(super) now: Option<UnixTime>,
}

impl<'e> Evidence<'e> {
    pub(super) fn gather(
        validator: &'e Validator,
        credentials: &'e Credentials<'e>,
        segments: Option<&'e CompactJws<'e>>,
        now: Option<UnixTime>,
    ) -> Self {
        let header = segments.and_then(|segments| segments.header().ok());
        let claims = segments.and_then(|segments| segments.claims().ok());
        Self { validator, credentials, has_form: segments.is_some(), header, claims, now }
    }

    pub(super) fn policy(&self) -> &'e Policy {
        self.validator.policy()
    }

    pub(super) fn version(&self) -> Option<TokenVersion> {
        TokenVersion::parse(self.claims.as_ref()?.ver.as_deref()?)
    }

    pub(super) fn tenant(&self) -> Option<TenantId> {
        from_lower_case(self.claims.as_ref()?.tid.as_deref()?)
    }

    /// The token's one audience.
    pub(super) fn audience(&self) -> Option<&str> {
        single_audience(self.claims.as_ref()?.aud.as_ref())
    }

    pub(super) fn object_id(&self) -> Option<ObjectId> {
        self.claims.as_ref()?.oid.as_deref()?.parse().ok()
    }

    /// The claim of the caller's client id, which the version decides, and its value.
    pub(super) fn client_id(&self) -> (&'static str, Option<ClientId>) {
        let claims = self.claims.as_ref();
        let (name, id) = match self.version() {
            Some(TokenVersion::V2) => ("azp", claims.and_then(|claims| claims.azp.as_deref())),
            Some(TokenVersion::V1) | None => ("appid", claims.and_then(|claims| claims.appid.as_deref())),
        };
        (name, id.and_then(|id| id.parse().ok()))
    }

    pub(super) fn key_id(&self) -> Option<KeyId> {
        self.header.as_ref()?.kid.as_deref().map(KeyId::new)
    }

    /// Whether the configuration revokes the key that the token names.
    pub(super) fn is_revoked_by_policy(&self) -> bool {
        self.key_id().is_some_and(|id| self.policy().revoked_keys().contains(&id))
    }

    /// The key the token names, if it is at hand.
    pub(super) fn key(&self) -> Option<VerificationKey> {
        match self.validator.keys().lookup(self.tenant()?, &self.key_id()?, self.validator.now()?) {
            Lookup::Found(key) => Some(key),
            Lookup::Miss | Lookup::Rejected(_) => None,
        }
    }

    /// What a check asks for.
    pub(super) fn configured(&self, check: CheckName) -> String {
        let policy = self.policy();
        match check {
            CheckName::Credentials => {
                format!("one Authorization header: Bearer and one token, at most {MAX_CREDENTIALS} bytes")
            }
            CheckName::Form => "three segments of base64url, the first a JSON object".to_owned(),
            CheckName::Header => "alg RS256, a kid, typ JWT or none".to_owned(),
            CheckName::ClaimTypes => "a JSON object, no name twice, every claim of its type".to_owned(),
            CheckName::Version => "1.0 or 2.0".to_owned(),
            CheckName::Tenant => list(policy.tenants().iter()),
            CheckName::Issuer => match (self.tenant(), self.version()) {
                (Some(tenant), Some(version)) => policy.expected_issuer(&tenant, version).map(str::to_owned),
                _ => None,
            }
            .unwrap_or_else(|| format!("the issuer of tenant and version in the cloud {}", policy.cloud().name())),
            CheckName::Audience => {
                let clients = policy.audiences().client_ids().map(|client| client.to_string());
                list(clients.chain(policy.audiences().uris().map(str::to_owned)))
            }
            CheckName::Times => {
                let now = self.now.map_or_else(|| "unreadable".to_owned(), |now| time(now.as_secs().into()));
                format!("now {now}, give or take {} seconds", policy.clock_skew().as_secs())
            }
            CheckName::Key => match self.policy().revoked_keys() {
                [] => "listed for the tenant, of its issuer and cloud".to_owned(),
                revoked => {
                    let revoked = list(revoked.iter().map(|id| escape_and_cut(id.as_str(), MAX_VALUE)));
                    format!("listed for the tenant, of its issuer and cloud, not revoked like {revoked}")
                }
            },
            CheckName::Signature => "RS256, made with that key".to_owned(),
            CheckName::Application => "an oid, sub the same, no scp, idtyp app or none".to_owned(),
            CheckName::Caller => match policy.callers().listed() {
                None => "any application of the tenant".to_owned(),
                Some(listed) => {
                    let objects = listed.object_ids.iter().map(|id| format!("object id {id}"));
                    let clients = listed.client_ids.iter().map(|id| format!("client id {id}"));
                    let pairs = listed.pairs.iter().map(|(tenant, id)| format!("object id {id} of tenant {tenant}"));
                    list(objects.chain(clients).chain(pairs))
                }
            },
            CheckName::Role => match policy.required_roles() {
                [] => "none required".to_owned(),
                roles => list(roles.iter().map(|role| escape_and_cut(role, MAX_VALUE))),
            },
        }
    }

    /// What the request has there.
    pub(super) fn found(&self, check: CheckName) -> Option<String> {
        let claims = self.claims.as_ref();
        let text = |text: Option<&Cow<'_, str>>| text.map(|text| escape_and_cut(text, MAX_VALUE));
        match check {
            CheckName::Credentials => Some(self.found_credentials()),
            CheckName::Form => self.has_form.then(|| "three segments".to_owned()),
            CheckName::Header => self.header.as_ref().map(|header| {
                let members = [("alg", &header.alg), ("kid", &header.kid), ("typ", &header.typ)];
                let mut found = named(members.map(|(name, value)| (name, text(value.as_ref()))));
                found.push_str(if header.has_extension { ", an extension" } else { "" });
                found.push_str(if header.has_nonce { ", a nonce" } else { "" });
                found
            }),
            CheckName::ClaimTypes => claims.map(|_| "as they should be".to_owned()),
            CheckName::Version => text(claims?.ver.as_ref()),
            CheckName::Tenant => text(claims?.tid.as_ref()),
            CheckName::Issuer => text(claims?.iss.as_ref()),
            CheckName::Audience => claims?.aud.as_ref().map(|audiences| list(quoted(audiences.as_slice()))),
            CheckName::Times => {
                let times = [("nbf", claims?.nbf), ("iat", claims?.iat), ("exp", claims?.exp)];
                Some(named(times.map(|(name, at)| (name, at.map(|at| time(at.into()))))))
            }
            CheckName::Key => self.key_id().map(|id| escape_and_cut(id.as_str(), MAX_VALUE)),
            CheckName::Signature => None,
            CheckName::Application => {
                let claims = claims?;
                let members =
                    [("oid", &claims.oid), ("sub", &claims.sub), ("scp", &claims.scp), ("idtyp", &claims.idtyp)];
                Some(named(members.map(|(name, value)| (name, text(value.as_ref())))))
            }
            CheckName::Caller => {
                let (name, client) = self.client_id();
                let object = self.object_id().map(|id| id.to_string());
                Some(named([("oid", object), (name, client.map(|id| id.to_string()))]))
            }
            CheckName::Role => claims?.roles.as_ref().map(|roles| list(quoted(roles.as_slice()))),
        }
    }

    /// Nothing of the value itself: a key or password may stand there.
    fn found_credentials(&self) -> String {
        match &self.credentials.lines[..] {
            [] => "no Authorization header".to_owned(),
            [line] => match scheme(line) {
                Some(scheme) => format!("{scheme}, {} bytes", line.len()),
                None => format!("no scheme, {} bytes", line.len()),
            },
            lines => format!("{} Authorization headers", lines.len()),
        }
    }
}

/// The scheme of an `Authorization` value, if it looks like one and nothing else.
pub(super) fn scheme(line: &[u8]) -> Option<&str> {
    let scheme = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_scheme = (1..=MAX_SCHEME).contains(&scheme.len()) && scheme.iter().all(u8::is_ascii_alphabetic);
    // A word that stands alone may be a password.
    let is_followed = scheme.len() < line.len() || scheme.eq_ignore_ascii_case(b"bearer");
    str::from_utf8(scheme).ok().filter(|_| is_scheme && is_followed)
}

/// The members that are there, each with its name.
fn named<const N: usize>(members: [(&str, Option<String>); N]) -> String {
    let members = members.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    members.collect::<Vec<_>>().join(", ")
}

fn quoted<'a>(texts: &'a [Cow<'_, str>]) -> impl Iterator<Item = String> + use<'a> {
    texts.iter().map(|text| escape_and_cut(text, MAX_VALUE))
}

/// The first few of a list.
pub(super) fn list(items: impl IntoIterator<Item: ToString>) -> String {
    let mut items = items.into_iter();
    let mut text = items.by_ref().take(MAX_ITEMS).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    match items.count() {
        0 => {}
        more => text.push_str(&format!(" and {more} more")),
    }
    text
}

/// A time as [`UnixTime`] displays it, or the number before 1970.
pub(super) fn time(seconds: i128) -> String {
    u64::try_from(seconds).map_or_else(|_| seconds.to_string(), |seconds| UnixTime::from_secs(seconds).to_string())
}

/// An issuer of a national cloud has some 80 bytes.
pub(super) const MAX_VALUE: usize = 128;
const MAX_ITEMS: usize = 8;
const MAX_SCHEME: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_numbers() {
        assert_eq!((time(0).as_str(), time(-1).as_str()), ("1970-01-01T00:00:00Z", "-1"));
        assert_eq!(time(i128::from(u64::MAX) + 1), "18446744073709551616");
    }

    #[test]
    fn only_what_is_surely_a_scheme_is_shown() {
        assert_eq!(scheme(b"Basic eDp5"), Some("Basic"));
        assert_eq!(scheme(b"Bearer"), Some("Bearer"));
        for line in
            ["hunter", "eyJhbGciOiJSUzI1NiJ9.e30.sig", "pass-word abc", "averylongwordthatissecret abc", "", " a"]
        {
            assert_eq!(scheme(line.as_bytes()), None, "{line}");
        }
    }
}

//! A reference implementation of a policy, written from the rules alone. It shares no code with the crate.

use signalr_upstream_auth::{Audiences, Callers, Policy, RejectionKind as K, Tenants};

use super::plain_json::{Fault, Json, parse};

/// The wall clock of every case: seconds since 1970.
pub const NOW: u64 = 1_790_000_000;

/// A policy of the public cloud in plain data.
#[derive(Clone, Debug)]
pub struct ReferencePolicy {
    pub tenants: Vec<String>,
    /// Client ids in lower case.
    pub audience_ids: Vec<String>,
    pub audience_uris: Vec<String>,
    pub object_ids: Vec<String>,
    pub client_ids: Vec<String>,
    pub roles: Vec<String>,
    pub skew: i128,
}

pub const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
pub const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-333333333333";
pub const AUDIENCE: &str = "33333333-dddd-4eee-8fff-444444444444";
pub const AUDIENCE_URI: &str = "api://signalr";
pub const OBJECT: &str = "77777777-4321-4cba-8fed-888888888888";
pub const CLIENT: &str = "55555555-1234-4abc-9def-666666666666";
pub const ROLE: &str = "Upstream.Call";

impl ReferencePolicy {
    /// Two tenants, two audiences, a caller by each of its ids.
    pub fn usual() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            tenants: texts(&[TENANT, OTHER_TENANT]),
            audience_ids: texts(&[AUDIENCE]),
            audience_uris: texts(&[AUDIENCE_URI]),
            object_ids: texts(&[OBJECT]),
            client_ids: texts(&[CLIENT]),
            roles: Vec::new(),
            skew: 300,
        }
    }

    /// The same as the crate's own.
    pub fn build(&self) -> Policy {
        let audiences = self.audience_ids.iter().chain(&self.audience_uris);
        let callers = match (&self.object_ids[..], &self.client_ids[..]) {
            ([], clients) => Callers::parse_client_ids(clients).unwrap(),
            (objects, []) => Callers::parse_object_ids(objects).unwrap(),
            (objects, clients) => {
                Callers::parse_object_ids(objects).unwrap().or(Callers::parse_client_ids(clients).unwrap())
            }
        };
        Policy::builder(Tenants::parse(&self.tenants).unwrap(), Audiences::parse(audiences).unwrap(), callers)
            .required_roles(&self.roles)
            .clock_skew(std::time::Duration::from_secs(self.skew.try_into().unwrap()))
            .build()
            .unwrap()
    }

    /// What is wrong with claims, by the first rule that they break. `None` where this reader cannot tell. `now` is in
    /// seconds since 1970; without it the clock cannot be read.
    pub fn check(&self, has_nonce: bool, claims: &[u8], now: Option<u64>) -> Option<Result<(), K>> {
        match parse(claims) {
            Err(Fault::TooDeep) => None,
            Err(Fault::NotJson) => Some(Err(FORM)),
            Ok(claims) => Some(self.read(has_nonce, &claims, now.map(i128::from))),
        }
    }

    fn read(&self, has_nonce: bool, claims: &Json, now: Option<i128>) -> Result<(), K> {
        let claims = Claims::read(claims)?;

        let version = claims.text("ver").ok_or(K::MissingClaim)?;
        if version != "1.0" && version != "2.0" {
            return Err(K::UnsupportedVersion);
        }
        let is_v1 = version == "1.0";

        let tenant = claims.text("tid").ok_or(K::MissingClaim)?;
        if !self.tenants.iter().any(|known| known == tenant) {
            return Err(K::WrongTenant);
        }

        let issuer = claims.text("iss").ok_or(K::MissingClaim)?;
        let expected = if is_v1 {
            format!("https://sts.windows.net/{tenant}/")
        } else {
            format!("https://login.microsoftonline.com/{tenant}/v2.0")
        };
        if issuer != expected {
            return Err(K::WrongIssuer);
        }

        let audiences = claims.texts("aud").ok_or(K::MissingClaim)?;
        if !matches!(audiences[..], [audience] if self.is_ours(audience, is_v1)) {
            return Err(if has_nonce || matches!(audiences[..], [audience] if is_graph(audience)) {
                K::GraphToken
            } else {
                K::WrongAudience
            });
        }

        let exp = claims.integer("exp").ok_or(K::MissingClaim)?;
        let now = now.ok_or(K::ClockUnavailable)?;
        if now - self.skew >= exp {
            return Err(K::Expired);
        }
        if claims.integer("nbf").is_some_and(|nbf| nbf - self.skew > now) {
            return Err(K::NotYetValid);
        }
        if claims.integer("iat").is_some_and(|iat| iat - self.skew > now) {
            return Err(K::IssuedInFuture);
        }
        if ["nbf", "iat"].into_iter().any(|name| claims.integer(name).is_some_and(|begins| begins > exp)) {
            return Err(K::ValidityReversed);
        }

        // Here the signature would be checked.
        let object = claims.text("oid").ok_or(K::MissingClaim)?;
        let subject = claims.text("sub").ok_or(K::MissingClaim)?;
        if !is_lower_case_guid(object) {
            return Err(FORM);
        }
        let is_app = claims.text("scp").is_none() && matches!(claims.text("idtyp"), None | Some("app"));
        if !is_app || object != subject {
            return Err(K::DelegatedToken);
        }
        let client = claims.text(if is_v1 { "appid" } else { "azp" });
        let is_listed = self.object_ids.iter().any(|id| id == object)
            || client.is_some_and(|client| self.client_ids.iter().any(|id| *id == client.to_ascii_lowercase()));
        if !is_listed {
            return Err(K::CallerNotAllowed);
        }
        let held = claims.texts("roles").unwrap_or_default();
        if !self.roles.is_empty() && !self.roles.iter().any(|role| held.contains(&role.as_str())) {
            return Err(K::MissingRole);
        }
        Ok(())
    }

    fn is_ours(&self, audience: &str, is_v1: bool) -> bool {
        self.audience_ids.iter().any(|id| {
            audience.to_ascii_lowercase() == *id
                || (is_v1
                    && audience.strip_prefix("api://").is_some_and(|rest| {
                        let rest = rest.to_ascii_lowercase();
                        rest == *id || rest == format!("{id}/")
                    }))
        }) || self
            .audience_uris
            .iter()
            .any(|uri| audience == uri || audience == format!("{uri}/") || format!("{audience}/") == *uri)
    }
}

/// The class of everything that is wrong with the form: which fault of it is named first is left open.
pub const FORM: K = K::MalformedClaims;

/// A kind, with the faults of form as one.
pub fn class(kind: K) -> K {
    match kind {
        K::MalformedToken | K::MalformedClaims | K::DuplicateMember => FORM,
        other => other,
    }
}

struct Claims<'j>(&'j [(Option<String>, Json)]);

impl<'j> Claims<'j> {
    fn read(claims: &'j Json) -> Result<Self, K> {
        let members = claims.few_members().ok_or(FORM)?;
        for (index, (name, value)) in members.iter().enumerate() {
            let name = name.as_deref().ok_or(FORM)?;
            let is_repeated = members[..index].iter().any(|(earlier, _)| earlier.as_deref() == Some(name));
            let is_right = match name {
                "exp" | "nbf" | "iat" => value.time().is_some(),
                "aud" | "roles" => value.texts().is_some(),
                "iss" | "tid" | "ver" | "oid" | "sub" | "appid" | "azp" | "idtyp" | "scp" | "uti" => {
                    value.text().is_some()
                }
                other => !other.eq_ignore_ascii_case("tid"),
            };
            if is_repeated || !is_right {
                return Err(FORM);
            }
        }
        Ok(Self(members))
    }

    fn value(&self, name: &str) -> Option<&'j Json> {
        self.0.iter().find(|(present, _)| present.as_deref() == Some(name)).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&'j str> {
        self.value(name)?.text()
    }

    fn texts(&self, name: &str) -> Option<Vec<&'j str>> {
        self.value(name)?.texts()
    }

    fn integer(&self, name: &str) -> Option<i128> {
        self.value(name)?.time().map(i128::from)
    }
}

fn is_lower_case_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
        && text.bytes().any(|byte| !matches!(byte, b'0' | b'-'))
}

/// Whether an audience is Microsoft Graph's: its application id, or a URL of one of its hosts.
fn is_graph(audience: &str) -> bool {
    let audience = audience.to_ascii_lowercase();
    let (scheme, rest) = audience.split_once("://").unwrap_or(("", &audience));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit_once(':').map_or(&rest[..end], |(host, _)| host);
    if host == "00000003-0000-0000-c000-000000000000" {
        return true;
    }
    let hosts =
        ["graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"];
    matches!(scheme, "http" | "https")
        && hosts.iter().any(|known| host == *known || host.ends_with(&format!(".{known}")))
}

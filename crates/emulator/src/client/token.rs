//! The token that a client shows.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use crate::auth::{AccessKeys, Jwt, Rejection};
use crate::web::Query;

/// What a verified token says of its client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ClientToken {
    pub(crate) user_id: Option<String>,
    /// Type and value of each claim, in the token's order. A claim of several values is there several times.
    pub(crate) claims: Vec<(String, String)>,
    /// When the service closes the connection, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) closes_at: Option<u64>,
}

/// What a token is checked against.
#[derive(Debug)]
pub(super) struct TokenCheck<'a> {
    pub(super) keys: &'a AccessKeys,
    /// The names of the service, without a port.
    pub(super) hosts: &'a [String],
    pub(super) hub: &'a str,
    pub(super) now: u64,
    pub(super) skew: u64,
}

/// Why a client is rejected.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum TokenProblem {
    TooLong,
    Unauthorized(String),
}

impl From<Rejection> for TokenProblem {
    fn from(rejection: Rejection) -> Self {
        Self::Unauthorized(rejection.to_string())
    }
}

impl TokenCheck<'_> {
    /// Reads the token of a request: from `Authorization`, else from `access_token` in the query, as browsers send it
    /// with a WebSocket.
    pub(super) fn check(&self, headers: &HeaderMap, query: &Query) -> Result<ClientToken, TokenProblem> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| is_bearer(scheme));
        let token = bearer.map(|(_, token)| token.trim()).or_else(|| query.first("access_token"));
        let token = token.ok_or_else(|| Rejection::unauthorized("the client shows no token"))?;
        if token.len() > LONGEST {
            return Err(TokenProblem::TooLong);
        }
        let jwt = Jwt::parse(token)?;
        if self.keys.signer(&jwt).is_none() {
            return Err(Rejection::unauthorized("no access key that is alive signed the client's token").into());
        }
        // The service does not check `nbf`, `iat` and `iss` (comment in the SDK's ClaimsUtility).
        jwt.check_lifetime(self.now, self.skew, false)?;
        if !jwt.has_audience(|audience| self.is_audience(audience)) {
            return Err(Rejection::unauthorized("the client token's `aud` is not this service and hub").into());
        }
        let token = ClientToken::read(&jwt)?;
        if token.closes_at.is_some_and(|end| end <= self.now) {
            return Err(Rejection::unauthorized("the client's authentication has expired").into());
        }
        Ok(token)
    }

    /// `https://{host}/client/?hub={hub}`: no port, the hub in lower case.
    fn is_audience(&self, audience: &str) -> bool {
        self.hosts.iter().any(|host| {
            ["https", "http"].iter().any(|scheme| audience == format!("{scheme}://{host}/client/?hub={}", self.hub))
        })
    }
}

impl ClientToken {
    fn read(jwt: &Jwt) -> Result<Self, Rejection> {
        let mut claims = Vec::new();
        for (name, value) in &jwt.claims {
            if name.starts_with(SYSTEM) {
                continue;
            }
            let name = name.strip_prefix(RENAMED).unwrap_or(name);
            match value {
                Value::Array(values) => claims.extend(values.iter().map(|value| (name.to_owned(), plain(value)))),
                value => claims.push((name.to_owned(), plain(value))),
            }
        }
        let own_claim = |wanted: &str| jwt.claims.get(wanted).map(first_value);
        let user_id = own_claim("asrs.s.uid").or_else(|| own_claim("nameid")).or_else(|| own_claim("sub"));
        let closes = own_claim("asrs.s.coae").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let closes_at = match own_claim("asrs.s.aeo").filter(|_| closes) {
            None if closes => jwt.seconds("exp"),
            None => None,
            Some(text) => {
                let wrong = |_| Rejection::unauthorized("`asrs.s.aeo` is no number of seconds");
                Some(text.parse().map_err(wrong)?)
            }
        };
        Ok(Self { user_id: user_id.filter(|user| !user.is_empty()), claims, closes_at })
    }
}

fn first_value(value: &Value) -> String {
    match value {
        Value::Array(values) => values.first().map(plain).unwrap_or_default(),
        value => plain(value),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_bearer(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("bearer")
}

/// Microsoft's troubleshooting guide: tokens over 4 KB.
const LONGEST: usize = 4096;
/// Claims for the service itself.
const SYSTEM: &str = "asrs.s.";
/// Claims of the app that would clash with registered ones.
const RENAMED: &str = "asrs.u.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::sign_hs256;
    use crate::clock::EmulatorClock;

    fn check(claims: &Value) -> Result<ClientToken, TokenProblem> {
        let keys = AccessKeys::new(EmulatorClock::new(), Some(["one".to_owned(), "two".to_owned()]));
        let hosts = ["contoso.test".to_owned()];
        let check = TokenCheck { keys: &keys, hosts: &hosts, hub: "chat", now: 1000, skew: 0 };
        let query = Query::read(&format!("access_token={}", sign_hs256("x", "two", claims)));
        check.check(&HeaderMap::new(), &query)
    }

    fn good() -> Value {
        json!({"aud": "https://contoso.test/client/?hub=chat", "exp": 2000})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    #[test]
    fn the_audience_is_compared_to_the_letter() {
        for audience in [
            "https://contoso.test/client/?hub=Chat",
            "https://contoso.test:443/client/?hub=chat",
            "https://contoso.test/client?hub=chat",
            "https://contoso.test/client/?hub=other",
            "https://other.test/client/?hub=chat",
            "https://contoso.test",
        ] {
            assert!(check(&with("aud", audience.into())).is_err(), "{audience}");
        }
        assert!(check(&good()).is_ok());
        assert!(check(&with("exp", 1000.into())).is_err());
    }

    #[test]
    fn the_user_is_named_by_the_systems_claim_first() {
        let mut claims = with("sub", json!(["a", "b"]));
        assert_eq!(check(&claims).unwrap().user_id.as_deref(), Some("a"));
        claims["nameid"] = "c".into();
        assert_eq!(check(&claims).unwrap().user_id.as_deref(), Some("c"));
        claims["asrs.s.uid"] = "d".into();
        assert_eq!(check(&claims).unwrap().user_id.as_deref(), Some("d"));
        assert_eq!(check(&good()).unwrap().user_id, None);
    }

    #[test]
    fn claims_lose_their_prefix_and_keep_all_values() {
        let mut claims = good();
        claims["asrs.u.iss"] = "me".into();
        claims["asrs.s.derror"] = "True".into();
        claims["role"] = json!(["a", "b"]);
        let read = check(&claims).unwrap().claims;
        let has = |name: &str, value: &str| read.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("iss", "me") && has("role", "a") && has("role", "b") && has("exp", "2000"), "{read:?}");
        assert!(read.iter().all(|(name, _)| !name.starts_with("asrs.")));
    }

    #[test]
    fn closing_on_expiry_needs_its_switch() {
        assert_eq!(check(&with("asrs.s.aeo", "1500".into())).unwrap().closes_at, None);
        let mut claims = with("asrs.s.aeo", "1500".into());
        claims["asrs.s.coae"] = "true".into();
        assert_eq!(check(&claims).unwrap().closes_at, Some(1500));
        claims["asrs.s.aeo"] = "1000".into();
        assert!(check(&claims).is_err());
        claims["asrs.s.aeo"] = "soon".into();
        assert!(check(&claims).is_err());
    }

    #[test]
    fn long_tokens_are_rejected_before_they_are_read() {
        assert_eq!(check(&with("pad", "x".repeat(4096).into())), Err(TokenProblem::TooLong));
    }
}

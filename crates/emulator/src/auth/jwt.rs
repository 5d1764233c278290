//! Compact JWS (RFC 7515 section 7.1) whose payload is a claims set (RFC 7519).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Rejection;

/// A token that is taken apart, but not verified.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) signing_input: String,
    pub(crate) signature: Vec<u8>,
}

impl Jwt {
    pub(crate) fn parse(token: &str) -> Result<Self, Rejection> {
        let mut segments = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(Rejection::unauthorized("the token has not three segments"));
        };
        let jwt = Self {
            header: object(header, "JOSE header")?,
            claims: object(claims, "claims set")?,
            signing_input: format!("{header}.{claims}"),
            signature: decode(signature, "signature")?,
        };
        Ok(jwt)
    }

    pub(crate) fn algorithm(&self) -> Option<&str> {
        self.header.get("alg")?.as_str()
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A claim that is a number of seconds; a fraction is cut.
    pub(crate) fn seconds(&self, name: &str) -> Option<u64> {
        let value = self.claims.get(name)?;
        value.as_u64().or_else(|| value.to_string().split('.').next()?.parse().ok())
    }

    /// Whether an audience is one of the token's. RFC 7519 section 4.1.3 allows one text or several.
    pub(crate) fn has_audience(&self, mut fits: impl FnMut(&str) -> bool) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => fits(audience),
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(fits),
            _ => false,
        }
    }

    /// Checks `exp`, which must be there, and `nbf` where it is asked for.
    pub(crate) fn check_lifetime(&self, now: u64, skew: u64, check_not_before: bool) -> Result<(), Rejection> {
        let Some(expires) = self.seconds("exp") else { return Err(Rejection::unauthorized("the token has no `exp`")) };
        if expires.saturating_add(skew) <= now {
            return Err(Rejection::unauthorized(format!("the token expired {} s ago", now - expires)));
        }
        let not_before = self.seconds("nbf").filter(|_| check_not_before);
        match not_before {
            Some(start) if start > now.saturating_add(skew) => {
                Err(Rejection::unauthorized(format!("the token is valid in {} s only", start - now)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the signature is an HMAC over the text of a key, HS256 or HS512 (RFC 7518 section 3.2).
    pub(crate) fn is_signed_with(&self, key: &str) -> bool {
        let algorithm = match self.algorithm() {
            Some("HS256") => hmac::HMAC_SHA256,
            Some("HS512") => hmac::HMAC_SHA512,
            _ => return false,
        };
        let key = hmac::Key::new(algorithm, key.as_bytes());
        hmac::verify(&key, self.signing_input.as_bytes(), &self.signature).is_ok()
    }
}

/// Signs a claims set with the text of a key.
pub(crate) fn sign_hs256(key_id: &str, key: &str, claims: &Value) -> String {
    let header = serde_json::json!({"alg": "HS256", "kid": key_id, "typ": "JWT"});
    let signing_input =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signing_input.as_bytes());
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn object(segment: &str, part: &str) -> Result<Map<String, Value>, Rejection> {
    let bytes = decode(segment, part)?;
    serde_json::from_slice(&bytes).map_err(|_| Rejection::unauthorized(format!("the token's {part} is no JSON object")))
}

fn decode(segment: &str, part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Rejection::unauthorized(format!("the token's {part} is not base64url")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_verified_with_the_text_of_the_key() {
        let token = sign_hs256("id", "key", &json!({"aud": "a", "exp": 100}));
        let jwt = Jwt::parse(&token).unwrap();
        assert!(jwt.is_signed_with("key") && !jwt.is_signed_with("Key"));
        assert_eq!((jwt.key_id(), jwt.algorithm()), (Some("id"), Some("HS256")));
        assert!(jwt.has_audience(|audience| audience == "a"));
    }

    #[test]
    fn a_lifetime_ends_at_exp() {
        let jwt = Jwt::parse(&sign_hs256("id", "key", &json!({"exp": 100, "nbf": 50}))).unwrap();
        assert!(jwt.check_lifetime(99, 0, true).is_ok());
        assert!(jwt.check_lifetime(100, 0, true).is_err());
        assert!(jwt.check_lifetime(100, 1, true).is_ok());
        assert!(jwt.check_lifetime(49, 0, true).is_err());
        assert!(jwt.check_lifetime(49, 0, false).is_ok());
        let endless = Jwt::parse(&sign_hs256("id", "key", &json!({}))).unwrap();
        assert!(endless.check_lifetime(0, 0, true).is_err());
    }

    #[test]
    fn what_is_no_token_is_rejected() {
        for text in ["", "a.b", "e30.e30.", "e30.e30.a.b", "W10.e30.AA", "e30.e30.=="] {
            let parsed = Jwt::parse(text);
            assert!(parsed.is_err() || text == "e30.e30.", "{text}");
        }
    }

    #[test]
    fn unsigned_tokens_are_signed_with_no_key() {
        let jwt = Jwt::parse("eyJhbGciOiJub25lIn0.e30.").unwrap();
        assert!(!jwt.is_signed_with(""));
    }
}

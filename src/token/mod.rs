//! A token as it came: three segments decoded, header and claims parsed once, nothing judged but
//! their form (RFC 7515 section 5.2, RFC 7519 section 7.2).

pub(crate) mod bearer;
pub(crate) mod times;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, MapAccess};

use crate::error::RejectionKind;
use crate::ids::KeyId;
use crate::json::{self, Known, Members, ObjectFault, Texts, read_into, read_text};
use crate::token::bearer::BearerToken;

/// The three segments of a compact serialization, decoded.
pub(crate) struct CompactJws<'h> {
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
    signed: &'h [u8],
}

impl<'h> CompactJws<'h> {
    /// Splits and decodes a token.
    pub(crate) fn decode(token: BearerToken<'h>) -> Result<Self, RejectionKind> {
        // Dots and base64url are token68. Of all else it has to be asked, since a malformed request is told
        // apart from a malformed token.
        Self::split(token.as_bytes()).or_else(|fault| token.token68().and(Err(fault)))
    }

    fn split(token: &'h [u8]) -> Result<Self, RejectionKind> {
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second)) = (dots.next(), dots.next()) else {
            return Err(RejectionKind::MalformedToken);
        };
        match dots.count() {
            0 => {}
            2 => return Err(RejectionKind::EncryptedToken),
            _ => return Err(RejectionKind::MalformedToken),
        }
        let decode = |segment: &[u8]| URL_SAFE_NO_PAD.decode(segment).map_err(|_| RejectionKind::MalformedToken);
        Ok(Self {
            header: decode(&token[..first])?,
            claims: decode(&token[first + 1..second])?,
            signature: decode(&token[second + 1..])?,
            signed: &token[..second],
        })
    }

    /// The header, parsed. Nothing in it is judged.
    pub(crate) fn header(&self) -> Result<JoseHeader<'_>, ObjectFault> {
        json::object(&self.header)
    }

    /// The claims, parsed. Nothing in them is judged.
    pub(crate) fn claims(&self) -> Result<ClaimsSet<'_>, ObjectFault> {
        json::object(&self.claims)
    }

    /// The same as a JWS whose payload is no claims, as public test vectors have it. Its header is judged.
    #[cfg(test)]
    pub(crate) fn jws(&self) -> Result<Jws<'_>, RejectionKind> {
        let header = self.header().map_err(|_| RejectionKind::MalformedHeader)?;
        header.check()?;
        let key_id = match header.key_id() {
            Err(RejectionKind::MissingKeyId) => None,
            key_id => Some(key_id?),
        };
        Ok(Jws { key_id, payload: &self.claims, signed: self.signed, signature: &self.signature })
    }
}

/// A JWS that nobody has verified.
#[cfg(test)]
pub(crate) struct Jws<'t> {
    pub(crate) key_id: Option<KeyId>,
    pub(crate) payload: &'t [u8],
    pub(crate) signed: &'t [u8],
    pub(crate) signature: &'t Vec<u8>,
}

/// A well-formed token of which nothing is believed yet.
#[derive(Debug)]
pub(crate) struct UnverifiedToken<'t> {
    pub(crate) key_id: KeyId,
    /// Whether the header has a `nonce`, as tokens for Microsoft Graph do.
    pub(crate) has_nonce: bool,
    pub(crate) claims: ClaimsSet<'t>,
    /// The ASCII of the first two segments with the dot between them, which the signature covers.
    pub(crate) signed: &'t [u8],
    pub(crate) signature: &'t Vec<u8>,
}

impl<'t> UnverifiedToken<'t> {
    /// Parses header and claims and judges the header.
    pub(crate) fn parse(segments: &'t CompactJws<'_>) -> Result<Self, RejectionKind> {
        let (header, claims) = (segments.header(), segments.claims());
        if let (Err(ObjectFault::NotAnObject), _) | (_, Err(ObjectFault::NotAnObject)) = (&header, &claims) {
            return Err(RejectionKind::MalformedToken);
        }
        let header = header.map_err(|fault| match fault {
            ObjectFault::Duplicate => RejectionKind::DuplicateMember,
            ObjectFault::NotAnObject | ObjectFault::WrongType => RejectionKind::MalformedHeader,
        })?;
        header.check()?;
        let key_id = header.key_id()?;
        let claims = claims.map_err(|fault| match fault {
            ObjectFault::Duplicate => RejectionKind::DuplicateMember,
            ObjectFault::NotAnObject | ObjectFault::WrongType => RejectionKind::MalformedClaims,
        })?;
        Ok(Self {
            key_id,
            has_nonce: header.has_nonce,
            claims,
            signed: segments.signed,
            signature: &segments.signature,
        })
    }
}

/// The members of the JOSE header that are read. All others, `jku`, `jwk`, `x5u`, `x5c`, `x5t` and
/// `x5t#S256` among them, are never looked at (RFC 8725 section 3.10).
#[derive(Debug, Default)]
pub(crate) struct JoseHeader<'t> {
    pub(crate) algorithm: Option<Cow<'t, str>>,
    pub(crate) key_id: Option<Cow<'t, str>>,
    pub(crate) kind: Option<Cow<'t, str>>,
    pub(crate) has_nonce: bool,
    pub(crate) has_extension: bool,
}

impl<'t> Members<'t> for JoseHeader<'t> {
    fn read<A: MapAccess<'t>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        match name {
            "alg" => return read_text(&mut self.algorithm, map),
            "kid" => return read_text(&mut self.key_id, map),
            "typ" => return read_text(&mut self.kind, map),
            "nonce" => self.has_nonce = true,
            "crit" | "b64" | "enc" | "zip" => self.has_extension = true,
            _ => {}
        }
        Ok(Known::No)
    }
}

impl JoseHeader<'_> {
    fn check(&self) -> Result<(), RejectionKind> {
        match self.algorithm.as_deref() {
            Some("RS256") => {}
            Some(_) => return Err(RejectionKind::AlgorithmNotAllowed),
            None => return Err(RejectionKind::MalformedHeader),
        }
        if self.has_extension {
            return Err(RejectionKind::CriticalHeader);
        }
        if !self.kind.as_deref().is_none_or(is_accepted_type) {
            return Err(RejectionKind::UnsupportedType);
        }
        Ok(())
    }

    fn key_id(&self) -> Result<KeyId, RejectionKind> {
        match self.key_id.as_deref() {
            None | Some("") => Err(RejectionKind::MissingKeyId),
            Some(key_id) if KeyId::fits(key_id) => Ok(KeyId::new(key_id)),
            Some(_) => Err(RejectionKind::MalformedHeader),
        }
    }
}

/// Entra writes `JWT`; `at+jwt` (RFC 9068 section 2.1) is let through for the day it does not. The
/// prefix `application/` may be left out (RFC 7515 section 4.1.9).
fn is_accepted_type(kind: &str) -> bool {
    let kind = match kind.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => kind,
    };
    kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt")
}

/// The claims that are read, with their JSON types checked and nothing else.
#[derive(Debug, Default)]
pub(crate) struct ClaimsSet<'t> {
    pub(crate) aud: Option<Texts<'t>>,
    pub(crate) iss: Option<Cow<'t, str>>,
    pub(crate) tid: Option<Cow<'t, str>>,
    pub(crate) ver: Option<Cow<'t, str>>,
    pub(crate) exp: Option<i64>,
    pub(crate) nbf: Option<i64>,
    pub(crate) iat: Option<i64>,
    pub(crate) oid: Option<Cow<'t, str>>,
    pub(crate) sub: Option<Cow<'t, str>>,
    pub(crate) appid: Option<Cow<'t, str>>,
    pub(crate) azp: Option<Cow<'t, str>>,
    pub(crate) idtyp: Option<Cow<'t, str>>,
    pub(crate) scp: Option<Cow<'t, str>>,
    pub(crate) roles: Option<Texts<'t>>,
    pub(crate) uti: Option<Cow<'t, str>>,
}

impl<'t> Members<'t> for ClaimsSet<'t> {
    fn read<A: MapAccess<'t>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        let text = match name {
            "iss" => &mut self.iss,
            "tid" => &mut self.tid,
            "ver" => &mut self.ver,
            "oid" => &mut self.oid,
            "sub" => &mut self.sub,
            "appid" => &mut self.appid,
            "azp" => &mut self.azp,
            "idtyp" => &mut self.idtyp,
            "scp" => &mut self.scp,
            "uti" => &mut self.uti,
            "aud" => return read_into(&mut self.aud, map),
            "roles" => return read_into(&mut self.roles, map),
            "exp" => return read_time(&mut self.exp, map),
            "nbf" => return read_time(&mut self.nbf, map),
            "iat" => return read_time(&mut self.iat, map),
            _ => return Ok(Known::No),
        };
        read_text(text, map)
    }

    fn is_look_alike(name: &str) -> bool {
        name != "tid" && name.eq_ignore_ascii_case("tid")
    }
}

/// Seconds since 1970 (RFC 7519 section 2), whole, not negative, in 63 bits.
fn read_time<'t, A: MapAccess<'t>>(member: &mut Option<i64>, map: &mut A) -> Result<Known, A::Error> {
    if member.is_some() {
        return Ok(Known::Again);
    }
    let seconds: u64 = map.next_value()?;
    *member = Some(i64::try_from(seconds).map_err(A::Error::custom)?);
    Ok(Known::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"k"}"#;

    fn kind(header: &str, claims: &str) -> Option<RejectionKind> {
        let token = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        parse(&token)
    }

    fn parse(token: &str) -> Option<RejectionKind> {
        let token = BearerToken::from_token68(token.as_bytes()).unwrap();
        CompactJws::decode(token).and_then(|segments| UnverifiedToken::parse(&segments).map(drop)).err()
    }

    #[test]
    fn a_token_has_three_segments_of_strict_base64url() {
        assert_eq!(kind(HEADER, "{}"), None);
        for token in ["a", "e30", "e30.e30", "e30.e30.e30.e30", "e30.e30.e30.e30.e30.e30", "...", "e30=.e30.AA"] {
            assert_eq!(parse(token), Some(RejectionKind::MalformedToken), "{token}");
        }
        assert_eq!(parse("e30.e30.e30.e30.e30"), Some(RejectionKind::EncryptedToken));
        let good = format!("{}.e30.", URL_SAFE_NO_PAD.encode(HEADER));
        assert_eq!(parse(&format!("{good}AAAA")), None);
        // Padding, the other alphabet, an impossible length, bits beyond the last byte.
        for signature in ["AA==", "A+AA", "A/AA", "AAAAA", "AB", "A~AA"] {
            assert_eq!(parse(&format!("{good}{signature}")), Some(RejectionKind::MalformedToken), "{signature}");
        }
    }

    #[test]
    fn form_outranks_the_header_and_the_header_outranks_the_claims() {
        let none = r#"{"alg":"none","kid":"k"}"#;
        assert_eq!(kind(none, "[]"), Some(RejectionKind::MalformedToken));
        assert_eq!(kind("[]", "{}"), Some(RejectionKind::MalformedToken));
        assert_eq!(kind(none, r#"{"exp":"1"}"#), Some(RejectionKind::AlgorithmNotAllowed));
        assert_eq!(kind(none, r#"{"a":1,"a":1}"#), Some(RejectionKind::AlgorithmNotAllowed));
        assert_eq!(kind(HEADER, r#"{"exp":"1"}"#), Some(RejectionKind::MalformedClaims));
    }

    #[test]
    fn only_rs256_in_exactly_this_spelling() {
        for algorithm in ["none", "None", "rs256", "RS256 ", "HS256", "PS256", "RS384", "ES256", ""] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#);
            assert_eq!(kind(&header, "{}"), Some(RejectionKind::AlgorithmNotAllowed), "{algorithm}");
        }
        assert_eq!(kind(r#"{"kid":"k"}"#, "{}"), Some(RejectionKind::MalformedHeader));
        assert_eq!(kind(r#"{"alg":["RS256"],"kid":"k"}"#, "{}"), Some(RejectionKind::MalformedHeader));
    }

    #[test]
    fn extensions_are_rejected_whatever_they_hold() {
        for member in
            [r#""crit":["exp"]"#, r#""crit":[]"#, r#""crit":null"#, r#""b64":true"#, r#""enc":"A128GCM""#, r#""zip":1"#]
        {
            let header = format!(r#"{{"alg":"RS256","kid":"k",{member}}}"#);
            assert_eq!(kind(&header, "{}"), Some(RejectionKind::CriticalHeader), "{member}");
        }
    }

    #[test]
    fn types_of_jwt_and_access_token_pass() {
        for (accepted, names) in [
            (true, &["JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"][..]),
            (false, &["", "JWS", "JOSE", "id+jwt", "dpop+jwt", "application/", "text/jwt", "application.JWT", "JWT "]),
        ] {
            for name in names {
                let header = format!(r#"{{"typ":"{name}","alg":"RS256","kid":"k"}}"#);
                assert_eq!(kind(&header, "{}").is_none(), accepted, "{name}");
            }
        }
        assert_eq!(kind(r#"{"typ":null,"alg":"RS256","kid":"k"}"#, "{}"), Some(RejectionKind::MalformedHeader));
    }

    #[test]
    fn a_key_id_is_a_string_of_1_to_256_bytes() {
        let with = |kid: &str| kind(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#), "{}");
        assert_eq!(with(&format!("\"{}\"", "k".repeat(256))), None);
        assert_eq!(with(&format!("\"{}\"", "k".repeat(257))), Some(RejectionKind::MalformedHeader));
        assert_eq!(with("1"), Some(RejectionKind::MalformedHeader));
        assert_eq!(with("null"), Some(RejectionKind::MalformedHeader));
        assert_eq!(with("\"\""), Some(RejectionKind::MissingKeyId));
        assert_eq!(kind(r#"{"alg":"RS256","x5t":"k"}"#, "{}"), Some(RejectionKind::MissingKeyId));
    }

    #[test]
    fn key_hints_and_a_nonce_in_the_header_reject_nothing() {
        let header = r#"{"alg":"RS256","kid":"k","jku":"https://x","jwk":{},"x5u":1,"x5c":[],"x5t":"k","x5t#S256":"k","nonce":"n"}"#;
        assert_eq!(kind(header, "{}"), None);
    }

    #[test]
    fn claims_of_the_wrong_type_are_rejected() {
        for claim in [
            r#""aud":1"#,
            r#""aud":null"#,
            r#""aud":[1]"#,
            r#""iss":["https://sts.windows.net/"]"#,
            r#""tid":1"#,
            r#""ver":2.0"#,
            r#""exp":"1""#,
            r#""exp":1.0"#,
            r#""exp":1e9"#,
            r#""exp":9223372036854775808"#,
            r#""exp":-1"#,
            r#""nbf":-1"#,
            r#""nbf":-0"#,
            r#""iat":-9223372036854775808"#,
            r#""nbf":null"#,
            r#""iat":true"#,
            r#""oid":{}"#,
            r#""sub":null"#,
            r#""appid":1"#,
            r#""azp":[]"#,
            r#""idtyp":null"#,
            r#""scp":["a"]"#,
            r#""roles":{"a":1}"#,
            r#""roles":["a",1]"#,
            r#""uti":1"#,
        ] {
            assert_eq!(kind(HEADER, &format!("{{{claim}}}")), Some(RejectionKind::MalformedClaims), "{claim}");
        }
    }

    #[test]
    fn a_name_twice_or_another_spelling_of_tid_is_rejected() {
        for claims in [r#"{"x":1,"x":1}"#, r#"{"tid":"a","TID":"b"}"#, r#"{"Tid":"a"}"#, r#"{"exp":1,"\u0065xp":2}"#] {
            assert_eq!(kind(HEADER, claims), Some(RejectionKind::DuplicateMember), "{claims}");
        }
        assert_eq!(kind(r#"{"alg":"RS256","kid":"k","x":1,"x":2}"#, "{}"), Some(RejectionKind::DuplicateMember));
        assert_eq!(kind(r#"{"alg":"RS256","alg":"RS256","kid":"k"}"#, "{}"), Some(RejectionKind::DuplicateMember));
    }
}

//! The unverified fields of a rejected request, for the log. Nothing proves that any of them is true.

use http::HeaderMap;

use crate::error::RejectionKind;
use crate::telemetry::escape::escape_and_cut;
use crate::token::bearer::BearerToken;
use crate::token::compact::CompactJws;

/// Fields of a request and its token, each escaped and cut to at most 64 bytes. `None` where the request has none, or
/// none that can be read.
#[derive(Debug, Default)]
pub(crate) struct UnverifiedFields {
    pub(crate) tenant_id: Option<String>,
    pub(crate) object_id: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) hub: Option<String>,
    pub(crate) event: Option<String>,
}

impl UnverifiedFields {
    /// Copies what can be read, whichever check rejected the request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).map(|value| short(&String::from_utf8_lossy(value.as_bytes())));
        let of_token = Self::of_token(BearerToken::from_headers(headers));
        Self { hub: header("x-asrs-hub"), event: header("x-asrs-event"), ..of_token }
    }

    /// The same of a token that comes without the headers of its request.
    pub(crate) fn of_token(token: Result<BearerToken<'_>, RejectionKind>) -> Self {
        let mut fields = Self::default();
        if let Ok(token) = token.and_then(CompactJws::decode) {
            fields.read(&token);
        }
        fields
    }

    fn read(&mut self, token: &CompactJws<'_>) {
        if let Ok(header) = token.header() {
            self.key_id = header.kid.as_deref().map(short);
        }
        if let Ok(claims) = token.claims() {
            self.tenant_id = claims.tid.as_deref().map(short);
            self.object_id = claims.oid.as_deref().map(short);
            self.client_id = claims.appid.as_deref().or(claims.azp.as_deref()).map(short);
            self.version = claims.ver.as_deref().map(short);
            self.token_id = claims.uti.as_deref().map(short);
        }
    }
}

fn short(text: &str) -> String {
    escape_and_cut(text, MAX_BYTES)
}

/// A GUID has 36 bytes, a `kid` of Entra's 27, a `uti` 22.
const MAX_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use http::HeaderValue;

    use super::*;

    fn fields(header: &str, claims: &str) -> UnverifiedFields {
        let token = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        headers.insert("x-asrs-hub", HeaderValue::from_static("chat"));
        headers.insert("x-asrs-event", HeaderValue::from_bytes("m\u{e4}h".as_bytes()).unwrap());
        UnverifiedFields::of(&headers)
    }

    #[test]
    fn copies_every_field_that_can_be_read() {
        let seen = fields(r#"{"kid":"k"}"#, r#"{"tid":"t","oid":"o","azp":"c","ver":"2.0","uti":"u"}"#);
        let found = [seen.key_id, seen.tenant_id, seen.object_id, seen.client_id, seen.version, seen.token_id];
        assert_eq!(found.map(Option::unwrap), ["k", "t", "o", "c", "2.0", "u"]);
        assert_eq!([seen.hub, seen.event].map(Option::unwrap), ["chat", "m\u{e4}h"]);
    }

    #[test]
    fn reads_header_and_claims_independently() {
        assert_eq!(fields(r#"{"kid":"k"}"#, "[]").key_id.as_deref(), Some("k"));
        assert_eq!(fields("7", r#"{"tid":"t"}"#).tenant_id.as_deref(), Some("t"));
    }

    #[test]
    fn escapes_forged_lines_and_cuts_long_values() {
        let seen = fields(r#"{"kid":"k\n2026-01-01 INFO all is well"}"#, &format!(r#"{{"tid":"{}"}}"#, "t".repeat(99)));
        assert_eq!(seen.key_id.unwrap(), "k\\n2026-01-01 INFO all is well");
        assert_eq!(seen.tenant_id.unwrap(), "t".repeat(64));
    }
}

//! The one credential of a request: `Authorization: Bearer <token68>` (RFC 6750 section 2.1).

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::RejectionKind;

/// The token of a request as it stands in the header, not looked into.
///
/// At most 16 KiB that begin with no space. Whether every byte is of the token68 alphabet is only asked
/// when nothing else has shown it: a token that equals an accepted one, or whose segments are base64url, is one.
#[derive(Clone, Copy)]
pub(crate) struct BearerToken<'h>(&'h [u8]);

impl<'h> BearerToken<'h> {
    /// Finds the token of a request.
    pub(crate) fn from_headers(headers: &'h HeaderMap) -> Result<Self, RejectionKind> {
        if is_repeated(headers) {
            return Err(RejectionKind::MultipleCredentials);
        }
        let line = headers.get(AUTHORIZATION).ok_or(RejectionKind::MissingCredentials)?;
        Self::from_credentials(line.as_bytes())
    }

    /// The same, with one look-up for the token and for a mark on its header: it becomes sensitive, so that it is not
    /// printed and enters no compression table. Whether the header stays after that, the middleware decides. Where any
    /// other header is repeated, it takes another look-up to tell that this one is not.
    pub(crate) fn from_marked_headers(headers: &'h mut HeaderMap) -> Result<Self, RejectionKind> {
        if is_repeated(headers) {
            return Err(RejectionKind::MultipleCredentials);
        }
        let line = headers.get_mut(AUTHORIZATION).ok_or(RejectionKind::MissingCredentials)?;
        line.set_sensitive(true);
        Self::from_credentials(line.as_bytes())
    }

    /// Finds the token in the values of all `Authorization` headers of a request.
    pub(crate) fn from_lines(lines: impl IntoIterator<Item = &'h [u8]>) -> Result<Self, RejectionKind> {
        let mut lines = lines.into_iter();
        let line = lines.next().ok_or(RejectionKind::MissingCredentials)?;
        if lines.next().is_some() {
            return Err(RejectionKind::MultipleCredentials);
        }
        Self::from_credentials(line)
    }

    /// Finds the token in the value of an `Authorization` header.
    pub(crate) fn from_credentials(credentials: &'h [u8]) -> Result<Self, RejectionKind> {
        // As the service writes it: two comparisons instead of a look at each part.
        if let Some((b"Bearer ", token)) = credentials.split_first_chunk()
            && token.first().is_some_and(|byte| *byte != b' ')
            && credentials.len() <= MAX_CREDENTIALS
        {
            return Ok(Self(token));
        }
        if credentials.iter().all(|byte| *byte == b' ') {
            return Err(RejectionKind::MissingCredentials);
        }
        let rest = match credentials.split_first_chunk::<{ SCHEME.len() }>() {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => return Err(RejectionKind::UnsupportedScheme),
        };
        if rest.first().is_some_and(|byte| is_scheme_byte(*byte)) {
            return Err(RejectionKind::UnsupportedScheme);
        }
        if credentials.len() > MAX_CREDENTIALS {
            return Err(RejectionKind::TokenTooLarge);
        }
        // Only the space separates a scheme from its token (RFC 9110 section 11.4); a tab does not.
        match rest.iter().position(|byte| *byte != b' ') {
            Some(start) if start > 0 => Ok(Self(&rest[start..])),
            _ => Err(RejectionKind::MalformedCredentials),
        }
    }

    /// A token that was handed over without a header around it.
    pub(crate) fn from_token68(token: &'h [u8]) -> Result<Self, RejectionKind> {
        if token.len() > MAX_CREDENTIALS {
            return Err(RejectionKind::TokenTooLarge);
        }
        Self(token).token68()
    }

    /// The same token, if it is one.
    pub(crate) fn token68(self) -> Result<Self, RejectionKind> {
        if self.0.is_empty() || !is_token68(self.0) { Err(RejectionKind::MalformedCredentials) } else { Ok(self) }
    }

    pub(crate) fn as_bytes(self) -> &'h [u8] {
        self.0
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BearerToken({} bytes)", self.0.len())
    }
}

/// Whether a request has two `Authorization` headers. A map with as many names as values repeats no name, so usually
/// nothing is looked up.
fn is_repeated(headers: &HeaderMap) -> bool {
    headers.len() != headers.keys_len() && headers.get_all(AUTHORIZATION).iter().nth(1).is_some()
}

/// tchar of RFC 9110 section 5.6.2, of which a scheme is made.
fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// The alphabet of RFC 6750 section 2.1. Where a `=` may stand is left to the strict base64url of the
/// segments: a padded segment is a malformed token, not a malformed request.
///
/// Every byte of a block is looked at, whatever those before it are: without an early exit the compiler
/// makes a few wide instructions of a block.
pub(crate) fn is_token68(token: &[u8]) -> bool {
    // `-`, `.`, `/` and the digits stand in a row.
    let is_good = |byte: u8| {
        byte.is_ascii_alphabetic()
            | matches!(byte, b'-'..=b'9')
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
            | (byte == b'=')
    };
    token.chunks(256).all(|block| block.iter().fold(true, |so_far, byte| so_far & is_good(*byte)))
}

const SCHEME: &[u8; 6] = b"Bearer";

/// A v1 token with the 200 groups Entra sends at most has about 12 KiB; everything longer is
/// rejected before a byte of it is read.
pub(crate) const MAX_CREDENTIALS: usize = 16_384;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token(lines: &[&[u8]]) -> Result<Vec<u8>, RejectionKind> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        // Other names with two values must not hide that this one has one.
        for others in [&[][..], &["a"], &["a", "b"]] {
            let mut headers = headers.clone();
            for value in others {
                headers.append("x-other", HeaderValue::from_static(value));
            }
            let found = BearerToken::from_headers(&headers).map(BearerToken::as_bytes);
            let lines = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
            assert_eq!(found, BearerToken::from_lines(lines).map(BearerToken::as_bytes));
            let (found, mut marked) = (found.map(<[u8]>::to_vec), headers.clone());
            assert_eq!(BearerToken::from_marked_headers(&mut marked).map(|token| token.as_bytes().to_vec()), found);
            assert_eq!(marked.get(AUTHORIZATION).is_some_and(HeaderValue::is_sensitive), lines_of(&headers) == 1);
        }
        BearerToken::from_headers(&headers).and_then(BearerToken::token68).map(|token| token.as_bytes().to_vec())
    }

    fn lines_of(headers: &HeaderMap) -> usize {
        headers.get_all(AUTHORIZATION).iter().count()
    }

    #[test]
    fn one_token_after_a_scheme_in_any_case_is_taken() {
        for line in ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR    abc", "Bearer    abc"] {
            assert_eq!(token(&[line.as_bytes()]).unwrap(), b"abc", "{line}");
        }
        assert_eq!(token(&[b"Bearer aZ0-._~+/=="]).unwrap(), b"aZ0-._~+/==");
    }

    #[test]
    fn nothing_or_another_scheme_is_no_attempt_to_authenticate() {
        assert_eq!(token(&[]), Err(RejectionKind::MissingCredentials));
        assert_eq!(token(&[b""]), Err(RejectionKind::MissingCredentials));
        assert_eq!(token(&[b"   "]), Err(RejectionKind::MissingCredentials));
        for line in [
            "Basic abc",
            "Bearez abc",
            "Bear",
            "Bearerabc",
            "Bearer2 abc",
            "eyJh.eyJh.sig",
            "\"Bearer abc\"",
            "Negotiate",
        ] {
            assert_eq!(token(&[line.as_bytes()]), Err(RejectionKind::UnsupportedScheme), "{line}");
        }
    }

    #[test]
    fn bearer_with_anything_but_one_token_is_malformed() {
        for line in [
            "Bearer",
            "Bearer ",
            "Bearer    ",
            "Bearer\tabc",
            "Bearer \tabc",
            "Bearer,abc",
            "Bearer abc,def",
            "Bearer abc def",
            "Bearer abc ",
            "Bearer \"abc\"",
            "Bearer=abc",
            "Bearer abc;",
            "Bearer Bearer abc",
        ] {
            assert_eq!(token(&[line.as_bytes()]), Err(RejectionKind::MalformedCredentials), "{line}");
        }
        assert_eq!(token(&[b"Bearer \xc3\xa4bc"]), Err(RejectionKind::MalformedCredentials));
    }

    #[test]
    fn two_lines_are_rejected_whatever_they_say() {
        for lines in [[&b"Bearer abc"[..], b"Bearer abc"], [b"Bearer abc", b"Basic abc"], [b"Basic a", b""]] {
            assert_eq!(token(&lines), Err(RejectionKind::MultipleCredentials));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "a hundred thousand bytes, one by one")]
    fn checks_length_before_the_alphabet() {
        for scheme in ["Bearer ", "bearer "] {
            let sized = |length| token(&[format!("{scheme}{}", "a".repeat(length)).as_bytes()]);
            assert!(sized(MAX_CREDENTIALS - scheme.len()).is_ok());
            assert_eq!(sized(MAX_CREDENTIALS - scheme.len() + 1), Err(RejectionKind::TokenTooLarge));
        }
        let sized = |fill: &str, length: usize| token(&[format!("Bearer {}", fill.repeat(length)).as_bytes()]);
        assert_eq!(sized(",", MAX_CREDENTIALS), Err(RejectionKind::TokenTooLarge));
        let bare = |length| BearerToken::from_token68(&[b'a'; MAX_CREDENTIALS + 1][..length]).map(|_| ());
        assert_eq!((bare(MAX_CREDENTIALS), bare(MAX_CREDENTIALS + 1)), (Ok(()), Err(RejectionKind::TokenTooLarge)));
        assert_eq!(sized(",", 100), Err(RejectionKind::MalformedCredentials));
        assert_eq!(token(&[format!("Basic {}", "a".repeat(20_000)).as_bytes()]), Err(RejectionKind::UnsupportedScheme));
    }

    #[test]
    #[cfg_attr(miri, ignore = "half a million bytes, one by one")]
    fn the_alphabet_is_that_of_token68_byte_for_byte() {
        for byte in 0..=u8::MAX {
            let is_listed = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            for place in [0, 255, 256, 511] {
                let mut token = [b'a'; 512];
                token[place] = byte;
                assert_eq!(BearerToken::from_token68(&token).is_ok(), is_listed, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_token() {
        assert_eq!(format!("{:?}", BearerToken(b"secret")), "BearerToken(6 bytes)");
    }
}

//! The compact serialization of a JWS (RFC 7515 section 7.1), split and decoded.

use base64::DecodeError;

use super::base64url;
use super::bearer::{BearerToken, is_token68};
use super::claims_set::ClaimsSet;
use super::header::JoseHeader;
use crate::error::RejectionKind;
use crate::json::{self, ObjectFault};

/// The three segments of a compact serialization, decoded.
pub(crate) struct CompactJws<'h> {
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
    signing_input: &'h [u8],
}

impl<'h> CompactJws<'h> {
    /// Splits and decodes a token.
    pub(crate) fn decode(token: BearerToken<'h>) -> Result<Self, RejectionKind> {
        // Dots and base64url are token68, so a token that splits and decodes is one. A token that does not may be a
        // malformed request (400) instead of a malformed token (401).
        Self::split(token.as_bytes()).or_else(|fault| match fault {
            RejectionKind::MalformedCredentials => Err(fault),
            _ => token.token68().and(Err(fault)),
        })
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
        let decode = |segment: &[u8]| {
            base64url::decode(segment).map_err(|error| match error {
                // It makes the request malformed, whatever the other bytes are.
                DecodeError::InvalidByte(_, byte) if !is_token68(&[byte]) => RejectionKind::MalformedCredentials,
                _ => RejectionKind::MalformedToken,
            })
        };
        // The claims last: they are longer than both others, and each has the same fault.
        let (header, signature) = (decode(&token[..first])?, decode(&token[second + 1..])?);
        let claims = decode(&token[first + 1..second])?;
        Ok(Self { header, claims, signature, signing_input: &token[..second] })
    }

    /// The JOSE header, parsed and not checked.
    pub(crate) fn header(&self) -> Result<JoseHeader<'_>, ObjectFault> {
        json::object(&self.header)
    }

    /// The claims set, parsed and not checked.
    pub(crate) fn claims(&self) -> Result<ClaimsSet<'_>, ObjectFault> {
        json::object(&self.claims)
    }

    /// The ASCII of the first two segments with the dot between them (RFC 7515 section 5.2).
    pub(crate) fn signing_input(&self) -> &'h [u8] {
        self.signing_input
    }

    /// The signature, decoded.
    pub(crate) fn signature(&self) -> &Vec<u8> {
        &self.signature
    }

    /// The payload, decoded, whatever it is: public test vectors sign texts that are no claims.
    #[cfg(test)]
    pub(crate) fn payload(&self) -> &[u8] {
        &self.claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_outside_of_token68_makes_credentials_malformed_and_no_other_byte_does() {
        const TOKEN: &[u8] = b"AAAAAAAA.BBBBBBBB.CCCCCCCC";
        for byte in (0..=u8::MAX).filter(|byte| *byte != b'.') {
            for place in [0, 7, 9, 16, 18, 25] {
                let mut token = TOKEN.to_vec();
                token[place] = byte;
                let is_base64url = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                let expected = match () {
                    () if is_base64url => None,
                    () if b"~+/=".contains(&byte) => Some(RejectionKind::MalformedToken),
                    () => Some(RejectionKind::MalformedCredentials),
                };
                let found = BearerToken::from_credentials(&[b"Bearer ", &token[..]].concat())
                    .and_then(|token| CompactJws::decode(token).map(drop))
                    .err();
                // A space before the token belongs to the scheme.
                if (byte, place) != (b' ', 0) {
                    assert_eq!(found, expected, "{byte} at {place}");
                }
            }
        }
    }
}

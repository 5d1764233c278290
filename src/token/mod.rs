//! The text of a token: from the header line to parsed claims, without a policy (RFC 6750, 7515, 7519).

mod base64url;
pub(crate) mod bearer;
pub(crate) mod claims_set;
pub(crate) mod compact;
pub(crate) mod header;
#[cfg(test)]
mod tests;
pub(crate) mod times;
pub(crate) mod version;

use claims_set::ClaimsSet;
use compact::CompactJws;

use crate::error::{CheckName, Rejection, RejectionKind};
use crate::ids::KeyId;
use crate::json::ObjectFault;

/// A token whose form and header are accepted and whose claims are parsed. Nothing in it is trusted yet.
#[derive(Debug)]
pub(crate) struct UnverifiedToken<'t> {
    pub(crate) key_id: KeyId,
    /// Whether the header has a `nonce`, as tokens for Microsoft Graph do.
    pub(crate) has_nonce: bool,
    pub(crate) claims: ClaimsSet<'t>,
    /// The ASCII of the first two segments with the dot between them, which the signature covers.
    pub(crate) signing_input: &'t [u8],
    pub(crate) signature: &'t Vec<u8>,
}

impl<'t> UnverifiedToken<'t> {
    /// Checks the header, then the claims set. So the header alone decides about a token that it makes unusable, and nothing
    /// else of it is parsed.
    pub(crate) fn parse(jws: &'t CompactJws<'_>) -> Result<Self, Rejection> {
        let header = jws.header().map_err(|fault| match fault {
            ObjectFault::NotAnObject => RejectionKind::MalformedToken,
            ObjectFault::Duplicate => RejectionKind::DuplicateMember,
            ObjectFault::WrongType => RejectionKind::MalformedHeader,
        })?;
        header.check()?;
        let key_id = header.key_id()?;
        let claims = jws.claims().map_err(|fault| match fault {
            ObjectFault::NotAnObject => Rejection::at(CheckName::ClaimTypes, RejectionKind::MalformedToken),
            ObjectFault::Duplicate => Rejection::at(CheckName::ClaimTypes, RejectionKind::DuplicateMember),
            ObjectFault::WrongType => RejectionKind::MalformedClaims.into(),
        })?;
        Ok(Self {
            key_id,
            has_nonce: header.has_nonce,
            claims,
            signing_input: jws.signing_input(),
            signature: jws.signature(),
        })
    }
}

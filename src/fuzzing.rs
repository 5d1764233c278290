//! Doors for fuzz targets, compiled only under `cfg(fuzzing)`. No stable interface.

use http::HeaderMap;

use crate::RejectionKind;
use crate::bearer::BearerToken;
use crate::token::{Segments, UnverifiedToken};

/// The token that a request's headers carry.
///
/// # Errors
///
/// Why they carry none.
pub fn bearer_token(headers: &HeaderMap) -> Result<Vec<u8>, RejectionKind> {
    BearerToken::from_headers(headers).and_then(BearerToken::token68).map(|token| token.as_bytes().to_vec())
}

/// Parses a token as far as that goes without a policy. Returns its `kid`.
///
/// # Errors
///
/// Why it is not well-formed.
pub fn unverified_token(token: &[u8]) -> Result<String, RejectionKind> {
    let segments = Segments::decode(BearerToken::from_token68(token)?)?;
    UnverifiedToken::parse(&segments).map(|token| token.key_id.as_str().to_owned())
}

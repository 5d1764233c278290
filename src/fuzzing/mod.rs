//! Single steps of the check, for the fuzz targets and for the tests that replay their seeds. Compiled under
//! `cfg(fuzzing)` and `cfg(test)` only, so no build of a user reaches them. No stable interface.
//!
//! None of them makes a [`Claims`](crate::Claims). Each says whether its step rejects a token.

// One of the targets is a discovery document, which only the feature reads.
#[cfg(all(test, feature = "remote"))]
mod replay;

use http::HeaderMap;

use crate::clock::UnixTime;
#[cfg(feature = "remote")]
use crate::cloud::Cloud;
#[cfg(feature = "remote")]
use crate::error::KeyError;
use crate::error::RejectionKind;
#[cfg(feature = "remote")]
use crate::ids::TenantId;
#[cfg(feature = "remote")]
use crate::keys::remote::discovery::Discovery;
use crate::policy::Policy;
use crate::token::UnverifiedToken;
use crate::token::bearer::BearerToken;
use crate::token::compact::CompactJws;

/// The token that a request's headers carry.
///
/// # Errors
///
/// Why they carry none.
pub fn bearer_token(headers: &HeaderMap) -> Result<Vec<u8>, RejectionKind> {
    BearerToken::from_headers(headers).and_then(BearerToken::token68).map(|token| token.as_bytes().to_vec())
}

/// Parses a token, without a policy. Returns its `kid`.
///
/// # Errors
///
/// Why it is not well-formed.
pub fn unverified_token(token: &[u8]) -> Result<String, RejectionKind> {
    let jws = CompactJws::decode(BearerToken::from_token68(token)?)?;
    let token = UnverifiedToken::parse(&jws).map_err(|rejection| rejection.kind())?;
    Ok(token.key_id.as_str().to_owned())
}

/// Checks the claims of a token: everything but key and signature.
///
/// # Errors
///
/// Why it rejects them.
pub fn claims(policy: &Policy, token: &[u8], now: Option<UnixTime>) -> Result<(), RejectionKind> {
    let jws = CompactJws::decode(BearerToken::from_token68(token)?)?;
    let token = UnverifiedToken::parse(&jws).map_err(|rejection| rejection.kind())?;
    policy.check_unverified(token, now).map_err(|rejection| rejection.kind())
}

/// The `jwks_uri` and the `cloud_instance_name` of a discovery document that cloud and tenant accept.
///
/// # Errors
///
/// Why they reject it.
#[cfg(feature = "remote")]
pub fn discovery(document: &[u8], cloud: &Cloud, tenant: &TenantId) -> Result<(String, Option<String>), KeyError> {
    Discovery::from_json(document, cloud, tenant).map(|found| (found.jwks_uri.into(), found.cloud_instance_name))
}

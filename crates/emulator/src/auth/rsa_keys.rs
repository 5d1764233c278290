//! RS256 (RFC 7518 section 3.3) with the keys of a JWK set (RFC 7517).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Rejection;
use super::jwt::Jwt;

/// Checks a token's signature with the key of a set that its `kid` names.
pub(crate) fn verify_rs256(jwt: &Jwt, key_set: &str) -> Result<(), Rejection> {
    if jwt.algorithm() != Some("RS256") {
        return Err(Rejection::unauthorized("the token's `alg` is not RS256"));
    }
    let key_id = jwt.key_id().ok_or_else(|| Rejection::unauthorized("the token has no `kid`"))?;
    let (modulus, exponent) =
        find(key_set, key_id).ok_or_else(|| Rejection::unauthorized("the token's `kid` names no key of Entra"))?;
    RsaPublicKeyComponents { n: modulus, e: exponent }
        .verify(&RSA_PKCS1_2048_8192_SHA256, jwt.signing_input.as_bytes(), &jwt.signature)
        .map_err(|_| Rejection::unauthorized("the token's signature is wrong"))
}

fn find(key_set: &str, key_id: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let set: Value = serde_json::from_str(key_set).ok()?;
    let key = set.get("keys")?.as_array()?.iter().find(|key| key.get("kid").is_some_and(|id| id == key_id))?;
    let member = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    Some((member("n")?, member("e")?))
}

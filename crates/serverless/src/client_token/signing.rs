//! HS256 (RFC 7518 section 3.2) over a compact JWS (RFC 7515 section 7.1).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

/// A key with the encoded JOSE header of everything it signs.
#[derive(Clone)]
pub(crate) struct SigningKey {
    hmac: Arc<hmac::Key>,
    /// In base64url, with the period that follows.
    header: String,
}

impl SigningKey {
    /// With `kid` for a temporary key; an access key of the resource has none.
    pub(crate) fn new(hmac: Arc<hmac::Key>, kid: Option<&str>) -> Self {
        let header = match kid {
            Some(kid) => serde_json::json!({ "alg": "HS256", "kid": kid, "typ": "JWT" }),
            None => serde_json::json!({ "alg": "HS256", "typ": "JWT" }),
        };
        let mut header = URL_SAFE_NO_PAD.encode(header.to_string());
        header.push('.');
        Self { hmac, header }
    }

    /// The signed token. `None` if the claims set does not serialize.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Option<Zeroizing<String>> {
        let mut json = Vec::with_capacity(CLAIMS_USUAL);
        serde_json::to_writer(&mut json, claims).ok()?;
        // All at once: a token that grows leaves copies behind.
        let input = self.header.len() + base64::encoded_len(json.len(), false)?;
        let mut token = Zeroizing::new(String::with_capacity(input + 1 + SIGNATURE_CHARS));
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(&json, &mut token);
        let signature = hmac::sign(&self.hmac, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Some(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// More than the claims sets of most apps take, in bytes.
const CLAIMS_USUAL: usize = 512;

/// 32 bytes in base64url.
const SIGNATURE_CHARS: usize = 43;

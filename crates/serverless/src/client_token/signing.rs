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
    /// Has taken in the key and the header, which are the same for each token.
    hmac: Arc<hmac::Context>,
    /// In base64url, with the period that follows.
    header: String,
}

impl SigningKey {
    /// With `kid` for a temporary key; an access key of the resource has none.
    pub(crate) fn new(key: &hmac::Key, kid: Option<&str>) -> Self {
        let header = match kid {
            Some(kid) => serde_json::json!({ "alg": "HS256", "kid": kid, "typ": "JWT" }),
            None => serde_json::json!({ "alg": "HS256", "typ": "JWT" }),
        };
        let mut header = URL_SAFE_NO_PAD.encode(header.to_string());
        header.push('.');
        let mut hmac = hmac::Context::with_key(key);
        hmac.update(header.as_bytes());
        Self { hmac: Arc::new(hmac), header }
    }

    /// The token with these claims. `None` if the claims set does not serialize.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Option<Zeroizing<String>> {
        self.sign_json(&serde_json::to_vec(claims).ok()?)
    }

    /// The same for a claims set that is JSON already. `None` if it is longer than memory.
    pub(crate) fn sign_json(&self, claims: &[u8]) -> Option<Zeroizing<String>> {
        let input = self.header.len() + base64::encoded_len(claims.len(), false)?;
        // All at once: a token that grows leaves copies behind. Encoded in place, since the encoders for strings fill a
        // kilobyte of their own first.
        let mut token = Zeroizing::new(vec![0; input + 1 + SIGNATURE_CHARS]);
        let (signing_input, end) = token.split_at_mut_checked(input)?;
        let (header, payload) = signing_input.split_at_mut_checked(self.header.len())?;
        header.copy_from_slice(self.header.as_bytes());
        URL_SAFE_NO_PAD.encode_slice(claims, &mut *payload).ok()?;
        let mut hmac = hmac::Context::clone(&self.hmac);
        hmac.update(payload);
        let (period, end) = end.split_first_mut()?;
        *period = b'.';
        URL_SAFE_NO_PAD.encode_slice(hmac.sign(), end).ok()?;
        String::from_utf8(std::mem::take(&mut *token)).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// 32 bytes in base64url.
const SIGNATURE_CHARS: usize = 43;

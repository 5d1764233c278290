//! Client tokens: what a client shows to the service when it connects.

mod claims;
mod options;
mod signing;

pub(crate) use claims::{Audience, Claims, Validity};
pub use options::NegotiateOptions;
pub(crate) use signing::SigningKey;

use crate::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// The longest token that the service accepts, in characters.
///
/// Source: [Troubleshooting guide](https://learn.microsoft.com/azure/azure-signalr/signalr-howto-troubleshoot-guide),
/// "Access token length".
pub const TOKEN_LENGTH_MAX: usize = 4096;

/// A signed client token.
pub(crate) fn mint(key: &SigningKey, claims: &Claims<'_>) -> Result<Zeroizing<String>> {
    let mut json = Vec::with_capacity(CLAIMS_USUAL);
    let written = claims.write(&mut json).ok();
    let token = written
        .and_then(|()| key.sign_json(&json))
        .ok_or_else(|| Error::new(ErrorKind::InvalidOptions, "the claims are not JSON"))?;
    if token.len() > TOKEN_LENGTH_MAX {
        return Err(too_long(token.len()));
    }
    Ok(token)
}

/// The service does not accept a token of this length.
pub(crate) fn too_long(length: usize) -> Error {
    Error::new(
        ErrorKind::TokenTooLong,
        format!(
            "the client token has {length} characters, more than the {TOKEN_LENGTH_MAX} that the service accepts; pass fewer or shorter claims"
        ),
    )
}

/// More than the claims sets of most apps take, in bytes.
const CLAIMS_USUAL: usize = 512;

#[cfg(test)]
mod tests;

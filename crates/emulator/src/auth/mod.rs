//! Who may do what: tokens of Entra, access keys, roles.
//!
//! Nothing here is shared with the libraries that are tested against the emulator.

mod access_keys;
mod entra_token;
mod jwt;
mod roles;
mod rsa_keys;

pub use access_keys::AccessKeys;
pub(crate) use access_keys::{KeyKind, TemporaryKey, new_resource_keys};
pub(crate) use entra_token::{EntraCheck, check_entra_token};
pub(crate) use jwt::{Jwt, sign_hs256};
pub use roles::{DataAction, Role, Roles};
pub(crate) use rsa_keys::verify_rs256;

/// Who asked.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Caller {
    /// A service principal with a token of Entra.
    #[non_exhaustive]
    Entra {
        /// Its object id (`oid`), in lower case.
        object_id: String,
        /// The client id that it used (`appid` or `azp`), empty if the token has none.
        client_id: String,
    },
    /// Whoever holds an access key of the resource.
    AccessKey,
    /// Whoever holds a temporary access key.
    #[non_exhaustive]
    TemporaryKey {
        /// The key's id.
        key_id: String,
    },
}

/// Why a request is rejected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Rejection {
    /// 401: the token proves nothing.
    #[error("{0}")]
    Unauthorized(String),
    /// 403: whoever asks may not do it.
    #[error("{0}")]
    Forbidden(String),
}

impl Rejection {
    pub(crate) fn unauthorized(reason: impl Into<String>) -> Self {
        Self::Unauthorized(reason.into())
    }
}

//! What the inner service gets of an accepted request's credentials.

use http::Request;
use http::header::AUTHORIZATION;

use crate::policy::claims::Claims;

/// What becomes of the `Authorization` header of an accepted request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Authorization {
    /// It stays, marked sensitive, so that it is not printed and enters no compression table.
    #[default]
    Keep,
    Strip,
}

impl Authorization {
    /// Puts the claims into the extensions and treats the header.
    pub(super) fn pass_on<B>(self, request: &mut Request<B>, claims: Claims) {
        match self {
            Self::Keep => {
                if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
                    value.set_sensitive(true);
                }
            }
            Self::Strip => drop(request.headers_mut().remove(AUTHORIZATION)),
        }
        request.extensions_mut().insert(claims);
    }
}

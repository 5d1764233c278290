//! What the inner service gets of an accepted request's credentials.

use http::Request;
use http::header::AUTHORIZATION;

use crate::policy::claims::Claims;

/// What becomes of the `Authorization` header of an accepted request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Authorization {
    /// It stays, marked sensitive by the check.
    #[default]
    Keep,
    Strip,
}

impl Authorization {
    /// Puts the claims into the extensions and takes the header off if it shall not stay.
    pub(super) fn pass_on<B>(self, request: &mut Request<B>, claims: Claims) {
        match self {
            Self::Keep => {}
            Self::Strip => drop(request.headers_mut().remove(AUTHORIZATION)),
        }
        request.extensions_mut().insert(claims);
    }
}

//! What a token has gone through, as types: [`UnverifiedToken`] becomes [`CheckedToken`] becomes
//! [`VerifiedToken`] becomes [`Claims`](crate::Claims). A step cannot be left out, since each takes what
//! only the step before can make.

use crate::claims::TokenVersion;
use crate::error::RejectionKind;
use crate::ids::{KeyId, TenantId};
use crate::signature::key::VerificationKey;
use crate::token::times::Validity;
use crate::token::{ClaimsSet, UnverifiedToken};

/// A token whose claims would do if they were true. Who sent it is still open.
#[derive(Debug)]
pub(crate) struct CheckedToken<'t> {
    token: UnverifiedToken<'t>,
    facts: CheckedClaims,
}

/// What a plausible token has told of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedClaims {
    pub(crate) tenant: TenantId,
    pub(crate) version: TokenVersion,
    pub(crate) validity: Validity,
}

impl<'t> CheckedToken<'t> {
    /// States that the claims are checked. Called by `Policy::check_claims` alone.
    pub(crate) fn assertion(token: UnverifiedToken<'t>, facts: CheckedClaims) -> Self {
        Self { token, facts }
    }

    pub(crate) fn checked_claims(&self) -> CheckedClaims {
        self.facts
    }

    pub(crate) fn key_id(&self) -> &KeyId {
        &self.token.key_id
    }

    #[cfg(any(fuzzing, test))]
    pub(crate) fn claims(&self) -> &ClaimsSet<'t> {
        &self.token.claims
    }

    /// Checks the signature with a key that may sign for this token's tenant.
    pub(crate) fn verify(self, key: TrustedKey<'_>) -> Result<VerifiedToken<'t>, RejectionKind> {
        if key.0.rs256().verifies(self.token.signed, self.token.signature) {
            Ok(VerifiedToken(self))
        } else if self.token.has_nonce {
            Err(RejectionKind::GraphToken)
        } else {
            Err(RejectionKind::InvalidSignature)
        }
    }
}

/// The key that a token names, found fit to sign for its tenant.
#[derive(Debug)]
pub(crate) struct TrustedKey<'k>(&'k VerificationKey);

impl<'k> TrustedKey<'k> {
    /// States that the key fits. Called by `Policy::check_key` alone.
    pub(crate) fn assertion(key: &'k VerificationKey) -> Self {
        Self(key)
    }
}

/// A token that its issuer signed: what it says is true. Whether its caller is wanted is still open.
#[derive(Debug)]
pub(crate) struct VerifiedToken<'t>(CheckedToken<'t>);

impl<'t> VerifiedToken<'t> {
    pub(crate) fn checked_claims(&self) -> CheckedClaims {
        self.0.facts
    }

    pub(crate) fn claims(&self) -> &ClaimsSet<'t> {
        &self.0.token.claims
    }
}

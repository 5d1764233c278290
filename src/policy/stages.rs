//! What a token has gone through, as types: [`UnverifiedToken`] becomes [`PlausibleToken`] becomes
//! [`SignedToken`] becomes [`Claims`](crate::Claims). A step cannot be left out, since each takes what
//! only the step before can make.

use crate::claims::TokenVersion;
use crate::error::RejectionKind;
use crate::ids::{KeyId, TenantId};
use crate::signature::key::VerificationKey;
use crate::token::times::Validity;
use crate::token::{UnverifiedClaims, UnverifiedToken};

/// A token whose claims would do if they were true. Who sent it is still open.
#[derive(Debug)]
pub(crate) struct PlausibleToken<'t> {
    token: UnverifiedToken<'t>,
    facts: Facts,
}

/// What a plausible token has told of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) tenant: TenantId,
    pub(crate) version: TokenVersion,
    pub(crate) validity: Validity,
}

impl<'t> PlausibleToken<'t> {
    /// States that the claims are plausible. Called by `Policy::plausible` alone.
    pub(crate) fn assertion(token: UnverifiedToken<'t>, facts: Facts) -> Self {
        Self { token, facts }
    }

    pub(crate) fn facts(&self) -> Facts {
        self.facts
    }

    pub(crate) fn key_id(&self) -> &KeyId {
        &self.token.key_id
    }

    #[cfg(any(fuzzing, feature = "test-util"))]
    pub(crate) fn claims(&self) -> &UnverifiedClaims<'t> {
        &self.token.claims
    }

    /// Checks the signature with a key that may sign for this token's tenant.
    pub(crate) fn verify(self, key: FittingKey<'_>) -> Result<SignedToken<'t>, RejectionKind> {
        if key.0.rs256().verifies(self.token.signed, self.token.signature) {
            Ok(SignedToken(self))
        } else if self.token.has_nonce {
            Err(RejectionKind::GraphToken)
        } else {
            Err(RejectionKind::InvalidSignature)
        }
    }
}

/// The key that a token names, found fit to sign for its tenant.
#[derive(Debug)]
pub(crate) struct FittingKey<'k>(&'k VerificationKey);

impl<'k> FittingKey<'k> {
    /// States that the key fits. Called by `Policy::fit` alone.
    pub(crate) fn assertion(key: &'k VerificationKey) -> Self {
        Self(key)
    }
}

/// A token that its issuer signed: what it says is true. Whether its caller is wanted is still open.
#[derive(Debug)]
pub(crate) struct SignedToken<'t>(PlausibleToken<'t>);

impl<'t> SignedToken<'t> {
    pub(crate) fn facts(&self) -> Facts {
        self.0.facts
    }

    pub(crate) fn claims(&self) -> &UnverifiedClaims<'t> {
        &self.0.token.claims
    }
}

//! The states of a token, as types: parsed ([`UnverifiedToken`]), checked, trusted, verified, authorized.
//!
//! Each state is made of the one before, and only the policy can make it: the constructors are private to this room.
//! So no check can be skipped, and no key check counts for another token than its own.

use super::claims::Claims;
use crate::clock::UnixTime;
use crate::error::{CheckName, Rejection, RejectionKind};
use crate::ids::{KeyId, TenantId};
use crate::signature::key::VerificationKey;
use crate::token::UnverifiedToken;
use crate::token::claims_set::ClaimsSet;
use crate::token::times::Validity;
use crate::token::version::TokenVersion;

/// A token whose claims pass every check that needs no signature. They are still untrusted.
#[derive(Debug)]
pub(crate) struct CheckedToken<'t> {
    token: UnverifiedToken<'t>,
    tenant: TenantId,
    version: TokenVersion,
    validity: Validity,
    at: UnixTime,
}

impl<'t> CheckedToken<'t> {
    pub(super) fn new(
        token: UnverifiedToken<'t>,
        tenant: TenantId,
        version: TokenVersion,
        validity: Validity,
        at: UnixTime,
    ) -> Self {
        Self { token, tenant, version, validity, at }
    }

    /// The time by which its times were checked.
    pub(crate) fn at(&self) -> UnixTime {
        self.at
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(crate) fn key_id(&self) -> &KeyId {
        &self.token.key_id
    }

    pub(super) fn version(&self) -> TokenVersion {
        self.version
    }

    pub(super) fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn claims(&self) -> &ClaimsSet<'t> {
        &self.token.claims
    }
}

/// A checked token with the key it names, which may sign for its tenant.
#[derive(Debug)]
pub(crate) struct TrustedToken<'t> {
    token: CheckedToken<'t>,
    key: VerificationKey,
}

impl<'t> TrustedToken<'t> {
    pub(super) fn new(token: CheckedToken<'t>, key: VerificationKey) -> Self {
        Self { token, key }
    }

    /// Verifies the signature.
    pub(crate) fn verify(self) -> Result<VerifiedToken<'t>, Rejection> {
        let token = &self.token.token;
        if self.key.rs256().verifies(token.signing_input, token.signature) {
            Ok(VerifiedToken(self))
        } else if token.has_nonce {
            Err(Rejection::at(CheckName::Signature, RejectionKind::GraphToken))
        } else {
            Err(RejectionKind::InvalidSignature.into())
        }
    }
}

/// A token that its issuer signed, so its claims are trusted. Whether its caller is allowed is still open.
#[derive(Debug)]
pub(crate) struct VerifiedToken<'t>(TrustedToken<'t>);

impl<'t> VerifiedToken<'t> {
    pub(super) fn checked(&self) -> &CheckedToken<'t> {
        &self.0.token
    }

    pub(super) fn authorize(self, claims: Claims) -> AuthorizedToken {
        let TrustedToken { token: CheckedToken { token, validity, .. }, key } = self.0;
        // One text for both, so that a comparison is one of pointers.
        let key_id = if token.key_id == *key.id() { key.id().clone() } else { token.key_id };
        AuthorizedToken { claims, key_id, key, validity }
    }
}

/// An accepted token: its claims, and what a later request with the same token has to check again.
#[derive(Debug)]
pub(crate) struct AuthorizedToken {
    claims: Claims,
    key_id: KeyId,
    key: VerificationKey,
    validity: Validity,
}

impl AuthorizedToken {
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(crate) fn into_claims(self) -> Claims {
        self.claims
    }

    /// The `kid` of the token. A key source may list the same key under another `kid`, too.
    pub(crate) fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    pub(crate) fn key(&self) -> &VerificationKey {
        &self.key
    }

    pub(crate) fn validity(&self) -> &Validity {
        &self.validity
    }

    #[cfg(test)]
    pub(crate) fn sample(claims: Claims, key: VerificationKey, validity: Validity) -> Self {
        Self { claims, key_id: key.id().clone(), key, validity }
    }
}

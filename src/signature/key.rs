//! One key that may verify tokens.

use std::fmt;
use std::sync::Arc;

use crate::ids::KeyId;
use crate::signature::rs256::Rs256Key;

/// A public RSA key of an issuer, fit to verify RS256. Cheap to clone.
///
/// It comes out of a [`KeySet`](crate::keys::KeySet), which classifies each entry as usable or unusable.
#[derive(Clone)]
pub struct VerificationKey(Arc<KeyParts>);

/// The members of a usable key.
pub(crate) struct KeyParts {
    pub(crate) id: KeyId,
    pub(crate) modulus: Vec<u8>,
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) cloud_instance_name: Option<Box<str>>,
    pub(crate) document_cloud: Option<Box<str>>,
    pub(crate) rs256: Rs256Key,
}

impl VerificationKey {
    pub(crate) fn new(parts: KeyParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The `kid`.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.0.id
    }

    /// The size of the modulus in bits: 2048, 3072 or 4096.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.0.modulus.len() * 8
    }

    /// The key's own `issuer`, an Entra extension of RFC 7517. It may hold the placeholder `{tenantid}`.
    /// Absent and blank are the same.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// The key's own `cloud_instance_name`, an Entra extension of RFC 7517. Absent and blank are the same.
    #[must_use]
    pub fn cloud_instance_name(&self) -> Option<&str> {
        self.0.cloud_instance_name.as_deref()
    }

    /// The `cloud_instance_name` of the discovery document that led to this key.
    pub(crate) fn document_cloud(&self) -> Option<&str> {
        self.0.document_cloud.as_deref()
    }

    pub(crate) fn rs256(&self) -> &Rs256Key {
        &self.0.rs256
    }

    pub(crate) fn modulus(&self) -> &[u8] {
        &self.0.modulus
    }

    /// Whether this is the other's clone.
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn same_modulus(&self, other: &Self) -> bool {
        self.0.modulus == other.0.modulus
    }
}

/// Equal keys have the same `kid`, modulus, issuer and cloud, so that every check decides alike with either.
impl PartialEq for VerificationKey {
    fn eq(&self, other: &Self) -> bool {
        // The exponent is the same for all.
        self.is_clone_of(other)
            || (self.0.id == other.0.id
                && self.same_modulus(other)
                && self.0.issuer == other.0.issuer
                && self.0.cloud_instance_name == other.0.cloud_instance_name
                && self.0.document_cloud == other.0.document_cloud)
    }
}

impl Eq for VerificationKey {}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("id", self.id()).field("bits", &self.bits()).finish_non_exhaustive()
    }
}

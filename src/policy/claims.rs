//! What an accepted token says of its caller.

use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::clock::UnixTime;
use crate::ids::{ClientId, ObjectId, TenantId};
use crate::token::version::TokenVersion;

/// The proof that a request carried an accepted token, and what that token said.
///
/// The only way to get one is through the whole check. The layer puts it into the extensions of the
/// request. Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Claims(Arc<CachePadded<Arc<Parts>>>);

/// What [`Claims`] is made of.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Parts {
    pub(crate) tenant: TenantId,
    pub(crate) object_id: ObjectId,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) audience: String,
    pub(crate) version: TokenVersion,
    pub(crate) roles: Vec<String>,
    pub(crate) expires_at: UnixTime,
    pub(crate) token_id: Option<String>,
}

impl Claims {
    /// The claims of an authorized token. Called by [`Policy::authorize`](crate::Policy) alone.
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(CachePadded::new(Arc::new(parts))))
    }

    /// The same claims with a reference count of their own, on a cache line of its own: threads that clone the one do
    /// not wait for threads that clone the other.
    pub(crate) fn with_own_refcount(&self) -> Self {
        Self(Arc::new(CachePadded::new(Arc::clone(&self.0))))
    }

    fn parts(&self) -> &Parts {
        &self.0
    }

    /// The tenant that issued the token (`tid`).
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.parts().tenant
    }

    /// The object id of the caller's service principal (`oid`).
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        self.parts().object_id
    }

    /// The client id of the caller: `appid` of a v1 token, `azp` of a v2 one. `None` if the token has
    /// none, or one that is no GUID.
    #[must_use]
    pub fn client_id(&self) -> Option<ClientId> {
        self.parts().client_id
    }

    /// The audience as the token spells it (`aud`).
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.parts().audience
    }

    /// The version of the token (`ver`), which the audience's app registration decides.
    #[must_use]
    pub fn version(&self) -> TokenVersion {
        self.parts().version
    }

    /// The app roles of the caller (`roles`); a managed identity usually has none.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.parts().roles
    }

    /// When the token ends (`exp`), without any clock skew.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.parts().expires_at
    }

    /// The identifier of the token (`uti`), to find it in Entra's sign-in logs. The same token comes with
    /// thousands of requests, so it is no nonce.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.parts().token_id.as_deref()
    }

    /// The bytes that the claims take on the heap, without the blocks that count their references.
    pub(crate) fn weight(&self) -> usize {
        // Destructured, so that a new field cannot be left out.
        let Parts { audience, roles, token_id, tenant: _, object_id: _, client_id: _, version: _, expires_at: _ } =
            self.parts();
        let roles: usize = roles.iter().map(|role| size_of::<String>() + role.len()).sum();
        size_of::<Parts>() + audience.len() + token_id.as_ref().map_or(0, String::len) + roles
    }

    /// The bytes that one reference count takes on the heap: the block of [`with_own_refcount`](Self::with_own_refcount).
    pub(crate) const REFCOUNT_BYTES: usize = 2 * size_of::<CachePadded<Arc<Parts>>>();
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("tenant_id", &self.parts().tenant)
            .field("object_id", &self.parts().object_id)
            .field("client_id", &self.parts().client_id)
            .field("audience", &self.parts().audience)
            .field("version", &self.parts().version)
            .field("roles", &self.parts().roles)
            .field("expires_at", &self.parts().expires_at)
            .field("token_id", &self.parts().token_id)
            .finish()
    }
}

#[cfg(test)]
impl Claims {
    /// Claims for tests of the cache, told apart by their audience.
    pub(crate) fn sample(audience: &str) -> Self {
        let id = "11111111-aaaa-4bbb-8ccc-222222222222";
        Self::new(Parts {
            tenant: id.parse().unwrap(),
            object_id: id.parse().unwrap(),
            client_id: None,
            audience: audience.to_owned(),
            version: TokenVersion::V1,
            roles: Vec::new(),
            expires_at: UnixTime::from_secs(1),
            token_id: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            tenant: "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap(),
            object_id: "33333333-aaaa-4bbb-8ccc-222222222222".parse().unwrap(),
            client_id: Some("44444444-aaaa-4bbb-8ccc-222222222222".parse().unwrap()),
            audience: "api://a".to_owned(),
            version: TokenVersion::V2,
            roles: vec!["one".to_owned(), "three".to_owned()],
            expires_at: UnixTime::from_secs(7),
            token_id: Some("uti".to_owned()),
        }
    }

    #[test]
    fn claims_return_what_they_were_made_of() {
        let claims = Claims::new(parts());
        assert_eq!(claims.tenant_id(), parts().tenant);
        assert_eq!(claims.object_id(), parts().object_id);
        assert_eq!(claims.client_id(), parts().client_id);
        assert_eq!(claims.audience(), "api://a");
        assert_eq!(claims.version(), TokenVersion::V2);
        assert_eq!(claims.roles(), ["one", "three"]);
        assert_eq!(claims.expires_at(), UnixTime::from_secs(7));
        assert_eq!(claims.token_id(), Some("uti"));
        let text = format!("{claims:?}");
        assert!(
            ["33333333", "44444444", "api://a", "V2", "three", "uti"].iter().all(|part| text.contains(part)),
            "{text}"
        );
    }

    #[test]
    fn weight_is_that_of_the_struct_and_of_all_its_texts() {
        let weight = size_of::<Parts>() + "api://a".len() + "uti".len() + 2 * size_of::<String>() + "onethree".len();
        assert_eq!(Claims::new(parts()).weight(), weight);
        let bare = Parts { roles: Vec::new(), token_id: None, ..parts() };
        assert_eq!(Claims::new(bare).weight(), size_of::<Parts>() + "api://a".len());
    }

    #[test]
    fn claims_with_their_own_refcount_are_the_same_claims() {
        let claims = Claims::new(parts());
        let other = claims.with_own_refcount();
        assert_eq!(other, claims);
        assert!(!Arc::ptr_eq(&other.0, &claims.0), "one reference count");
        let parts_of = |claims: &Claims| Arc::as_ptr(&**claims.0);
        assert_eq!(parts_of(&other), parts_of(&claims));
        assert_ne!(Claims::new(Parts { expires_at: UnixTime::from_secs(8), ..parts() }), claims);
    }
}

//! The claims of an authorized token.

use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use serde::{Serialize, Serializer};

use crate::clock::UnixTime;
use crate::ids::{ClientId, ObjectId, TenantId};
use crate::token::version::TokenVersion;

/// The claims of an authorized token, and the proof that a request carried it.
///
/// Only the whole check makes this value, so there is no `Deserialize`. The layer puts it into the extensions of
/// the request. Cheap to clone.
///
/// `Serialize` writes an object with the names of the methods: `tenant_id`, `object_id`, `client_id` (or null),
/// `audience`, `version`, `roles`, `expires_at` (seconds since 1970) and `token_id` (or null).
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use signalr_upstream_auth::Claims;
///
/// /// A handler that takes calls of one role only, with or without a framework.
/// fn handle(request: &Request<Vec<u8>>) -> Response<()> {
///     let claims = request.extensions().get::<Claims>();
///     let may = claims.is_some_and(|claims| claims.roles().iter().any(|role| role == "Broadcast"));
///     let mut response = Response::new(());
///     *response.status_mut() = if may { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
///     response
/// }
/// # assert_eq!(handle(&Request::new(Vec::new())).status(), StatusCode::FORBIDDEN);
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Claims(Arc<CachePadded<Arc<ClaimValues>>>);

/// The value of each claim. What [`Claims`] prints and serializes derives from this list, and
/// [`Claims::weight`] names each field, so the compiler finds every place that a new claim needs.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct ClaimValues {
    pub(crate) tenant_id: TenantId,
    pub(crate) object_id: ObjectId,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) audience: String,
    pub(crate) version: TokenVersion,
    pub(crate) roles: Vec<String>,
    pub(crate) expires_at: UnixTime,
    pub(crate) token_id: Option<String>,
}

impl Claims {
    /// The claims of an authorized token. Only [`Policy::authorize`](crate::Policy) calls this.
    pub(super) fn new(values: ClaimValues) -> Self {
        Self(Arc::new(CachePadded::new(Arc::new(values))))
    }

    /// The same claims with a reference count of their own, on a cache line of its own: threads that clone the one do
    /// not wait for threads that clone the other.
    pub(crate) fn with_own_refcount(&self) -> Self {
        Self(Arc::new(CachePadded::new(Arc::clone(&self.0))))
    }

    fn values(&self) -> &ClaimValues {
        &self.0
    }

    /// The tenant that issued the token (`tid`).
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.values().tenant_id
    }

    /// The object id of the caller's service principal (`oid`).
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        self.values().object_id
    }

    /// The client id of the caller: `appid` of a v1 token, `azp` of a v2 one. `None` if the token has
    /// none, or one that is not a GUID.
    #[must_use]
    pub fn client_id(&self) -> Option<ClientId> {
        self.values().client_id
    }

    /// The audience exactly as in the token (`aud`).
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.values().audience
    }

    /// The version of the token (`ver`). The app registration of the audience determines it.
    #[must_use]
    pub fn version(&self) -> TokenVersion {
        self.values().version
    }

    /// The app roles of the caller (`roles`). A managed identity usually has none.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.values().roles
    }

    /// When the token expires (`exp`), without any clock skew.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.values().expires_at
    }

    /// The identifier of the token (`uti`), to find it in Entra's sign-in logs. It is not a nonce: thousands of
    /// requests carry the same token.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.values().token_id.as_deref()
    }

    /// The bytes that the claims take on the heap, without the blocks that count their references.
    pub(crate) fn weight(&self) -> usize {
        // Destructured, so that a new field cannot be left out.
        let ClaimValues {
            audience,
            roles,
            token_id,
            tenant_id: _,
            object_id: _,
            client_id: _,
            version: _,
            expires_at: _,
        } = self.values();
        let roles: usize = roles.iter().map(|role| size_of::<String>() + role.len()).sum();
        size_of::<ClaimValues>() + audience.len() + token_id.as_ref().map_or(0, String::len) + roles
    }

    /// The bytes that one reference count takes on the heap: the block of [`with_own_refcount`](Self::with_own_refcount).
    pub(crate) const REFCOUNT_BYTES: usize = 2 * size_of::<CachePadded<Arc<ClaimValues>>>();
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claims").field(self.values()).finish()
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values().serialize(serializer)
    }
}

#[cfg(test)]
impl Claims {
    /// Claims for tests of the cache, told apart by their audience.
    pub(crate) fn sample(audience: &str) -> Self {
        let id = "11111111-aaaa-4bbb-8ccc-222222222222";
        Self::new(ClaimValues {
            tenant_id: id.parse().unwrap(),
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

    /// What `Arc` allocates: its two counts before the value.
    #[test]
    fn own_refcount_weighs_what_it_takes_on_the_heap() {
        #[repr(C)]
        struct Block {
            counts: [usize; 2],
            value: CachePadded<Arc<ClaimValues>>,
        }
        assert_eq!(Claims::REFCOUNT_BYTES, size_of::<Block>());
    }

    fn values() -> ClaimValues {
        ClaimValues {
            tenant_id: "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap(),
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
        let claims = Claims::new(values());
        assert_eq!(claims.tenant_id(), values().tenant_id);
        assert_eq!(claims.object_id(), values().object_id);
        assert_eq!(claims.client_id(), values().client_id);
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
    fn serializes_every_claim_under_the_name_of_its_method() {
        let expected = serde_json::json!({
            "tenant_id": "11111111-aaaa-4bbb-8ccc-222222222222",
            "object_id": "33333333-aaaa-4bbb-8ccc-222222222222",
            "client_id": "44444444-aaaa-4bbb-8ccc-222222222222",
            "audience": "api://a",
            "version": "2.0",
            "roles": ["one", "three"],
            "expires_at": 7,
            "token_id": "uti",
        });
        assert_eq!(serde_json::to_value(Claims::new(values())).unwrap(), expected);
        let bare = ClaimValues { client_id: None, token_id: None, ..values() };
        let json = serde_json::to_value(Claims::new(bare)).unwrap();
        assert!(json["client_id"].is_null() && json["token_id"].is_null(), "{json}");
    }

    #[test]
    fn weight_is_that_of_the_struct_and_of_all_its_texts() {
        let weight =
            size_of::<ClaimValues>() + "api://a".len() + "uti".len() + 2 * size_of::<String>() + "onethree".len();
        assert_eq!(Claims::new(values()).weight(), weight);
        let bare = ClaimValues { roles: Vec::new(), token_id: None, ..values() };
        assert_eq!(Claims::new(bare).weight(), size_of::<ClaimValues>() + "api://a".len());
    }

    #[test]
    fn claims_with_their_own_refcount_are_the_same_claims() {
        let claims = Claims::new(values());
        let other = claims.with_own_refcount();
        assert_eq!(other, claims);
        assert!(!Arc::ptr_eq(&other.0, &claims.0), "one reference count");
        let values_of = |claims: &Claims| Arc::as_ptr(&**claims.0);
        assert_eq!(values_of(&other), values_of(&claims));
        assert_ne!(Claims::new(ClaimValues { expires_at: UnixTime::from_secs(8), ..values() }), claims);
    }
}

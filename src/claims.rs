//! The claims of an authorized token.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::clock::UnixTime;
use crate::ids::{ClientId, ObjectId, TenantId};

/// The claims of an authorized token, and the proof that a request carried it.
///
/// Only the whole check makes this value, so there is no `Deserialize`. The layer puts it into the extensions of
/// the request. Cheap to clone.
///
/// `Serialize` writes an object with the names of the methods: `tenant_id`, `object_id`, `client_id` (or null),
/// `audience`, `version`, `roles`, `expires_at` (seconds since 1970) and `token_id` (or null).
#[derive(Clone, Eq, PartialEq)]
pub struct Claims(Arc<Own>);

/// What the copies of one [`Claims`] count their references in: long enough that the counters of two of them never share
/// a line of the processor's cache.
#[derive(Eq, PartialEq)]
struct Own {
    values: Arc<ClaimValues>,
    _room: [u64; 14],
}

/// The value of each claim. What [`Claims`] prints and serializes derives from this list, and
/// [`Claims::weight`] names each field, so a claim that is added here is nowhere forgotten.
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
    /// States that every check has passed. Only [`Policy::authorize`](crate::Policy) calls it.
    pub(crate) fn assertion(values: ClaimValues) -> Self {
        Self::counted_apart(Arc::new(values))
    }

    /// The same claims, whose copies are counted by themselves: threads that copy the one do not wait for those that
    /// copy the other.
    pub(crate) fn apart(&self) -> Self {
        Self::counted_apart(Arc::clone(&self.0.values))
    }

    fn counted_apart(values: Arc<ClaimValues>) -> Self {
        Self(Arc::new(Own { values, _room: [0; 14] }))
    }

    fn values(&self) -> &ClaimValues {
        &self.0.values
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

    /// How many bytes this takes on the heap, roughly.
    pub(crate) fn weight(&self) -> usize {
        // Every field has a place here: its size is in the struct's, its heap is added below.
        let ClaimValues {
            tenant_id: _,
            object_id: _,
            client_id: _,
            audience,
            version: _,
            roles,
            expires_at: _,
            token_id,
        } = self.values();
        let roles: usize = roles.iter().map(|role| size_of::<String>() + role.len()).sum();
        let texts = audience.len() + token_id.as_ref().map_or(0, String::len);
        size_of::<Own>() + size_of::<ClaimValues>() + texts + roles
    }
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

/// The version of an Entra access token, its claim `ver`.
///
/// `Display` and `Serialize` write [`as_str`](Self::as_str).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a third version would need other checks")]
pub enum TokenVersion {
    /// `1.0`.
    V1,
    /// `2.0`.
    V2,
}

impl TokenVersion {
    /// Reads the claim `ver`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|version| version.as_str() == text)
    }

    /// The value of the claim: `1.0` or `2.0`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

impl fmt::Display for TokenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TokenVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn returns_and_prints_every_claim() {
        let claims = Claims::assertion(values());
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
        assert_eq!(serde_json::to_value(Claims::assertion(values())).unwrap(), expected);
        let bare = ClaimValues { client_id: None, token_id: None, ..values() };
        let json = serde_json::to_value(Claims::assertion(bare)).unwrap();
        assert!(json["client_id"].is_null() && json["token_id"].is_null(), "{json}");
    }

    #[test]
    fn weight_counts_the_struct_and_every_text() {
        let weight = size_of::<Own>()
            + size_of::<ClaimValues>()
            + "api://a".len()
            + "uti".len()
            + 2 * size_of::<String>()
            + "onethree".len();
        assert_eq!(Claims::assertion(values()).weight(), weight);
        let bare = ClaimValues { roles: Vec::new(), token_id: None, ..values() };
        assert_eq!(Claims::assertion(bare).weight(), size_of::<Own>() + size_of::<ClaimValues>() + "api://a".len());
    }

    #[test]
    fn claims_counted_apart_are_equal() {
        let claims = Claims::assertion(values());
        let apart = claims.apart();
        assert_eq!(apart, claims);
        assert!(!Arc::ptr_eq(&apart.0, &claims.0) && Arc::ptr_eq(&apart.0.values, &claims.0.values));
        assert!(size_of::<Own>() >= 2 * 56, "two counters are a line apart");
        assert_ne!(Claims::assertion(ClaimValues { expires_at: UnixTime::from_secs(8), ..values() }), claims);
    }

    #[test]
    fn versions_are_parsed_as_they_are_written() {
        for version in [TokenVersion::V1, TokenVersion::V2] {
            assert_eq!(TokenVersion::parse(version.as_str()), Some(version));
            assert_eq!(version.to_string(), version.as_str());
        }
        assert_eq!((TokenVersion::V1.as_str(), TokenVersion::V2.as_str()), ("1.0", "2.0"));
        assert_eq!(TokenVersion::parse("2"), None);
    }
}

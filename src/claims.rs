//! What an accepted token says of its caller.

use std::fmt;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::ids::{ClientId, ObjectId, TenantId};

/// The proof that a request carried an accepted token, and what that token said.
///
/// The only way to get one is through the whole check. The layer puts it into the extensions of the
/// request. Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Claims(Arc<Own>);

/// What the copies of one [`Claims`] count their references in: long enough that the counters of two of them never share
/// a line of the processor's cache.
#[derive(Eq, PartialEq)]
struct Own {
    parts: Arc<Parts>,
    _room: [u64; 14],
}

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
    /// States that every check has passed. Called by [`Policy::admit`](crate::Policy) alone.
    pub(crate) fn assertion(parts: Parts) -> Self {
        Self::counted_apart(Arc::new(parts))
    }

    /// The same claims, whose copies are counted by themselves: threads that copy the one do not wait for those that
    /// copy the other.
    pub(crate) fn apart(&self) -> Self {
        Self::counted_apart(Arc::clone(&self.0.parts))
    }

    fn counted_apart(parts: Arc<Parts>) -> Self {
        Self(Arc::new(Own { parts, _room: [0; 14] }))
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
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

    /// How many bytes this takes on the heap, roughly.
    pub(crate) fn weight(&self) -> usize {
        let texts = self.parts().audience.len() + self.parts().token_id.as_ref().map_or(0, String::len);
        size_of::<Own>()
            + size_of::<Parts>()
            + texts
            + self.parts().roles.iter().map(|role| size_of::<String>() + role.len()).sum::<usize>()
    }
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

/// The version of an Entra access token, its claim `ver`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a third version would be another check altogether")]
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

    /// The version as the claim spells it.
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
    fn claims_say_what_they_are_made_of() {
        let claims = Claims::assertion(parts());
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
    fn the_weight_is_that_of_the_struct_and_of_all_its_texts() {
        let weight = size_of::<Own>()
            + size_of::<Parts>()
            + "api://a".len()
            + "uti".len()
            + 2 * size_of::<String>()
            + "onethree".len();
        assert_eq!(Claims::assertion(parts()).weight(), weight);
        let bare = Parts { roles: Vec::new(), token_id: None, ..parts() };
        assert_eq!(Claims::assertion(bare).weight(), size_of::<Own>() + size_of::<Parts>() + "api://a".len());
    }

    #[test]
    fn claims_counted_apart_are_the_same_claims() {
        let claims = Claims::assertion(parts());
        let apart = claims.apart();
        assert_eq!(apart, claims);
        assert!(!Arc::ptr_eq(&apart.0, &claims.0) && Arc::ptr_eq(&apart.0.parts, &claims.0.parts));
        assert!(size_of::<Own>() >= 2 * 56, "two counters are a line apart");
        assert_ne!(Claims::assertion(Parts { expires_at: UnixTime::from_secs(8), ..parts() }), claims);
    }

    #[test]
    fn versions_are_read_as_they_are_written() {
        for version in [TokenVersion::V1, TokenVersion::V2] {
            assert_eq!(TokenVersion::parse(version.as_str()), Some(version));
            assert_eq!(version.to_string(), version.as_str());
        }
        assert_eq!((TokenVersion::V1.as_str(), TokenVersion::V2.as_str()), ("1.0", "2.0"));
        assert_eq!(TokenVersion::parse("2"), None);
    }
}

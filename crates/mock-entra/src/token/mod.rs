//! Tokens: what Entra issues, and every deviation from it.

mod content;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::keys::KeyId;
use signalr_upstream_auth::{ClientId, ObjectId, TenantId, TokenVersion};

use crate::authority::Authority;
use crate::members::Edit;
use crate::signing::SigningKey;

/// Builds a token. By default it is the one that Azure SignalR Service sends: a v1 access token of a managed identity for
/// the application `api://{audience client id}`, issued now, valid for 24 hours and 5 minutes.
///
/// Each method changes one thing, so that a case reads as its difference from an accepted token.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use mock_entra::MockEntra;
///
/// let entra = MockEntra::start().await;
/// let accepted = entra.token().v2().roles(["Upstream.Call"]).mint();
/// let for_signalr = entra.token().audience("https://signalr.azure.com").mint();
/// let of_a_user = entra.token().delegated().claim("scp", "Files.Read").mint();
/// let unsigned = entra.token().algorithm("none").mint();
/// let no_tenant = entra.token().without_claim("tid").mint();
/// let not_an_object = entra.token().raw_claims("[]").mint();
/// # }
/// ```
#[derive(Clone)]
#[must_use = "`mint` makes the token"]
pub struct TokenBuilder {
    authority: Authority,
    clock: Arc<dyn Clock>,
    key: SigningKey,
    parties: Parties,
    version: TokenVersion,
    audience: Option<String>,
    roles: Option<Vec<String>>,
    delegated: bool,
    graph: bool,
    issued_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    expires_at: Option<UnixTime>,
    algorithm: String,
    header: Segment,
    claims: Segment,
    signature: Option<Vec<u8>>,
}

/// The parties that a token names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties {
    pub(crate) tenant: TenantId,
    pub(crate) audience_client_id: ClientId,
    pub(crate) caller_object_id: ObjectId,
    pub(crate) caller_client_id: ClientId,
}

/// What differs from the usual content of a segment.
#[derive(Clone, Debug, Default)]
struct Segment {
    edits: Vec<Edit>,
    raw: Option<String>,
}

impl TokenBuilder {
    pub(crate) fn new(authority: Authority, clock: Arc<dyn Clock>, key: SigningKey, parties: Parties) -> Self {
        Self {
            authority,
            clock,
            key,
            parties,
            version: TokenVersion::V1,
            audience: None,
            roles: None,
            delegated: false,
            graph: false,
            issued_at: None,
            not_before: None,
            expires_at: None,
            algorithm: "RS256".to_owned(),
            header: Segment::default(),
            claims: Segment::default(),
            signature: None,
        }
    }

    /// Makes it a v1 token, the default. `aud` is `api://{audience client id}` unless you set it.
    pub fn v1(mut self) -> Self {
        self.version = TokenVersion::V1;
        self
    }

    /// Makes it a v2 token. `aud` is the audience's client id unless you set it.
    pub fn v2(mut self) -> Self {
        self.version = TokenVersion::V2;
        self
    }

    /// Another tenant, in `tid` and in the issuer.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.parties.tenant = tenant;
        self
    }

    /// Another audience, `aud`: the resource that the token is for, such as `https://signalr.azure.com`. For anything but
    /// a string use [`claim`](Self::claim).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Another caller: the object id in `oid` and `sub`, the client id in `appid` (v1) or `azp` (v2).
    ///
    /// In a [delegated](Self::delegated) token `oid` and `sub` are the user's, so only the client id counts.
    pub fn caller(mut self, object_id: ObjectId, client_id: ClientId) -> Self {
        self.parties.caller_object_id = object_id;
        self.parties.caller_client_id = client_id;
        self
    }

    /// The app roles of the caller, `roles`. By default the claim is absent, as for most managed identities.
    pub fn roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Another issuer, `iss`. `tid` stays the same.
    pub fn issuer(self, issuer: impl AsRef<str>) -> Self {
        self.claim("iss", issuer.as_ref())
    }

    /// Another time of issue, `iat`. `nbf` and `exp` follow it unless you set them.
    pub fn issued_at(mut self, time: UnixTime) -> Self {
        self.issued_at = Some(time);
        self
    }

    /// Another start of validity, `nbf`. By default it is the time of issue.
    pub fn not_before(mut self, time: UnixTime) -> Self {
        self.not_before = Some(time);
        self
    }

    /// Another end of validity, `exp`. By default it is 24 hours and 5 minutes after the time of issue.
    pub fn expires_at(mut self, time: UnixTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// A token that expired an hour ago, which is beyond any permitted clock skew.
    pub fn expired(self) -> Self {
        let age = LIFETIME + Duration::from_secs(3600);
        let issued = self.now().as_secs().saturating_sub(age.as_secs());
        self.issued_at(UnixTime::from_secs(issued))
    }

    /// Makes it a token that an application got on behalf of a user: it has `scp`, and `oid` and `sub` are the user's and
    /// differ. The client id is still the caller's.
    ///
    /// Any user of the tenant can get such a token for an application that they may use, so the client id proves nothing.
    pub fn delegated(mut self) -> Self {
        self.delegated = true;
        self
    }

    /// Makes it a token for Microsoft Graph, which an upstream gets whose resource was left empty. The `nonce` in its
    /// header is not the signed one, so that only Graph itself can verify it.
    pub fn graph(mut self) -> Self {
        self.graph = true;
        self
    }

    /// Gives a claim another value, or adds it at the end.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.claims.edits.push(Edit::set(name, value));
        self
    }

    /// Adds a claim at the end even if the name is already there.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn duplicate_claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.claims.edits.push(Edit::add(name, value));
        self
    }

    /// Leaves a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.edits.push(Edit::remove(name));
        self
    }

    /// The text of the second segment before it is encoded. The other methods no longer change the claims.
    pub fn raw_claims(mut self, text: impl Into<String>) -> Self {
        self.claims.raw = Some(text.into());
        self
    }

    /// Gives a member of the header another value, or adds it at the end. Algorithm and key of the signature stay the same.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.edits.push(Edit::set(name, value));
        self
    }

    /// Adds a member to the end of the header even if the name is already there.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn duplicate_header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.edits.push(Edit::add(name, value));
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.edits.push(Edit::remove(name));
        self
    }

    /// The text of the first segment before it is encoded. The other methods no longer change the header.
    pub fn raw_header(mut self, text: impl Into<String>) -> Self {
        self.header.raw = Some(text.into());
        self
    }

    /// Signs with another key and names it in the header.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self
    }

    /// Names another key than the signing one in the header, `kid`.
    pub fn key_id(self, id: impl Into<KeyId>) -> Self {
        self.header("kid", id.into().as_str())
    }

    /// Another algorithm, in the header and for the signature. [`SigningKey::sign`] lists them.
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.algorithm = name.into();
        self
    }

    /// Other bytes in place of the signature.
    pub fn signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.signature = Some(bytes.into());
        self
    }

    /// The token in its compact form (RFC 7515 section 3.1).
    ///
    /// Two tokens of one builder differ in `uti`, and in their times unless you set them. A clock that cannot be read counts
    /// as 1970-01-01.
    #[must_use]
    pub fn mint(&self) -> String {
        let nonce = self.graph.then(random_text::<32>);
        let header = encode(&self.header_text(nonce.as_deref()));
        let claims = encode(&self.claims_text());
        let signature = self.signature.clone().unwrap_or_else(|| {
            let signed_header = match nonce {
                Some(_) => encode(&self.header_text(Some(&random_text::<32>()))),
                None => header.clone(),
            };
            self.key.sign(&self.algorithm, format!("{signed_header}.{claims}").as_bytes())
        });
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn now(&self) -> UnixTime {
        self.clock.now().unwrap_or(UnixTime::from_secs(0))
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("version", &self.version)
            .field("parties", &self.parties)
            .field("key", &self.key)
            .field("header", &self.header)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Random bytes in base64url, in place of what only Entra can read.
#[expect(
    clippy::expect_used,
    reason = "it fails only where the system has no random numbers, and then no test can run"
)]
fn random_text<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).expect("the system gives random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The lifetime of a managed identity's token.
const LIFETIME: Duration = Duration::from_secs(86_700);

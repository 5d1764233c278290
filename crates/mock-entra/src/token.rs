//! Tokens, good ones and every kind of bad one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::authority::Authority;
use super::members::{Edit, Members};
use super::signing::SigningKey;
use signalr_upstream_auth::TokenVersion;
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::keys::KeyId;
use signalr_upstream_auth::{ClientId, ObjectId, TenantId};

/// A token in the making. Without further calls it is the one that Azure SignalR Service sends: a v1 access token of a
/// managed identity for the application `api://{audience client id}`, issued now for 24 hours and 5 minutes.
///
/// Each method changes one thing, so that a case reads as its difference from a good token.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use mock_entra::MockEntra;
///
/// let entra = MockEntra::start().await;
/// let good = entra.token().v2().roles(["Upstream.Call"]).mint();
/// let unsigned = entra.token().algorithm("none").mint();
/// let no_tenant = entra.token().without_claim("tid").mint();
/// let not_an_object = entra.token().raw_claims("[]").mint();
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a token is made by `mint`"]
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

/// Who takes part in a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parties {
    pub(super) tenant: TenantId,
    pub(super) audience_client_id: ClientId,
    pub(super) caller_object_id: ObjectId,
    pub(super) caller_client_id: ClientId,
}

/// What was asked for in a segment beyond its usual content.
#[derive(Clone, Debug, Default)]
struct Segment {
    edits: Vec<Edit>,
    raw: Option<String>,
}

impl TokenBuilder {
    pub(super) fn new(authority: Authority, clock: Arc<dyn Clock>, key: SigningKey, parties: Parties) -> Self {
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

    /// Makes it a v1 token, which it is by default. `aud` becomes `api://{audience client id}` if nothing else was set.
    pub fn v1(mut self) -> Self {
        self.version = TokenVersion::V1;
        self
    }

    /// Makes it a v2 token. `aud` becomes the audience's client id if nothing else was set.
    pub fn v2(mut self) -> Self {
        self.version = TokenVersion::V2;
        self
    }

    /// Another tenant, in `tid` and in the issuer.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.parties.tenant = tenant;
        self
    }

    /// Another audience, `aud`. For anything but a string there is [`claim`](Self::claim).
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

    /// The roles that were granted to the caller. By default the claim is absent, as it is for most managed identities.
    pub fn roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Another issuer, `iss`, without a change of `tid`.
    pub fn issuer(self, issuer: impl AsRef<str>) -> Self {
        self.claim("iss", issuer.as_ref())
    }

    /// Another time of issue, `iat`. `nbf` and `exp` move along unless they are set.
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

    /// A token that was good until an hour ago, which is beyond every clock skew.
    pub fn expired(self) -> Self {
        let age = LIFETIME + Duration::from_secs(3600);
        let issued = self.now().as_secs().saturating_sub(age.as_secs());
        self.issued_at(UnixTime::from_secs(issued))
    }

    /// Makes it a token that an application got on behalf of a user: `scp` is there, `oid` and `sub` are the user's and
    /// differ from each other, the client id is still the caller's.
    ///
    /// Any user of the tenant can get such a token for an application that they may use, so its client id proves nothing.
    pub fn delegated(mut self) -> Self {
        self.delegated = true;
        self
    }

    /// Makes it the token that arrives when the upstream's resource was left empty: one for Microsoft Graph. Its header
    /// has a `nonce` that is not the one which was signed, so that only Graph itself can verify it.
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

    /// Adds a claim at the end even if there is one of the same name.
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

    /// The whole second segment, before it is encoded. What the other methods say of claims no longer counts.
    pub fn raw_claims(mut self, text: impl Into<String>) -> Self {
        self.claims.raw = Some(text.into());
        self
    }

    /// Gives a member of the header another value, or adds it at the end. The signature's algorithm and key stay.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.edits.push(Edit::set(name, value));
        self
    }

    /// Adds a member to the header's end even if there is one of the same name.
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

    /// The whole first segment, before it is encoded. What the other methods say of the header no longer counts.
    pub fn raw_header(mut self, text: impl Into<String>) -> Self {
        self.header.raw = Some(text.into());
        self
    }

    /// Signs with another key and names it in the header.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self
    }

    /// Names another key in the header, `kid`, than the one that signs.
    pub fn key_id(self, id: impl Into<KeyId>) -> Self {
        self.header("kid", id.into().as_str())
    }

    /// Another algorithm, in the header and in fact: [`SigningKey::sign`] says which ones there are.
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.algorithm = name.into();
        self
    }

    /// Other bytes in the place of the signature.
    pub fn signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.signature = Some(bytes.into());
        self
    }

    /// The token in its compact form (RFC 7515 section 3.1).
    ///
    /// Two tokens of one builder differ in `uti`, and in their times if those were not set. A clock that cannot be read
    /// counts as 1970-01-01.
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

    fn header_text(&self, nonce: Option<&str>) -> String {
        let v1 = self.version == TokenVersion::V1;
        let usual = Members::default()
            .with("typ", "JWT")
            .with_some("nonce", nonce)
            .with("alg", &self.algorithm)
            .with_some("x5t", v1.then(|| self.key.thumbprint()))
            .with("kid", self.key.key_id().as_str());
        self.header.text(usual)
    }

    fn claims_text(&self) -> String {
        self.claims.text(if self.delegated { self.user_claims() } else { self.application_claims() })
    }

    /// The claims of a managed identity's token. After the times Entra sorts them by name.
    fn application_claims(&self) -> Members {
        let Parties { tenant, caller_object_id, caller_client_id, .. } = self.parties;
        let (v1, v2) = (self.version == TokenVersion::V1, self.version == TokenVersion::V2);
        self.registered_claims()
            .with("aio", random_text::<36>())
            .with_some("app_displayname", self.graph.then_some("contoso"))
            .with_some("appid", v1.then(|| caller_client_id.to_string()))
            .with_some("appidacr", v1.then_some("2"))
            .with_some("azp", v2.then(|| caller_client_id.to_string()))
            .with_some("azpacr", v2.then_some("2"))
            .with_some("idp", v1.then(|| self.authority.issuer(tenant, TokenVersion::V1)))
            .with_some("idtyp", self.graph.then_some("app"))
            .with("oid", caller_object_id.to_string())
            .with("rh", REFRESH_HINT)
            .with_some("roles", self.roles.as_ref())
            .with("sub", caller_object_id.to_string())
            .with_some("tenant_region_scope", self.graph.then_some("EU"))
            .with("tid", tenant.to_string())
            .with("uti", random_text::<16>())
            .with("ver", self.version_claim())
            .with_some("wids", self.graph.then_some([DEFAULT_DIRECTORY_ROLE]))
            .with("xms_idrel", "7 18")
            .with("xms_mirid", SIGNALR_RESOURCE)
    }

    /// The claims of a token on behalf of a user, in the same order.
    fn user_claims(&self) -> Members {
        let Parties { tenant, caller_client_id, .. } = self.parties;
        let (v1, v2) = (self.version == TokenVersion::V1, self.version == TokenVersion::V2);
        self.registered_claims()
            .with_some("acr", v1.then_some("1"))
            .with("aio", random_text::<36>())
            .with_some("amr", v1.then_some(["pwd", "mfa"]))
            .with_some("appid", v1.then(|| caller_client_id.to_string()))
            .with_some("appidacr", v1.then_some("1"))
            .with_some("azp", v2.then(|| caller_client_id.to_string()))
            .with_some("azpacr", v2.then_some("1"))
            .with("name", "Ada Example")
            .with("oid", USER_OBJECT_ID)
            .with_some("preferred_username", v2.then_some(USER_NAME))
            .with("rh", REFRESH_HINT)
            .with_some("roles", self.roles.as_ref())
            .with("scp", "user_impersonation")
            .with("sub", USER_SUBJECT)
            .with("tid", tenant.to_string())
            .with_some("unique_name", v1.then_some(USER_NAME))
            .with_some("upn", v1.then_some(USER_NAME))
            .with("uti", random_text::<16>())
            .with("ver", self.version_claim())
    }

    /// The claims of RFC 7519 section 4.1 that every token of Entra begins with.
    fn registered_claims(&self) -> Members {
        let issued_at = self.issued_at.unwrap_or_else(|| self.now());
        let default_end = UnixTime::from_secs(issued_at.as_secs().saturating_add(LIFETIME.as_secs()));
        Members::default()
            .with("aud", self.audience_claim())
            .with("iss", self.authority.issuer(self.parties.tenant, self.version))
            .with("iat", issued_at.as_secs())
            .with("nbf", self.not_before.unwrap_or(issued_at).as_secs())
            .with("exp", self.expires_at.unwrap_or(default_end).as_secs())
    }

    fn audience_claim(&self) -> String {
        match (&self.audience, self.version) {
            (Some(audience), _) => audience.clone(),
            (None, _) if self.graph => "https://graph.microsoft.com".to_owned(),
            (None, TokenVersion::V1) => format!("api://{}", self.parties.audience_client_id),
            (None, TokenVersion::V2) => self.parties.audience_client_id.to_string(),
        }
    }

    fn version_claim(&self) -> &'static str {
        match self.version {
            TokenVersion::V1 => "1.0",
            TokenVersion::V2 => "2.0",
        }
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

impl Segment {
    fn text(&self, usual: Members) -> String {
        match &self.raw {
            Some(raw) => raw.clone(),
            None => usual.edited(&self.edits).to_string(),
        }
    }
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// So many random bytes in base64url, in the place of what only Entra can read.
#[expect(clippy::expect_used, reason = "fails only where the system has no random numbers, and then no test can run")]
fn random_text<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).expect("the system gives random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What Entra gives to managed identities.
const LIFETIME: Duration = Duration::from_secs(86_700);

const DEFAULT_DIRECTORY_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
const REFRESH_HINT: &str = "0.AXXXEREREaqqu0uMzCIiIiIiIkREREQAAAAAwAAAAAAAAAAAAAA.";
const SIGNALR_RESOURCE: &str = "/subscriptions/99999999-0000-4000-8000-aaaaaaaaaaaa/resourcegroups/rg/providers/Microsoft.SignalRService/SignalR/contoso";
const USER_NAME: &str = "ada@contoso.example";
const USER_OBJECT_ID: &str = "bbbbbbbb-5678-4cde-8fab-cccccccccccc";
const USER_SUBJECT: &str = "Q2n4bDZ0c0hXb1hGd0R2eUxyT3pVaE5qS3VQYkFtRWc";

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
    };
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug)]
    struct StillClock;

    impl Clock for StillClock {
        fn now(&self) -> Option<UnixTime> {
            Some(UnixTime::from_secs(1_727_016_607))
        }
    }

    fn token() -> TokenBuilder {
        let parties = Parties {
            tenant: "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap(),
            audience_client_id: "33333333-dddd-4eee-8fff-444444444444".parse().unwrap(),
            caller_object_id: "77777777-4321-4cba-8fed-888888888888".parse().unwrap(),
            caller_client_id: "55555555-1234-4abc-9def-666666666666".parse().unwrap(),
        };
        TokenBuilder::new(Authority::public(), Arc::new(StillClock), SigningKey::stranger(), parties)
    }

    fn text(token: &str, segment: usize) -> String {
        let segment = token.split('.').nth(segment).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
    }

    fn claims(token: &TokenBuilder) -> Value {
        serde_json::from_str(&text(&token.mint(), 1)).unwrap()
    }

    fn names(object: &Value) -> Vec<&str> {
        object.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// Whether the signature fits by the published numbers of a key.
    fn verifies(token: &str, key: &SigningKey, algorithm: &'static RsaParameters) -> bool {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        RsaPublicKeyComponents { n: key.modulus(), e: key.exponent() }
            .verify(algorithm, message.as_bytes(), &signature)
            .is_ok()
    }

    #[test]
    fn a_v1_token_has_entras_header_and_claims_in_entras_order() {
        let token = token();
        let (minted, kid) = (token.mint(), token.key.key_id().to_string());
        assert_eq!(text(&minted, 0), format!(r#"{{"typ":"JWT","alg":"RS256","x5t":"{kid}","kid":"{kid}"}}"#));
        assert_eq!(text(&minted, 0).len(), 99);
        let claims = text(&minted, 1);
        assert!(
            claims.starts_with(
                r#"{"aud":"api://33333333-dddd-4eee-8fff-444444444444","iss":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","iat":1727016607,"nbf":1727016607,"exp":1727103307,"aio":""#
            ),
            "{claims}"
        );
        assert!(
            claims.contains(
                r#"","appid":"55555555-1234-4abc-9def-666666666666","appidacr":"2","idp":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","oid":"77777777-4321-4cba-8fed-888888888888","rh":""#
            ),
            "{claims}"
        );
        assert!(
            claims.contains(
                r#"","sub":"77777777-4321-4cba-8fed-888888888888","tid":"11111111-aaaa-4bbb-8ccc-222222222222","uti":""#
            ),
            "{claims}"
        );
        assert!(claims.contains(r#"","ver":"1.0","xms_idrel":"7 18","xms_mirid":"/subscriptions/"#), "{claims}");
    }

    #[test]
    fn a_v2_token_names_its_caller_and_audience_as_entra_does() {
        let token = token().v2().roles(["Upstream.Call"]);
        let kid = token.key.key_id();
        assert_eq!(text(&token.mint(), 0), format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}"#));
        let claims = claims(&token);
        assert_eq!(claims["aud"], "33333333-dddd-4eee-8fff-444444444444");
        assert_eq!(claims["iss"], "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0");
        assert_eq!(claims["azp"], "55555555-1234-4abc-9def-666666666666");
        assert_eq!(claims["roles"], json!(["Upstream.Call"]));
        assert_eq!(claims["ver"], "2.0");
        assert!(claims.get("appid").is_none() && claims.get("idp").is_none() && claims.get("scp").is_none());
    }

    #[test]
    fn tokens_verify_with_the_published_numbers_of_their_key_alone() {
        let published = SigningKey::generate();
        for token in [token(), token().v2(), token().delegated()] {
            let token = token.signed_by(&published);
            assert!(verifies(&token.mint(), &published, &RSA_PKCS1_2048_8192_SHA256));
            assert!(!verifies(&token.mint(), &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
        }
    }

    #[test]
    fn an_algorithm_stands_in_the_header_and_is_used() {
        let key = SigningKey::stranger();
        let pss = token().algorithm("PS256").mint();
        assert!(text(&pss, 0).contains(r#""alg":"PS256""#));
        assert!(verifies(&pss, &key, &RSA_PSS_2048_8192_SHA256));

        let none = token().algorithm("none").mint();
        assert!(text(&none, 0).contains(r#""alg":"none""#));
        assert!(none.ends_with('.'));

        let hmac = token().algorithm("HS256").mint();
        assert_eq!(URL_SAFE_NO_PAD.decode(hmac.rsplit_once('.').unwrap().1).unwrap().len(), 32);

        let only_named = token().header("alg", "PS256").mint();
        assert!(verifies(&only_named, &key, &RSA_PKCS1_2048_8192_SHA256));
    }

    #[test]
    fn a_key_can_be_named_that_did_not_sign() {
        let token = token().key_id("someone else's").mint();
        assert!(text(&token, 0).ends_with(r#""kid":"someone else's"}"#));
        assert!(verifies(&token, &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
    }

    #[test]
    fn a_graph_token_has_a_nonce_and_nobody_can_verify_it() {
        let token = token().graph();
        let minted = token.mint();
        assert!(text(&minted, 0).starts_with(r#"{"typ":"JWT","nonce":""#));
        assert!(!verifies(&minted, &token.key, &RSA_PKCS1_2048_8192_SHA256));
        let claims = claims(&token);
        assert_eq!(claims["aud"], "https://graph.microsoft.com");
        assert_eq!(claims["idtyp"], "app");
    }

    #[test]
    fn a_delegated_token_keeps_the_client_id_and_speaks_for_a_user() {
        for (token, client) in [(token().delegated(), "appid"), (token().delegated().v2(), "azp")] {
            let claims = claims(&token);
            assert_eq!(claims[client], "55555555-1234-4abc-9def-666666666666");
            assert_eq!(claims["scp"], "user_impersonation");
            assert_ne!(claims["sub"], claims["oid"]);
            assert_ne!(claims["oid"], "77777777-4321-4cba-8fed-888888888888");
            assert!(claims["oid"].as_str().unwrap().parse::<ObjectId>().is_ok());
        }
    }

    #[test]
    fn times_follow_the_time_of_issue_unless_they_are_set() {
        let seconds = UnixTime::from_secs;
        let moved = claims(&token().issued_at(seconds(1000)));
        assert_eq!((&moved["iat"], &moved["nbf"], &moved["exp"]), (&json!(1000), &json!(1000), &json!(87_700)));
        let set = claims(&token().not_before(seconds(1)).expires_at(seconds(2)));
        assert_eq!((&set["iat"], &set["nbf"], &set["exp"]), (&json!(1_727_016_607), &json!(1), &json!(2)));
        assert_eq!(claims(&token().expired())["exp"], 1_727_016_607 - 3600);
        assert_eq!(claims(&token().issued_at(seconds(u64::MAX)))["exp"], u64::MAX);
    }

    #[test]
    fn a_case_is_its_difference_from_a_good_token() {
        let tenant = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let moved = claims(&token().tenant(tenant));
        assert_eq!(moved["tid"], "22222222-aaaa-4bbb-8ccc-222222222222");
        assert_eq!(moved["iss"], "https://sts.windows.net/22222222-aaaa-4bbb-8ccc-222222222222/");

        let issuer = claims(&token().issuer("https://sts.windows.net/{tenantid}/"));
        assert_eq!(issuer["iss"], "https://sts.windows.net/{tenantid}/");
        assert_eq!(issuer["tid"], "11111111-aaaa-4bbb-8ccc-222222222222");

        assert_eq!(claims(&token().audience("api://other"))["aud"], "api://other");
        assert_eq!(claims(&token().v2().audience("api://other"))["aud"], "api://other");
        assert_eq!(claims(&token().claim("aud", ["a", "b"]))["aud"], json!(["a", "b"]));
        assert_eq!(claims(&token().claim("exp", 1.5))["exp"], 1.5);

        let good = claims(&token());
        let without = claims(&token().without_claim("oid"));
        assert_eq!(names(&without), names(&good).into_iter().filter(|name| *name != "oid").collect::<Vec<_>>());

        let twice = text(&token().duplicate_claim("tid", "other").mint(), 1);
        assert_eq!(twice.matches(r#""tid":"#).count(), 2);
        let twice = text(&token().duplicate_header("alg", "none").mint(), 0);
        assert_eq!(twice.matches(r#""alg":"#).count(), 2);
        assert!(!text(&token().without_header("kid").mint(), 0).contains("kid"));
    }

    #[test]
    fn raw_segments_are_written_as_they_are_and_signed() {
        let minted = token().raw_header(r#"{"alg":"RS256" }"#).raw_claims("null").claim("tid", 1).mint();
        assert_eq!((text(&minted, 0).as_str(), text(&minted, 1).as_str()), (r#"{"alg":"RS256" }"#, "null"));
        assert!(verifies(&minted, &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
        assert!(token().signature([1, 2, 3]).mint().ends_with(".AQID"));
    }

    #[test]
    fn two_tokens_of_a_builder_differ() {
        let token = token();
        assert_ne!(claims(&token)["uti"], claims(&token)["uti"]);
        assert_eq!(claims(&token)["uti"].as_str().unwrap().len(), 22);
    }
}

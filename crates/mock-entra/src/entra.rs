//! The mock itself.

use std::fmt;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::authority::Authority;
use super::documents::Directory;
use super::fault::{Fault, Target};
use super::jwk::Jwk;
use super::requests::Requests;
use super::server;
use super::signing::SigningKey;
use super::site::Site;
use super::token::{Parties, TokenBuilder};
use signalr_upstream_auth::TokenVersion;
use signalr_upstream_auth::clock::{Clock, SystemClock};
use signalr_upstream_auth::keys::KeyId;
use signalr_upstream_auth::{ClientId, ObjectId, TenantId};

/// An Entra of one's own on loopback: it serves the documents of one or more tenants and mints their tokens.
///
/// It answers under Entra's own paths, over plain HTTP/1.1, until it is dropped:
///
/// | Path | Document |
/// |---|---|
/// | `/{tenant}/v2.0/.well-known/openid-configuration` | v2 discovery |
/// | `/{tenant}/discovery/v2.0/keys` | v2 keys |
/// | `/{tenant}/.well-known/openid-configuration` | v1 discovery |
/// | `/{tenant}/discovery/keys`, `/common/discovery/keys` | v1 keys |
///
/// `common` and `organizations` stand for a tenant everywhere; any other tenant than its own it answers with status 400.
///
/// It starts with two published keys, of which one signs. The key pairs come from a small pool that all mocks of the
/// process share, since it takes a while to generate one, but every mock has key ids of its own.
///
/// # Panics
///
/// Mistakes of a test, such as withholding a key that is not published, are panics with a sentence that says so.
pub struct MockEntra {
    pub(super) site: Arc<Site>,
    clock: Arc<dyn Clock>,
    parties: Parties,
    url: String,
    task: JoinHandle<()>,
}

impl MockEntra {
    /// A mock with one tenant, `11111111-aaaa-4bbb-8ccc-222222222222`, and everything else as
    /// [`builder`](Self::builder) says.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its drivers enabled, and if no port of the loopback interface can be had.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A mock that differs from the usual one.
    pub fn builder() -> MockEntraBuilder {
        MockEntraBuilder::default()
    }

    /// Where it listens: `http://127.0.0.1:` and a port, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The tenant whose tokens it mints; the first one if there are several.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.parties.tenant
    }

    /// All tenants whose documents it serves.
    #[must_use]
    pub fn tenants(&self) -> &[TenantId] {
        &self.site.tenants
    }

    /// The client id of the application its tokens are for.
    #[must_use]
    pub fn audience_client_id(&self) -> ClientId {
        self.parties.audience_client_id
    }

    /// The object id of the managed identity that its tokens speak for.
    #[must_use]
    pub fn caller_object_id(&self) -> ObjectId {
        self.parties.caller_object_id
    }

    /// The client id of that managed identity.
    #[must_use]
    pub fn caller_client_id(&self) -> ClientId {
        self.parties.caller_client_id
    }

    /// The issuer of a tenant's tokens.
    #[must_use]
    pub fn issuer(&self, tenant: TenantId, version: TokenVersion) -> String {
        self.site.authority.issuer(tenant, version)
    }

    /// The `cloud_instance_name` of its documents and keys, if it has one.
    #[must_use]
    pub fn cloud_instance_name(&self) -> Option<&str> {
        self.site.authority.cloud_instance_name.as_deref()
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.site.authority
    }

    /// The clock its tokens are dated by.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// A token, good until it is told otherwise, signed with the key in use at this moment.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(self.site.authority.clone(), self.clock(), self.signing_key(), self.parties)
    }

    /// The text of the tenant's discovery document.
    #[must_use]
    pub fn discovery_document(&self, version: TokenVersion) -> String {
        self.site.discovery_document(Directory::Tenant(self.tenant()), version)
    }

    /// The text of the key document, the same for every tenant.
    #[must_use]
    pub fn key_document(&self, version: TokenVersion) -> String {
        self.site.key_document(version)
    }

    /// The key that signs.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.site.keys().current()
    }

    /// The mock's own keys, published or not, the oldest first.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<SigningKey> {
        self.site.keys().keys()
    }

    /// Publishes a new key and signs with it from now on. The others stay published. Returns the new key's id.
    #[expect(clippy::must_use_candidate, reason = "called for what it does; the id is also that of `signing_key`")]
    pub fn rotate(&self) -> KeyId {
        let key = self.new_key();
        self.publish(&key);
        self.sign_with(&key);
        key.key_id().clone()
    }

    /// Publishes a new key in the place of everything published before and signs with it from now on, as after a
    /// leak. Returns the new key's id.
    #[expect(clippy::must_use_candidate, reason = "called for what it does; the id is also that of `signing_key`")]
    pub fn rotate_abruptly(&self) -> KeyId {
        self.site.keys().withhold_all();
        self.rotate()
    }

    /// A key of the mock's own that is neither published nor in use yet.
    #[must_use]
    pub fn new_key(&self) -> SigningKey {
        self.site.keys().add()
    }

    /// Signs with a key from now on, whether it is published or not.
    pub fn sign_with(&self, key: &SigningKey) {
        self.site.keys().sign_with(key.clone());
    }

    /// Adds an entry to the end of the key document: a [`SigningKey`], or a [`Jwk`] that differs from what Entra writes.
    /// An id that is there already is listed twice then.
    pub fn publish(&self, entry: impl Into<Jwk>) {
        self.site.keys().publish(entry.into());
    }

    /// Leaves the entries of an id out of the key document, until they are [restored](Self::restore). The key goes on
    /// signing if it did.
    ///
    /// # Panics
    ///
    /// If no entry has this id.
    pub fn withhold(&self, key_id: &KeyId) {
        assert!(self.site.keys().set_withheld(key_id, true), "no published key has the id {key_id}");
    }

    /// Puts the entries of an id back into the key document, at their old place.
    ///
    /// # Panics
    ///
    /// If no entry has this id.
    pub fn restore(&self, key_id: &KeyId) {
        assert!(self.site.keys().set_withheld(key_id, false), "no published key has the id {key_id}");
    }

    /// Answers the requests for an endpoint with a fault until [`recover`](Self::recover). The latest fault that fits a
    /// request counts.
    pub fn fail(&self, target: impl Into<Target>, fault: Fault) {
        self.site.faults().stand(target.into(), fault);
    }

    /// Answers the next so many requests for an endpoint with a fault, before any other that is in place.
    pub fn fail_next(&self, requests: usize, target: impl Into<Target>, fault: Fault) {
        self.script(target, std::iter::repeat_n(fault, requests));
    }

    /// Answers the next requests for an endpoint with these faults, one each; [`Fault::none`] lets one pass. A second
    /// script for the same endpoint follows the first.
    pub fn script(&self, target: impl Into<Target>, faults: impl IntoIterator<Item = Fault>) {
        self.site.faults().script(target.into(), faults);
    }

    /// Takes all faults away. What hangs already goes on hanging.
    pub fn recover(&self) {
        self.site.faults().clear();
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.site.counter.requests()
    }

    /// Waits until something is true of what was asked of it. There is no time limit.
    pub async fn requests_until(&self, condition: impl Fn(&Requests) -> bool) -> Requests {
        self.site.counter.until(condition).await
    }

    /// Answers the requests of a connection that was made elsewhere, with the same documents, faults and counts. For a
    /// test that puts TLS in front.
    ///
    /// The future ends with the connection. It does not end when the mock is dropped.
    pub fn serve<S>(&self, mut stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let site = Arc::clone(&self.site);
        async move {
            server::serve(&mut stream, &site).await;
        }
    }
}

impl Drop for MockEntra {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for MockEntra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockEntra").field("url", &self.url).field("parties", &self.parties).finish_non_exhaustive()
    }
}

/// Builds a [`MockEntra`].
#[derive(Clone, Debug)]
#[must_use = "a mock listens once it is started"]
pub struct MockEntraBuilder {
    /// A cloud of its own if none is given.
    authority: Option<Authority>,
    cloud_instance_name: Option<Option<Arc<str>>>,
    clock: Arc<dyn Clock>,
    parties: Parties,
    further_tenants: Vec<TenantId>,
}

impl MockEntraBuilder {
    /// The tenant. By default `11111111-aaaa-4bbb-8ccc-222222222222`.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.parties.tenant = tenant;
        self
    }

    /// One more tenant whose documents are served. Its tokens are minted by [`TokenBuilder::tenant`].
    pub fn further_tenant(mut self, tenant: TenantId) -> Self {
        self.further_tenants.push(tenant);
        self
    }

    /// The client id of the application that the tokens are for. By default `33333333-dddd-4eee-8fff-444444444444`.
    pub fn audience_client_id(mut self, client_id: ClientId) -> Self {
        self.parties.audience_client_id = client_id;
        self
    }

    /// The managed identity that the tokens speak for. By default the object id is
    /// `77777777-4321-4cba-8fed-888888888888` and the client id `55555555-1234-4abc-9def-666666666666`.
    pub fn caller(mut self, object_id: ObjectId, client_id: ClientId) -> Self {
        self.parties.caller_object_id = object_id;
        self.parties.caller_client_id = client_id;
        self
    }

    /// Lets documents and tokens name the hosts of the public cloud: `login.microsoftonline.com` and `sts.windows.net`.
    /// The mock listens on loopback all the same; to be found, its documents must be served where a test lets
    /// those names lead, see [`MockEntra::serve`].
    pub fn public_cloud(self) -> Self {
        self.authority(Authority::public())
    }

    /// Lets documents and tokens name the hosts of the US government cloud: `login.microsoftonline.us` and
    /// `sts.windows.net`.
    pub fn us_government_cloud(self) -> Self {
        self.authority(Authority::us_government())
    }

    /// Lets documents and tokens name the hosts of the cloud in China: `login.partner.microsoftonline.cn` and
    /// `sts.chinacloudapi.cn`.
    pub fn china_cloud(self) -> Self {
        self.authority(Authority::china())
    }

    /// The `cloud_instance_name` of discovery documents and keys. By default that of the cloud, `entra.test` for one of
    /// the mock's own.
    pub fn cloud_instance_name(mut self, label: &str) -> Self {
        self.cloud_instance_name = Some(Some(label.into()));
        self
    }

    /// Leaves `cloud_instance_name` out of discovery documents and keys.
    pub fn without_cloud_instance_name(mut self) -> Self {
        self.cloud_instance_name = Some(None);
        self
    }

    /// The clock that tokens are dated by. By default the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts listening on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its drivers enabled, and if no port of the loopback interface can be had.
    #[expect(clippy::expect_used, reason = "without a loopback interface no test can run; the documentation says so")]
    pub async fn start(self) -> MockEntra {
        let listener = server::listen().expect("a port of the loopback interface is free");
        let address = listener.local_addr().expect("a listener has an address");
        let url = format!("http://{address}");
        let mut authority = self.authority.unwrap_or_else(|| Authority::custom(&url));
        if let Some(label) = self.cloud_instance_name {
            authority.cloud_instance_name = label;
        }
        let tenants = std::iter::once(self.parties.tenant).chain(self.further_tenants).collect();
        let site = Arc::new(Site::new(authority, tenants));
        let task = tokio::spawn(server::accept(listener, Arc::clone(&site)));
        MockEntra { site, clock: self.clock, parties: self.parties, url, task }
    }

    fn authority(mut self, authority: Authority) -> Self {
        self.authority = Some(authority);
        self
    }
}

impl Default for MockEntraBuilder {
    #[expect(clippy::expect_used, reason = "the texts are GUIDs")]
    fn default() -> Self {
        let parties = Parties {
            tenant: "11111111-aaaa-4bbb-8ccc-222222222222".parse().expect("a GUID"),
            audience_client_id: "33333333-dddd-4eee-8fff-444444444444".parse().expect("a GUID"),
            caller_object_id: "77777777-4321-4cba-8fed-888888888888".parse().expect("a GUID"),
            caller_client_id: "55555555-1234-4abc-9def-666666666666".parse().expect("a GUID"),
        };
        Self {
            authority: None,
            cloud_instance_name: None,
            clock: Arc::new(SystemClock::default()),
            parties,
            further_tenants: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Endpoint;
    use signalr_upstream_auth::clock::UnixTime;

    /// The key ids in the key document, in order.
    fn listed(entra: &MockEntra) -> Vec<KeyId> {
        let document: Value = serde_json::from_str(&entra.key_document(TokenVersion::V2)).unwrap();
        let ids = document["keys"].as_array().unwrap().iter();
        ids.map(|key| key["kid"].as_str().unwrap().into()).collect()
    }

    #[tokio::test]
    async fn the_key_in_use_is_published_among_others() {
        let entra = MockEntra::start().await;
        let ids = listed(&entra);
        assert_eq!(ids.len(), 2);
        assert!(ids.contains(entra.signing_key().key_id()));
        assert_ne!(&ids[0], entra.signing_key().key_id());
    }

    #[tokio::test]
    async fn two_mocks_have_no_key_id_in_common() {
        let (one, two) = (MockEntra::start().await, MockEntra::start().await);
        assert!(listed(&one).iter().all(|id| !listed(&two).contains(id)));
        assert_eq!(one.signing_key().modulus(), two.signing_key().modulus());
    }

    #[tokio::test]
    async fn a_rotation_adds_a_key_and_signs_with_it() {
        let entra = MockEntra::start().await;
        let before = listed(&entra);
        let old = entra.signing_key();
        let new = entra.rotate();
        assert_eq!(listed(&entra), [before, vec![new.clone()]].concat());
        assert_eq!(entra.signing_key().key_id(), &new);
        assert_ne!(entra.signing_key().modulus(), old.modulus());
    }

    #[tokio::test]
    async fn an_abrupt_rotation_leaves_the_new_key_alone() {
        let entra = MockEntra::start().await;
        let new = entra.rotate_abruptly();
        assert_eq!(listed(&entra), [new]);
        assert_eq!(entra.signing_keys().len(), 3);
    }

    #[tokio::test]
    async fn a_withheld_key_is_not_listed_and_goes_on_signing() {
        let entra = MockEntra::start().await;
        let (before, id) = (listed(&entra), entra.signing_key().key_id().clone());
        entra.withhold(&id);
        assert!(!listed(&entra).contains(&id) && listed(&entra).len() == 1);
        assert_eq!(entra.signing_key().key_id(), &id);
        entra.restore(&id);
        assert_eq!(listed(&entra), before);
    }

    #[tokio::test]
    #[should_panic(expected = "no published key has the id nobody")]
    async fn withholding_what_is_not_published_is_a_mistake() {
        MockEntra::start().await.withhold(&"nobody".into());
    }

    #[tokio::test]
    async fn odd_entries_are_published_as_they_are() {
        let entra = MockEntra::start().await;
        let id = entra.signing_key().key_id().clone();
        entra.publish(SigningKey::stranger().with_key_id(id.clone()));
        entra.publish(Jwk::raw(serde_json::json!({"kid": "ec", "kty": "EC"})));
        assert_eq!(listed(&entra).iter().filter(|listed| **listed == id).count(), 2);
        assert!(entra.key_document(TokenVersion::V1).ends_with(r#",{"kid":"ec","kty":"EC"}]}"#));
        entra.withhold(&"ec".into());
        assert!(!listed(&entra).contains(&"ec".into()));
    }

    #[tokio::test]
    async fn a_key_can_be_published_before_it_signs() {
        let entra = MockEntra::start().await;
        let next = entra.new_key();
        entra.publish(&next);
        assert_ne!(entra.signing_key().key_id(), next.key_id());
        entra.sign_with(&next);
        assert_eq!(entra.signing_key().key_id(), next.key_id());
        assert!(listed(&entra).contains(next.key_id()));
    }

    #[derive(Debug)]
    struct StillClock;

    impl Clock for StillClock {
        fn now(&self) -> Option<UnixTime> {
            Some(UnixTime::from_secs(1_000_000))
        }
    }

    #[tokio::test]
    async fn the_builder_decides_names_ids_and_time() {
        let tenant: TenantId = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let further: TenantId = "33333333-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let entra = MockEntra::builder()
            .tenant(tenant)
            .further_tenant(further)
            .audience_client_id("44444444-dddd-4eee-8fff-444444444444".parse().unwrap())
            .caller(
                "88888888-4321-4cba-8fed-888888888888".parse().unwrap(),
                "66666666-1234-4abc-9def-666666666666".parse().unwrap(),
            )
            .public_cloud()
            .cloud_instance_name("elsewhere.test")
            .clock(Arc::new(StillClock))
            .start()
            .await;
        assert_eq!(entra.tenants(), [tenant, further]);
        let issuer = "https://sts.windows.net/33333333-aaaa-4bbb-8ccc-222222222222/";
        assert_eq!(entra.issuer(further, TokenVersion::V1), issuer);
        assert_eq!(entra.cloud_instance_name(), Some("elsewhere.test"));

        let discovery: Value = serde_json::from_str(&entra.discovery_document(TokenVersion::V2)).unwrap();
        assert_eq!(discovery["issuer"], entra.issuer(tenant, TokenVersion::V2));
        assert_eq!(discovery["cloud_instance_name"], "elsewhere.test");
        let keys: Value = serde_json::from_str(&entra.key_document(TokenVersion::V2)).unwrap();
        assert_eq!(keys["keys"][0]["cloud_instance_name"], "elsewhere.test");
        assert_eq!(keys["keys"][0]["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");

        let token = entra.token().mint();
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iat"], 1_000_000);
        assert_eq!(claims["aud"], "api://44444444-dddd-4eee-8fff-444444444444");
        assert_eq!(claims["appid"], "66666666-1234-4abc-9def-666666666666");
        assert_eq!(claims["oid"], "88888888-4321-4cba-8fed-888888888888");
    }

    #[tokio::test]
    async fn a_mock_of_its_own_cloud_names_its_own_address() {
        let entra = MockEntra::builder().without_cloud_instance_name().start().await;
        let tenant = "11111111-aaaa-4bbb-8ccc-222222222222";
        assert_eq!(entra.issuer(entra.tenant(), TokenVersion::V1), format!("{}/{tenant}/", entra.url()));
        assert_eq!(entra.issuer(entra.tenant(), TokenVersion::V2), format!("{}/{tenant}/v2.0", entra.url()));
        assert_eq!(entra.cloud_instance_name(), None);
    }

    /// A client as the crate's own is: no proxies, no redirects.
    fn client() -> reqwest::ClientBuilder {
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).http1_only()
    }

    #[tokio::test]
    async fn a_real_client_reads_the_documents_over_one_connection() {
        let entra = MockEntra::start().await;
        let client = client().build().unwrap();
        let discovery = format!("{}/{}/v2.0/.well-known/openid-configuration", entra.url(), entra.tenant());
        let discovery = client.get(discovery).send().await.unwrap().text().await.unwrap();
        assert_eq!(discovery, entra.discovery_document(TokenVersion::V2));
        let discovery: Value = serde_json::from_str(&discovery).unwrap();
        let keys = client.get(discovery["jwks_uri"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(keys.text().await.unwrap(), entra.key_document(TokenVersion::V2));
        let requests = entra.requests();
        assert_eq!((requests.connections(), requests.discovery(), requests.keys()), (1, 1, 1));
        assert_eq!(requests.of(entra.tenant()).keys(), 1);
    }

    #[tokio::test]
    async fn the_count_of_bytes_stays_near_to_what_a_client_took() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::endless());
        let mut answer = client().build().unwrap().get(entra.url()).send().await.unwrap();
        let mut read = 0;
        while read < 1024 * 1024 {
            read += answer.chunk().await.unwrap().unwrap().len();
        }
        drop(answer);
        let requests = entra.requests_until(|requests| requests.open_connections() == 0).await;
        assert!(requests.bytes_sent() < 2 * 1024 * 1024, "{}", requests.bytes_sent());
    }

    #[tokio::test]
    async fn it_stands_behind_tls_as_the_public_cloud() {
        const HOST: &str = "login.microsoftonline.com";
        let entra = MockEntra::builder().public_cloud().start().await;
        let certified = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certified.cert.der().clone()],
                certified.signing_key.serialize_der().try_into().unwrap(),
            )
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let root = reqwest::Certificate::from_der(certified.cert.der()).unwrap();
        let client = client().tls_certs_only([root]).resolve(HOST, address).build().unwrap();

        let serving = async {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
            entra.serve(stream).await;
        };
        let asking = async {
            let port = address.port();
            let url = format!("https://{HOST}:{port}/{}/v2.0/.well-known/openid-configuration", entra.tenant());
            let document = client.get(&url).send().await.unwrap().text().await.unwrap();
            assert!(document.contains(r#""jwks_uri":"https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/discovery/v2.0/keys""#));
            entra.fail_next(1, Endpoint::Discovery, Fault::status(503));
            assert_eq!(client.get(&url).send().await.unwrap().status(), 503);
            drop(client);
        };
        tokio::join!(serving, asking);
        assert_eq!((entra.requests().connections(), entra.requests().discovery()), (1, 2));
    }
}

//! The mock itself.

use std::fmt;
use std::sync::Arc;

use signalr_upstream_auth::clock::Clock;
use signalr_upstream_auth::keys::KeyId;
use signalr_upstream_auth::{ClientId, ObjectId, TenantId, TokenVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::authority::Authority;
use crate::documents::Directory;
use crate::fault::Fault;
use crate::fault_plan::Target;
use crate::jwk::Jwk;
use crate::requests::Requests;
use crate::server;
use crate::signing::SigningKey;
use crate::site::Site;
use crate::token::{Parties, TokenBuilder};

/// A Microsoft Entra on loopback: it serves the documents of one or more tenants and mints their tokens.
///
/// It answers at Entra's paths over HTTP/1.1 without TLS, until you [stop](Self::stop) or drop it:
///
/// | Path | Document |
/// |---|---|
/// | `/{tenant}/v2.0/.well-known/openid-configuration` | v2 discovery |
/// | `/{tenant}/discovery/v2.0/keys` | v2 keys |
/// | `/{tenant}/.well-known/openid-configuration` | v1 discovery |
/// | `/{tenant}/discovery/keys`, `/common/discovery/keys` | v1 keys |
///
/// `common` and `organizations` are valid in place of a tenant everywhere. It answers 400 for a tenant that is not its
/// own, and 404 at other paths.
///
/// It starts with two published keys, one of which signs. Generating a key pair takes a while, so all mocks of a
/// process share a small pool of pairs; each mock has key ids of its own.
///
/// # Panics
///
/// A mistake of a test, such as withholding a key that is not published, is a panic that says so.
pub struct MockEntra {
    pub(crate) site: Arc<Site>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) parties: Parties,
    pub(crate) url: String,
    pub(crate) task: JoinHandle<()>,
}

impl MockEntra {
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

    /// The client id of the application that its tokens are for.
    #[must_use]
    pub fn audience_client_id(&self) -> ClientId {
        self.parties.audience_client_id
    }

    /// The object id of the managed identity that its tokens are issued to.
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

    /// The `cloud_instance_name` of its documents and keys, if they have one.
    #[must_use]
    pub fn cloud_instance_name(&self) -> Option<&str> {
        self.site.authority.cloud_instance_name.as_deref()
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.site.authority
    }

    /// The clock that dates its tokens.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// A token that the mock's [policy](Self::policy) accepts until you change it, signed with the current signing key.
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

    /// The current signing key.
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
    #[expect(clippy::must_use_candidate, reason = "called for its effect; `signing_key` has the id, too")]
    pub fn rotate(&self) -> KeyId {
        let key = self.new_key();
        self.publish(&key);
        self.sign_with(&key);
        key.key_id().clone()
    }

    /// Withholds every published key, publishes a new one and signs with it from now on, as after a leak. Returns the
    /// new key's id.
    #[expect(clippy::must_use_candidate, reason = "called for its effect; `signing_key` has the id, too")]
    pub fn rotate_abruptly(&self) -> KeyId {
        self.site.keys().withhold_all();
        self.rotate()
    }

    /// A key of the mock's own that is neither published nor signs yet.
    #[must_use]
    pub fn new_key(&self) -> SigningKey {
        self.site.keys().add()
    }

    /// Signs with this key from now on, whether it is published or not.
    pub fn sign_with(&self, key: &SigningKey) {
        self.site.keys().sign_with(key.clone());
    }

    /// Adds an entry to the end of the key document: a [`SigningKey`], or a [`Jwk`] that differs from Entra's.
    /// An id that is already there is then listed twice.
    pub fn publish(&self, entry: impl Into<Jwk>) {
        self.site.keys().publish(entry.into());
    }

    /// Leaves the entries with this id out of the key document until you [restore](Self::restore) them. The key goes on
    /// signing if it did.
    ///
    /// # Panics
    ///
    /// If no entry has this id.
    pub fn withhold(&self, key_id: &KeyId) {
        assert!(self.site.keys().set_withheld(key_id, true), "no published key has the id {key_id}");
    }

    /// Puts the entries with this id back into the key document, where they were.
    ///
    /// # Panics
    ///
    /// If no entry has this id.
    pub fn restore(&self, key_id: &KeyId) {
        assert!(self.site.keys().set_withheld(key_id, false), "no published key has the id {key_id}");
    }

    /// Gives the requests for an endpoint a fault until [`recover`](Self::recover). If several faults cover a request,
    /// it gets the latest.
    pub fn fail(&self, target: impl Into<Target>, fault: Fault) {
        self.site.faults().stand(target.into(), fault);
    }

    /// Gives the next requests for an endpoint a fault, this many. It precedes every other fault.
    pub fn fail_next(&self, requests: usize, target: impl Into<Target>, fault: Fault) {
        self.script(target, std::iter::repeat_n(fault, requests));
    }

    /// Gives the next requests for an endpoint one of these faults each; [`Fault::none`] leaves one alone. A second
    /// script for the same endpoint follows the first.
    pub fn script(&self, target: impl Into<Target>, faults: impl IntoIterator<Item = Fault>) {
        self.site.faults().script(target.into(), faults);
    }

    /// Removes all faults. A response that already hangs goes on hanging.
    pub fn recover(&self) {
        self.site.faults().clear();
    }

    /// What clients have requested so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.site.counter.requests()
    }

    /// Waits until a condition holds for the requests. There is no time limit.
    pub async fn requests_until(&self, condition: impl Fn(&Requests) -> bool) -> Requests {
        self.site.counter.until(condition).await
    }

    /// Ends the mock, and waits until its port is free. A drop only asks for that.
    pub async fn stop(mut self) {
        self.task.abort();
        // The listener is gone once the task is, however it ended.
        let _ = (&mut self.task).await;
    }

    /// Serves a connection that you accepted elsewhere, with the same documents, faults and counts. For a test that puts
    /// TLS in front.
    ///
    /// The future ends with the connection. It does not end when you drop the mock.
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

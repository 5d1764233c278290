//! Builds a mock.

use std::sync::Arc;

use signalr_upstream_auth::clock::{Clock, SystemClock};
use signalr_upstream_auth::{ClientId, ObjectId, TenantId};

use crate::authority::Authority;
use crate::entra::MockEntra;
use crate::server;
use crate::site::Site;
use crate::token::Parties;

/// Builds a [`MockEntra`].
#[derive(Clone, Debug)]
#[must_use = "a mock listens once you start it"]
pub struct MockEntraBuilder {
    /// A custom cloud if absent.
    authority: Option<Authority>,
    cloud_instance_name: Option<Option<Arc<str>>>,
    clock: Arc<dyn Clock>,
    parties: Parties,
    further_tenants: Vec<TenantId>,
}

impl MockEntra {
    /// A mock with the tenant `11111111-aaaa-4bbb-8ccc-222222222222` and the other defaults of the
    /// [builder](MockEntraBuilder).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its I/O and time drivers enabled, and if the loopback interface has no free port.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Builds a mock that differs from the default.
    pub fn builder() -> MockEntraBuilder {
        MockEntraBuilder::default()
    }
}

impl MockEntraBuilder {
    /// The tenant. By default `11111111-aaaa-4bbb-8ccc-222222222222`.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.parties.tenant = tenant;
        self
    }

    /// One more tenant whose documents the mock serves. [`TokenBuilder::tenant`](crate::TokenBuilder::tenant) mints its
    /// tokens.
    pub fn further_tenant(mut self, tenant: TenantId) -> Self {
        self.further_tenants.push(tenant);
        self
    }

    /// The client id of the application that the tokens are for. By default `33333333-dddd-4eee-8fff-444444444444`.
    pub fn audience_client_id(mut self, client_id: ClientId) -> Self {
        self.parties.audience_client_id = client_id;
        self
    }

    /// The managed identity that the tokens are issued to. By default the object id is
    /// `77777777-4321-4cba-8fed-888888888888` and the client id `55555555-1234-4abc-9def-666666666666`.
    pub fn caller(mut self, object_id: ObjectId, client_id: ClientId) -> Self {
        self.parties.caller_object_id = object_id;
        self.parties.caller_client_id = client_id;
        self
    }

    /// Names the hosts of the public cloud in documents and tokens: `login.microsoftonline.com` and `sts.windows.net`.
    ///
    /// The mock still listens on loopback only. Serve its documents where these names resolve to in your test, see
    /// [`MockEntra::serve`].
    pub fn public_cloud(self) -> Self {
        self.authority(Authority::public())
    }

    /// Names the hosts of the US government cloud in documents and tokens: `login.microsoftonline.us` and
    /// `sts.windows.net`.
    pub fn us_government_cloud(self) -> Self {
        self.authority(Authority::us_government())
    }

    /// Names the hosts of the cloud in China in documents and tokens: `login.partner.microsoftonline.cn` and
    /// `sts.chinacloudapi.cn`.
    pub fn china_cloud(self) -> Self {
        self.authority(Authority::china())
    }

    /// The `cloud_instance_name` of discovery documents and keys. By default that of the cloud; `entra.test` for the
    /// mock's own.
    pub fn cloud_instance_name(mut self, label: &str) -> Self {
        self.cloud_instance_name = Some(Some(label.into()));
        self
    }

    /// Leaves `cloud_instance_name` out of discovery documents and keys.
    pub fn without_cloud_instance_name(mut self) -> Self {
        self.cloud_instance_name = Some(None);
        self
    }

    /// The clock that dates the tokens. By default the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its I/O and time drivers enabled, and if the loopback interface has no free port.
    #[expect(clippy::expect_used, reason = "without a loopback interface no test can run; the documentation says so")]
    pub async fn start(self) -> MockEntra {
        let listener = server::listen().expect("the loopback interface has a free port");
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

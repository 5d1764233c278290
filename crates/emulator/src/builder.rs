//! Starting an emulator.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::assumptions::Assumptions;
use crate::auth::{AccessKeys, Role, Roles, new_resource_keys};
use crate::client::{ClientRoom, Cors};
use crate::clock::EmulatorClock;
use crate::data_plane::DataPlane;
use crate::defaults;
use crate::emulator::{Emulator, Parts};
use crate::entra::{Application, Entra, EntraParts, EntraService, ManagedIdentity};
use crate::error::StartError;
use crate::events::Events;
use crate::faults::Faults;
use crate::hub::Hubs;
use crate::log::RequestLog;
use crate::mock::{MockEntra, ObjectId, TenantId};
use crate::net::{Authority, Bound, Proxy, Tasks};
use crate::random;
use crate::service::Service;
use crate::upstream::{InvalidTemplate, Sender, Upstream, UpstreamParts, UpstreamTemplate};

/// Builds an [`Emulator`].
#[derive(Clone, Debug, Default)]
#[must_use = "an emulator listens once it is started"]
pub struct EmulatorBuilder {
    https_port: u16,
    http_port: u16,
    authority_port: u16,
    identity_port: u16,
    proxy_port: u16,
    public_cloud: bool,
    plain_http: bool,
    host_names: Vec<String>,
    disable_local_auth: bool,
    access_keys: Option<GivenKeys>,
    further_tenants: Vec<TenantId>,
    resources: Vec<String>,
    applications: Option<Vec<Application>>,
    identities: Option<Vec<ManagedIdentity>>,
    roles: Option<Vec<(ObjectId, Role)>>,
    assumptions: Assumptions,
    assumptions_from_file: bool,
    upstreams: Vec<UpstreamItem>,
    upstream_authorities: Vec<String>,
    allowed_origins: Option<Vec<String>>,
}

/// Access keys, which no output shows.
#[derive(Clone)]
struct GivenKeys([String; 2]);

impl fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKeys").finish_non_exhaustive()
    }
}

/// An upstream whose audience may still be unknown.
#[derive(Clone, Debug)]
enum UpstreamItem {
    Template(UpstreamTemplate),
    /// With a token for the mock's own audience.
    OfMock(UpstreamTemplate),
}

impl Emulator {
    /// An emulator that differs from the usual one.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// The usual emulator, on free ports.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if loopback has no free port.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }
}

impl EmulatorBuilder {
    /// The port of the service's endpoint. By default a free one.
    pub fn https_port(mut self, port: u16) -> Self {
        self.https_port = port;
        self
    }

    /// The port where clients connect without TLS. By default a free one.
    pub fn http_port(mut self, port: u16) -> Self {
        self.http_port = port;
        self
    }

    /// The port of Entra's token endpoint. By default a free one.
    pub fn authority_port(mut self, port: u16) -> Self {
        self.authority_port = port;
        self
    }

    /// The port of the managed identities' endpoints. By default a free one.
    pub fn identity_port(mut self, port: u16) -> Self {
        self.identity_port = port;
        self
    }

    /// The port of the proxy of a [public cloud](Self::public_cloud). By default a free one.
    pub fn proxy_port(mut self, port: u16) -> Self {
        self.proxy_port = port;
        self
    }

    /// Gives the built-in Entra the names of the public cloud, `login.microsoftonline.com` and `sts.windows.net`, for an
    /// app whose settings cannot name another. A [proxy](crate::Settings::proxy) leads programs to it under that name.
    pub fn public_cloud(mut self) -> Self {
        self.public_cloud = true;
        self
    }

    /// Serves the REST API without TLS too, at the port for clients.
    pub fn plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// One more host name that the service has and its certificate names, such as
    /// `contoso.service.signalr.net`. Let your test resolve it to 127.0.0.1. The first name given this way is the host in
    /// the audience of the tokens that the service makes. Case does not count: audiences have lower case.
    pub fn host_name(mut self, name: &str) -> Self {
        self.host_names.push(name.to_ascii_lowercase());
        self
    }

    /// A resource without access keys (`properties.disableLocalAuth`).
    pub fn disable_local_auth(mut self) -> Self {
        self.disable_local_auth = true;
        self
    }

    /// The resource's access keys. By default random ones.
    pub fn access_keys(mut self, primary: &str, secondary: &str) -> Self {
        self.access_keys = Some(GivenKeys([primary.to_owned(), secondary.to_owned()]));
        self
    }

    /// One more tenant of the built-in Entra, for cross-tenant cases. The resource is in the first one.
    pub fn further_tenant(mut self, tenant: TenantId) -> Self {
        self.further_tenants.push(tenant);
        self
    }

    /// One more resource (audience) that Entra makes tokens for. The service itself and the application of the upstream
    /// are known.
    pub fn resource(mut self, resource: &str) -> Self {
        self.resources.push(resource.to_owned());
        self
    }

    /// The applications, instead of [`defaults::application`].
    pub fn applications(mut self, applications: impl IntoIterator<Item = Application>) -> Self {
        self.applications = Some(applications.into_iter().collect());
        self
    }

    /// The managed identities of the machine, instead of [`defaults::identities`].
    pub fn identities(mut self, identities: impl IntoIterator<Item = ManagedIdentity>) -> Self {
        self.identities = Some(identities.into_iter().collect());
        self
    }

    /// The roles on the resource, instead of *SignalR Service Owner* for all default principals.
    pub fn roles(mut self, roles: impl IntoIterator<Item = (ObjectId, Role)>) -> Self {
        self.roles = Some(roles.into_iter().collect());
        self
    }

    /// How it behaves where nobody knows how the service does.
    pub fn assumptions(mut self, assumptions: Assumptions) -> Self {
        self.assumptions = assumptions;
        self.assumptions_from_file = false;
        self
    }

    /// [`assumptions`](Self::assumptions) whose fields have the names of a file in errors.
    pub(crate) fn assumptions_of_file(mut self, assumptions: Assumptions) -> Self {
        self.assumptions = assumptions;
        self.assumptions_from_file = true;
        self
    }

    /// Sends all events of all hubs to this address, with a token of the resource's managed identity for the audience
    /// `api://` and the mock's [`audience_client_id`](MockEntra::audience_client_id). `{hub}`, `{category}` and `{event}`
    /// in its path and query are replaced.
    ///
    /// Several upstreams are asked in their order; the first that matches an event gets it.
    pub fn upstream(self, url: &str) -> Self {
        self.upstream_of_mock(UpstreamTemplate::new(url))
    }

    /// Sends events to an upstream as a template says, with a token for the mock's own audience.
    pub(crate) fn upstream_of_mock(mut self, template: UpstreamTemplate) -> Self {
        self.upstreams.push(UpstreamItem::OfMock(template));
        self
    }

    /// Sends events to an upstream as a template says.
    pub fn upstream_template(mut self, template: UpstreamTemplate) -> Self {
        self.upstreams.push(UpstreamItem::Template(template));
        self
    }

    /// One more authority, in PEM, whose certificates upstreams may show.
    pub fn upstream_authority(mut self, pem: &str) -> Self {
        self.upstream_authorities.push(pem.to_owned());
        self
    }

    /// Lets only pages of these origins read what the service answers, so that others cannot negotiate. `*` stands for all
    /// origins, which is the default.
    ///
    /// A WebSocket is not checked: CORS does not cover it. A page that skips the negotiation connects from any origin.
    pub fn allowed_origins<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed_origins = Some(origins.into_iter().map(str::to_owned).collect());
        self
    }

    /// Starts listening on 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if a port is taken, [`StartError::Setting`] if a host name is none, if an
    /// upstream's address or authority cannot be used, or if a time of the assumptions is too short.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its drivers enabled.
    pub async fn start(self) -> Result<Emulator, StartError> {
        self.assumptions.check(self.assumptions_from_file)?;
        let clock = EmulatorClock::new();
        let login_name = self.public_cloud.then(|| PUBLIC_LOGIN.to_owned());
        let authority = Authority::new(self.host_names.iter().cloned().chain(login_name))?;
        let https = bind("https_port", self.https_port).await?;
        let http = bind("http_port", self.http_port).await?;
        let entra_https = bind("authority_port", self.authority_port).await?;
        let identity_http = bind("identity_port", self.identity_port).await?;
        let proxy = if self.public_cloud { Some(bind("proxy_port", self.proxy_port).await?) } else { None };
        let proxy_url = proxy.as_ref().map(|proxy| format!("http://{}", proxy.address()));
        let endpoint = format!("https://{}", https.address());
        let client_endpoint = format!("http://{}", http.address());

        let mock = self.mock(&clock).await;
        let entra = Arc::new(Entra::new(EntraParts {
            clock: clock.clone(),
            identity_header: random::text(36),
            authority_url: format!("https://{}", entra_https.address()),
            identity_url: format!("http://{}", identity_http.address()),
            applications: self.applications.clone().unwrap_or_else(|| vec![defaults::application(&mock)]),
            identities: self.identities.clone().unwrap_or_else(|| defaults::identities(&mock)),
            resources: self.known_resources(&mock),
            mock,
        }));
        let roles = Arc::new(self.assigned_roles(&clock, &entra));
        let resource_keys = self.access_keys.clone().map_or_else(new_resource_keys, |GivenKeys(keys)| keys);
        let keys = Arc::new(AccessKeys::new(clock.clone(), Some(resource_keys).filter(|_| !self.disable_local_auth)));
        let faults = Arc::new(Faults::default());
        let log = Arc::new(RequestLog::new());
        let hubs = Arc::new(Hubs::new(clock.clone()));
        let own_names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let hosts: Vec<String> = self.host_names.iter().cloned().chain(own_names).collect();
        let assumptions = Arc::new(self.assumptions.clone());
        let events = Arc::new(Events::new());
        let upstream = Arc::new(Upstream::new(UpstreamParts {
            templates: self.templates(entra.mock())?,
            sender: self.upstream_sender()?,
            entra: Arc::clone(&entra),
            keys: Arc::clone(&keys),
            events: Arc::clone(&events),
            signs: assumptions.sign_upstream_calls,
        }));
        let clients = Arc::new(ClientRoom {
            hubs: Arc::clone(&hubs),
            keys: Arc::clone(&keys),
            clock: clock.clone(),
            assumptions: Arc::clone(&assumptions),
            upstream,
            events: Arc::clone(&events),
            cors: Cors { allowed: self.allowed_origins },
            hosts: hosts.clone(),
            negotiated: Mutex::default(),
            sessions: Tasks::new(),
        });
        let data_plane = Arc::new(DataPlane {
            hubs: Arc::clone(&hubs),
            keys: Arc::clone(&keys),
            roles: Arc::clone(&roles),
            entra: Arc::clone(&entra),
            clock: clock.clone(),
            assumptions,
            hosts,
            endpoint: endpoint.clone(),
        });
        let service = |serves_data_plane| {
            Arc::new(Service {
                data_plane: Arc::clone(&data_plane),
                clients: Arc::clone(&clients),
                events: Arc::clone(&events),
                faults: Arc::clone(&faults),
                log: Arc::clone(&log),
                serves_data_plane,
            })
        };
        let entra_service = Arc::new(EntraService {
            entra: Arc::clone(&entra),
            faults: Arc::clone(&faults),
            log: Arc::clone(&log),
            events: Arc::clone(&events),
            documents: Tasks::new(),
        });
        let mut serving = vec![
            https.serve(Some(authority.acceptor.clone()), service(true)),
            http.serve(None, service(self.plain_http)),
            entra_https.serve(Some(authority.acceptor.clone()), Arc::clone(&entra_service)),
            identity_http.serve(None, Arc::clone(&entra_service)),
        ];
        if let Some(proxy) = proxy {
            let target = format!("{PUBLIC_LOGIN}:443");
            serving.push(proxy.serve(None, Arc::new(Proxy::new(&target, authority.acceptor, entra_service))));
        }
        let authority_pem = authority.pem;
        let parts = Parts {
            endpoint,
            client_endpoint,
            proxy_url,
            authority_pem,
            clock,
            entra,
            keys,
            roles,
            faults,
            log,
            hubs,
            clients,
            events,
        };
        Ok(Emulator { parts, serving })
    }

    async fn mock(&self, clock: &EmulatorClock) -> MockEntra {
        let mut builder = MockEntra::builder().clock(Arc::new(clock.clone()));
        if self.public_cloud {
            builder = builder.public_cloud();
        }
        for tenant in &self.further_tenants {
            builder = builder.further_tenant(*tenant);
        }
        builder.start().await
    }

    fn templates(&self, mock: &MockEntra) -> Result<Vec<UpstreamTemplate>, StartError> {
        let audience = format!("api://{}", mock.audience_client_id());
        let template = |item: &UpstreamItem| {
            let (field, template) = match item {
                UpstreamItem::Template(template) => ("upstream_template", template.clone()),
                UpstreamItem::OfMock(template) => ("upstream", template.clone().managed_identity(&audience)),
            };
            let setting = |error: InvalidTemplate| StartError::Setting { field, problem: error.to_string() };
            template.check().map_err(setting)?;
            Ok(template)
        };
        self.upstreams.iter().map(template).collect()
    }

    fn upstream_sender(&self) -> Result<Sender, StartError> {
        let setting = |problem: String| StartError::Setting { field: "upstream_authority", problem };
        let mut authorities = Vec::new();
        for pem in &self.upstream_authorities {
            let read = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
            if read.is_empty() {
                return Err(setting("there is no certificate in PEM in it".to_owned()));
            }
            authorities.extend(read);
        }
        let Assumptions { upstream_retry_delays, upstream_timeout, .. } = &self.assumptions;
        Sender::new(authorities, upstream_retry_delays.clone(), *upstream_timeout)
            .map_err(|error| setting(format!("the certificates cannot be used: {error}")))
    }

    fn known_resources(&self, mock: &MockEntra) -> Vec<String> {
        let upstream = mock.audience_client_id();
        let own = [format!("api://{upstream}"), upstream.to_string()];
        own.into_iter().chain(self.resources.iter().cloned()).collect()
    }

    fn assigned_roles(&self, clock: &EmulatorClock, entra: &Entra) -> Roles {
        let roles = Roles::new(clock.clone());
        let default = || {
            let tenant = entra.mock().tenant();
            let applications = entra.applications().into_iter().filter_map(|application| application.object_id(tenant));
            let identities: Vec<_> = entra.identities().iter().map(ManagedIdentity::object_id).collect();
            applications.chain(identities).map(|object_id| (object_id, Role::ServiceOwner)).collect()
        };
        for (object_id, role) in self.roles.clone().unwrap_or_else(default) {
            roles.assign(object_id, role);
        }
        roles
    }
}

async fn bind(field: &'static str, port: u16) -> Result<Bound, StartError> {
    Bound::new(port).await.map_err(|source| StartError::Listen { field, port, source })
}

/// Where the public cloud's Entra is.
const PUBLIC_LOGIN: &str = "login.microsoftonline.com";

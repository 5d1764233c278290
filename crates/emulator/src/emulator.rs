//! The running emulator.

use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::attached::AttachedClient;
use crate::auth::{AccessKeys, Roles};
use crate::client::ClientRoom;
use crate::clock::EmulatorClock;
use crate::entra::Entra;
use crate::events::{EmulatorEvent, Events};
use crate::faults::Faults;
use crate::hub::Hubs;
use crate::log::RequestLog;
use crate::net::Serving;
use crate::settings::Settings;

/// A local Azure SignalR Service in serverless mode, with a Microsoft Entra of its own.
///
/// It listens on 127.0.0.1 until it is [stopped](Self::stop) or dropped. It is for tests and for work without Azure, never for production: whoever
/// reaches its ports can get tokens.
pub struct Emulator {
    pub(crate) parts: Parts,
    /// Dropped with the emulator, which closes the ports and the connections.
    pub(crate) serving: Vec<Serving>,
}

pub(crate) struct Parts {
    pub(crate) endpoint: String,
    pub(crate) client_endpoint: String,
    pub(crate) proxy_url: Option<String>,
    pub(crate) authority_pem: String,
    pub(crate) clock: EmulatorClock,
    pub(crate) entra: Arc<Entra>,
    pub(crate) keys: Arc<AccessKeys>,
    pub(crate) roles: Arc<Roles>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) clients: Arc<ClientRoom>,
    pub(crate) events: Arc<Events>,
}

impl Emulator {
    /// The service's endpoint, `https://127.0.0.1:` and a port, without a slash at the end. The REST API is there, and
    /// clients may connect there too.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.parts.endpoint
    }

    /// Where clients connect without TLS, `http://127.0.0.1:` and a port: the value of `ClientEndpoint`.
    #[must_use]
    pub fn client_endpoint(&self) -> &str {
        &self.parts.client_endpoint
    }

    /// The certificate of the authority that signed the certificates of all HTTPS ports, in PEM. It is new with each
    /// emulator, and its key is thrown away.
    #[must_use]
    pub fn certificate_authority_pem(&self) -> &str {
        &self.parts.authority_pem
    }

    /// The built-in Entra.
    #[must_use]
    pub fn entra(&self) -> &Entra {
        &self.parts.entra
    }

    /// Who has which role on the resource.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.parts.roles
    }

    /// The access keys of the resource.
    #[must_use]
    pub fn keys(&self) -> &AccessKeys {
        &self.parts.keys
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.parts.faults
    }

    /// The emulator's clock.
    #[must_use]
    pub fn clock(&self) -> &EmulatorClock {
        &self.parts.clock
    }

    /// What was asked of it.
    #[must_use]
    pub fn log(&self) -> &RequestLog {
        &self.parts.log
    }

    /// The settings for an app.
    #[must_use]
    pub fn settings(&self) -> Settings<'_> {
        Settings {
            endpoint: &self.parts.endpoint,
            client_endpoint: &self.parts.client_endpoint,
            proxy_url: self.parts.proxy_url.as_deref(),
            keys: &self.parts.keys,
            entra: &self.parts.entra,
        }
    }

    /// Connects a client to a hub without a socket and without a token. The upstream does not hear of it until the client
    /// [announces](AttachedClient::announce) itself or calls a method.
    #[must_use]
    pub fn attach_client(&self, hub: &str, user: Option<&str>) -> AttachedClient {
        let upstream = Arc::clone(&self.parts.clients.upstream);
        AttachedClient::new(Arc::clone(&self.parts.hubs), upstream, hub, user)
    }

    /// The events from now on. A listener that falls behind by some thousands loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<EmulatorEvent> {
        self.parts.events.subscribe()
    }

    /// Ends the emulator and waits for it: its ports are free, its connections closed, its tasks gone.
    ///
    /// A drop only asks for that. Use this before you start an emulator at the same ports.
    pub async fn stop(mut self) {
        for serving in std::mem::take(&mut self.serving) {
            serving.stop().await;
        }
        self.parts.clients.sessions.end().await;
    }

    /// Breaks the connections of all clients, as a failing network does. Those that have not shaken hands yet, or do not
    /// read, break too.
    pub fn drop_clients(&self) {
        self.parts.hubs.break_everyone();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The tasks of clients hold what they work on, and so would outlive it.
        self.parts.clients.sessions.abort();
        // So do attached clients, which learn of it here, as listeners do.
        self.parts.hubs.close();
        self.parts.events.close();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("endpoint", &self.parts.endpoint)
            .field("client_endpoint", &self.parts.client_endpoint)
            .field("ports", &self.serving.len())
            .finish_non_exhaustive()
    }
}

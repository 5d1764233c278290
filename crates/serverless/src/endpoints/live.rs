//! An endpoint at work: its calls, its token, its key.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use background_refresh::{Now, UnixTime};
use url::Url;

use crate::client_token::{Audience, SigningKey};
use crate::endpoint::{Auth, EndpointConfig, Priority};
use crate::entra;
use crate::error::{Error, ErrorKind, Result};
use crate::health::Health;
use crate::options::{ClientTokens, ServiceClientOptions};
use crate::renewal::Renewal;
use crate::rest::{Authorization, Base, Caller, Transport, no_clock};
use crate::router::EndpointStatus;
use crate::temporary_key;

/// One endpoint and everything that runs for it.
pub(crate) struct LiveEndpoint {
    pub(crate) caller: Arc<Caller>,
    priority: Priority,
    health: Arc<Health>,
    key: Key,
    /// `scheme://host`, without a port.
    origin: String,
    client_base: Base,
}

/// Where clients of one hub are sent.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) url: Arc<str>,
    /// Always of the endpoint itself, never of the address that clients use.
    pub(crate) audience: Audience,
}

/// How long one negotiation waits for keys, whichever endpoints it asks.
#[derive(Debug, Default)]
pub(crate) struct KeyWait(Option<Instant>);

impl KeyWait {
    /// The first wait sets it: a negotiation that finds a key reads the clock once.
    fn deadline(&mut self, now: Now) -> Instant {
        *self.0.get_or_insert(now.monotonic + KEY_WAIT_MAX)
    }
}

/// What signs client tokens.
enum Key {
    Temporary(Renewal<SigningKey>),
    Access(SigningKey),
    /// The service mints the tokens.
    None,
}

impl LiveEndpoint {
    /// Starts nothing.
    pub(crate) fn new(
        config: EndpointConfig,
        label: Arc<str>,
        transport: Transport,
        options: &ServiceClientOptions,
    ) -> Self {
        let health = Arc::new(Health::default());
        let clock = Arc::clone(&options.clock);
        let (authorization, own_key) = match config.auth {
            Auth::Entra(credential) => {
                let renewal = entra::renewal(credential, Arc::clone(&clock), Arc::clone(&label));
                (Authorization::Entra(renewal), None)
            }
            Auth::AccessKey(key) => {
                let key = SigningKey::new(key.hmac(), None);
                (Authorization::AccessKey(key.clone()), Some(key))
            }
        };
        let caller = Arc::new(Caller {
            transport,
            base: Base::new(config.server_endpoint.as_ref().unwrap_or(&config.endpoint).clone()),
            authorization,
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            endpoint: label,
        });
        let key = match (options.client_tokens, own_key) {
            (ClientTokens::Service, _) => Key::None,
            (ClientTokens::TemporaryKey, Some(key)) => Key::Access(key),
            (ClientTokens::TemporaryKey, None) => Key::Temporary(temporary_key::renewal(Arc::clone(&caller), clock)),
        };
        Self {
            caller,
            priority: config.priority,
            health,
            key,
            origin: origin(&config.endpoint),
            client_base: Base::new(config.client_endpoint.as_ref().unwrap_or(&config.endpoint).clone()),
        }
    }

    pub(crate) fn label(&self) -> &Arc<str> {
        &self.caller.endpoint
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// What its answers to the clients of this hub have in common.
    pub(crate) fn destination(&self, hub: &str) -> Destination {
        Destination {
            url: [self.client_base.as_str(), "/client/?hub=", hub].concat().into(),
            audience: Audience::new(&self.origin, hub),
        }
    }

    /// Signs with the key, with its end if it has one; waits for it as long as the negotiation may. `None` if the
    /// service mints the tokens.
    pub(crate) async fn with_key<T>(
        &self,
        wait: &mut KeyWait,
        sign: impl FnOnce(&SigningKey, UnixTime, Option<UnixTime>) -> Result<T>,
    ) -> Result<Option<T>> {
        let clock = &*self.caller.clock;
        match &self.key {
            Key::None => Ok(None),
            Key::Access(key) => sign(key, clock.now().ok_or_else(no_clock)?, None).map(Some),
            Key::Temporary(renewal) => {
                let mut now = Now::read(clock);
                let lease = match renewal.at_hand(now) {
                    Some(lease) => lease,
                    None => {
                        // Boxed, so that the future of a negotiation that does not wait is small.
                        let lease = Box::pin(renewal.get(wait.deadline(now))).await.map_err(key_error)?;
                        now = Now::read(clock);
                        lease
                    }
                };
                let wall = now.wall.ok_or_else(no_clock)?;
                sign(lease.value(), wall, temporary_key::end(&lease, now)).map(Some)
            }
        }
    }

    /// Waits until everything is at hand that a negotiation needs.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<()> {
        if let Authorization::Entra(renewal) = &self.caller.authorization {
            renewal.get(deadline).await.map_err(|error| error.with_endpoint(self.label()))?;
        }
        if let Key::Temporary(renewal) = &self.key {
            renewal.get(deadline).await.map_err(|error| key_error(error).with_endpoint(self.label()))?;
        }
        Ok(())
    }

    /// Whether everything is at hand. If not, sees to it that it is fetched: where traffic waits for readiness, no
    /// call would.
    pub(crate) fn is_ready(&self) -> bool {
        let now = Now::read(&*self.caller.clock);
        let has_token = match &self.caller.authorization {
            Authorization::Entra(renewal) => renewal.at_hand(now).is_some(),
            Authorization::AccessKey(_) => true,
        };
        let has_key = match &self.key {
            Key::Temporary(renewal) => renewal.at_hand(now).is_some(),
            Key::Access(_) | Key::None => true,
        };
        has_token && has_key
    }

    pub(crate) fn status(&self) -> EndpointStatus {
        let token = match &self.caller.authorization {
            Authorization::Entra(renewal) => Some(renewal.status()),
            Authorization::AccessKey(_) => None,
        };
        let key = match &self.key {
            Key::Temporary(renewal) => Some(renewal.status()),
            Key::Access(_) | Key::None => None,
        };
        let is_usable = |status: &Option<crate::renewal::Status>| status.as_ref().is_none_or(|status| status.is_usable);
        EndpointStatus {
            name: Arc::clone(self.label()),
            priority: self.priority,
            is_healthy: self.health.is_healthy(),
            is_ready: is_usable(&token) && is_usable(&key),
            key_age: key.as_ref().and_then(|key| key.age),
            last_error: [key, token].into_iter().flatten().find_map(|status| status.last_error),
        }
    }

    /// What the router of a negotiation needs to know, without the rest.
    pub(crate) fn candidate(&self) -> (Priority, bool, bool) {
        (self.priority, self.health.is_healthy(), self.is_ready())
    }
}

impl fmt::Debug for LiveEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.status(), f)
    }
}

/// A role that is missing stays what it is; everything else means that there is no key now.
fn key_error(error: Error) -> Error {
    if matches!(error.kind(), ErrorKind::RoleMissing { .. }) {
        return error;
    }
    let retry_after = error.retry_after().unwrap_or(COME_BACK);
    Error::new(ErrorKind::KeyUnavailable, "there is no temporary access key to sign client tokens with")
        .with_retry_after(Some(retry_after))
        .with_error(error)
}

/// Source: `ServiceEndpoint.cs` of [Azure/azure-signalr](https://github.com/Azure/azure-signalr): without the port.
fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Beyond this a client is better told to come back.
const KEY_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a caller is told when nothing better is known.
const COME_BACK: Duration = Duration::from_secs(1);

//! A request and the service that it meets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method, Request};
use mock_entra::{Endpoint, Fault, Jwk, MockEntra, SigningKey};
use signalr_upstream_auth::{Claims, Policy};
use support::entra;

use crate::expected::Expected;
use crate::leaks::with_canaries;
use crate::probes::Untouchable;
use crate::scenario::Scenario;

/// One request with what must become of it.
pub struct Entry {
    pub name: String,
    pub expected: Expected,
    pub sent: Sent,
    pub setup: Setup,
    /// The path that its key document is at, if it is another than the tenant's own.
    pub keys_at: Option<&'static str>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Sent {
    method: Method,
    uri: String,
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// Whether somebody before the layer has put claims into its extensions.
    has_claims: bool,
}

/// The service it meets.
#[allow(clippy::large_enum_variant, reason = "there is one for each entry, not for each request")]
pub enum Setup {
    /// A service with keys, which many entries meet one after the other.
    Warm,
    /// The same with another policy.
    Policy(Policy),
    /// A service without a clock.
    Clockless,
    /// A mock of its own whose service has its keys already.
    Loaded(Arc<MockEntra>),
    /// A mock of its own whose service has its keys already and reads them anew, when a document is answered otherwise.
    Served(Arc<MockEntra>, Endpoint, Fault),
    /// A mock of its own whose service has not asked for keys yet.
    Cold(Arc<MockEntra>),
    /// A service with a past.
    Scenario(Scenario),
}

impl Sent {
    /// A call with these `Authorization` lines.
    pub fn lines(lines: &[impl AsRef<[u8]>]) -> Self {
        let headers = lines.iter().map(|line| (AUTHORIZATION, line.as_ref().to_vec())).collect();
        Self { method: Method::POST, uri: "/upstream/chat/messages/echo".to_owned(), headers, has_claims: false }
    }

    /// A call with one token.
    pub fn token(token: &str) -> Self {
        Self::lines(&[format!("Bearer {token}")])
    }

    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    pub fn uri(self, uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..self }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.parse().unwrap(), value.as_ref().to_vec()));
        self
    }

    pub fn with_claims_of_another(self) -> Self {
        Self { has_claims: true, ..self }
    }

    /// Everything of it that can hold a token. The names of hub and event are logged as they are.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let is_named = |name: &HeaderName| ["x-asrs-hub", "x-asrs-event"].contains(&name.as_str());
        let values = self.headers.iter().filter(move |(name, _)| !is_named(name)).map(|(_, value)| &value[..]);
        values.chain([self.uri.as_bytes()])
    }

    pub fn request(&self, claims_of_another: &Claims, polled: &Arc<AtomicBool>) -> Request<Untouchable> {
        let mut request = Request::new(Untouchable(Arc::clone(polled)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.parse().unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        if self.has_claims {
            request.extensions_mut().insert(claims_of_another.clone());
        }
        request
    }
}

impl Entry {
    fn of(name: impl Into<String>, expected: Expected, sent: Sent, setup: Setup) -> Self {
        Self { name: name.into(), expected, sent, setup, keys_at: None }
    }

    /// A request to the usual service.
    pub fn sent(name: impl Into<String>, expected: Expected, sent: Sent) -> Self {
        Self::of(name, expected, sent, Setup::Warm)
    }

    /// A request to a service with another policy.
    pub fn to_policy(name: impl Into<String>, expected: Expected, sent: Sent, policy: Policy) -> Self {
        Self::of(name, expected, sent, Setup::Policy(policy))
    }

    /// A request to a service whose clock cannot be read.
    pub fn clockless(name: impl Into<String>, expected: Expected, sent: Sent) -> Self {
        Self::of(name, expected, sent, Setup::Clockless)
    }

    /// A token of a key that a mock of its own lists with a difference, beside two sound keys.
    pub fn listed(name: &str, expected: Expected, listed: impl FnOnce(&SigningKey) -> Jwk) -> Self {
        let entra = Arc::new(blocking(entra));
        let key = entra.new_key();
        entra.publish(listed(&key));
        let sent = Sent::token(&with_canaries(entra.token()).signed_by(&key).mint());
        Self::of(name, expected, sent, Setup::Loaded(entra))
    }

    /// A good token for a service that has its keys and reads them anew, when a document is answered otherwise.
    pub fn served(name: &str, expected: Expected, endpoint: Endpoint, fault: impl FnOnce(&MockEntra) -> Fault) -> Self {
        let entra = Arc::new(blocking(entra));
        let fault = fault(&entra);
        let sent = Sent::token(&with_canaries(entra.token()).mint());
        Self::of(name, expected, sent, Setup::Served(entra, endpoint, fault))
    }

    /// A good token for a service without keys, whose fetches of a document are all answered otherwise.
    pub fn unserved(
        name: &str,
        expected: Expected,
        endpoint: Endpoint,
        fault: impl FnOnce(&MockEntra) -> Fault,
    ) -> Self {
        let entra = Arc::new(blocking(entra));
        let fault = fault(&entra);
        entra.fail(endpoint, fault);
        let sent = Sent::token(&with_canaries(entra.token()).mint());
        Self::of(name, expected, sent, Setup::Cold(entra))
    }

    /// A request to a service with a mock and a past of its own.
    pub fn scenario(
        name: impl Into<String>,
        expected: Expected,
        tell: impl FnOnce(&MockEntra, &mut Scenario) -> Sent,
    ) -> Self {
        let entra = Arc::new(blocking(entra));
        let mut scenario = Scenario::new(Arc::clone(&entra));
        let sent = tell(&entra, &mut scenario);
        Self::of(name, expected, sent, Setup::Scenario(scenario))
    }

    /// With the key document at another path.
    pub fn keys_at(self, path: &'static str) -> Self {
        Self { keys_at: Some(path), ..self }
    }

    /// Everything that is sent for it and can hold a token.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let before = match &self.setup {
            Setup::Scenario(scenario) => Some(scenario.sent()),
            _ => None,
        };
        before.into_iter().flatten().chain([&self.sent]).flat_map(Sent::secrets)
    }

    /// The bytes of the whole request.
    pub fn bytes(&self) -> usize {
        self.sent.uri.len()
            + self.sent.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
    }
}

/// Entries are made inside a runtime already.
fn blocking<F: Future>(make: impl FnOnce() -> F) -> F::Output {
    let mut future = std::pin::pin!(make());
    match future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a mock starts without waiting"),
    }
}

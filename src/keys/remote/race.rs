//! Connections to the addresses of a name: staggered, kept going, the first that is up wins (RFC 8305 section 5).
//!
//! The connector of `reqwest` tries the addresses of a family one after the other, each for its share of
//! `connect_timeout`, and no other connector can take its place. So one request is sent once for each address, each time
//! with a resolver that knows this address only. A layer around the connector sees which connection is up first, DNS,
//! tunnel and TLS included. The other requests end before anything of them is sent.

use std::collections::HashMap;
use std::iter;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

/// Sends a request, and sends it again over another connection while none is up, until the addresses run out.
///
/// # Errors
///
/// That of the connection that was up first. When none was, the first error of all.
pub(super) async fn send<F, T, E>(paths: &Arc<Paths>, send: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let race = Arc::new(Race::new(Arc::clone(paths)));
    let mut entries = FuturesUnordered::from_iter([Arc::clone(&race).enter(0, send())]);
    let mut entered = 1;
    let mut first_error = None;
    loop {
        tokio::select! {
            biased;
            Some((number, outcome)) = entries.next() => match outcome {
                Some(Ok(response)) => return Ok(response),
                Some(Err(error)) if race.is_won_by(number) => return Err(error),
                Some(Err(error)) => {
                    let error = first_error.take().unwrap_or(error);
                    if entries.is_empty() && !race.has_address(entered) {
                        return Err(error);
                    }
                    first_error = Some(error);
                }
                None => continue,
            },
            () = race.until_due(entered) => {}
        }
        if race.has_address(entered) {
            entries.push(Arc::clone(&race).enter(entered, send()));
            entered += 1;
        }
    }
}

/// What the fetches of one endpoint teach about its addresses: a path may be up, and useless all the same.
#[derive(Default)]
pub(super) struct Paths(Mutex<Experience>);

#[derive(Default)]
struct Experience {
    /// Whether the latest fetch has not succeeded, or not yet.
    is_open: bool,
    /// Fetches that failed. Each begins one address further.
    failures: usize,
    /// The latest connection that was up, in this fetch.
    up: Option<SocketAddr>,
    /// The family of the connection that the latest failure had up. It comes last, and late.
    is_ipv6_avoided: Option<bool>,
}

impl Paths {
    /// A fetch begins. If the one before has not succeeded, it has failed, or was given up.
    pub(super) fn begin(&self) {
        let mut experience = lock(&self.0);
        if std::mem::replace(&mut experience.is_open, true) {
            experience.failures = experience.failures.wrapping_add(1);
            experience.is_ipv6_avoided = experience.up.map(|address| address.is_ipv6());
        }
        experience.up = None;
    }

    /// The fetch is a success: what was avoided for it stays so.
    pub(super) fn succeed(&self) {
        lock(&self.0).is_open = false;
    }

    /// The order in which to try addresses.
    fn order(&self, addresses: Vec<SocketAddr>) -> Order {
        let experience = lock(&self.0);
        let mut addresses = alternate(addresses);
        let first = experience.failures.checked_rem(addresses.len()).unwrap_or(0);
        addresses.rotate_left(first);
        let is_avoided = |address: &SocketAddr| experience.is_ipv6_avoided == Some(address.is_ipv6());
        addresses.sort_by_key(is_avoided);
        let late = addresses.iter().position(is_avoided).filter(|late| *late > 0).unwrap_or(addresses.len());
        Order { addresses, late }
    }
}

struct Order {
    addresses: Vec<SocketAddr>,
    /// From where on addresses have to wait longer.
    late: usize,
}

/// The connections of one request, numbered from 0.
struct Race {
    paths: Arc<Paths>,
    state: Mutex<RaceState>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct RaceState {
    /// What the resolver answered: for one name, unless a proxy has the destination looked up, too.
    orders: HashMap<String, Order>,
    /// The latest connection that knows its address, and since when.
    latest: Option<(usize, Instant)>,
    winner: Option<usize>,
}

impl Race {
    fn new(paths: Arc<Paths>) -> Self {
        Self { paths, state: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// `None` when another connection is up before.
    async fn enter<F: Future>(self: Arc<Self>, number: usize, request: F) -> (usize, Option<F::Output>) {
        let entry = Entry { race: Arc::clone(&self), number };
        let outcome = tokio::select! {
            biased;
            () = self.until_lost(number) => None,
            outcome = ENTRY.scope(entry, request) => Some(outcome),
        };
        (number, outcome)
    }

    /// Whether a connection of this number has an address of its own and may still win.
    fn has_address(&self, number: usize) -> bool {
        let state = self.state();
        state.winner.is_none() && state.orders.values().any(|order| number < order.addresses.len())
    }

    fn is_won_by(&self, number: usize) -> bool {
        self.state().winner == Some(number)
    }

    /// Waits until the connection before this one has had its time.
    async fn until_due(&self, number: usize) {
        let mut changes = self.changed.subscribe();
        loop {
            let before = self.state().latest.filter(|(latest, _)| latest + 1 == number);
            let due = before.filter(|_| self.has_address(number)).map(|(_, since)| since + self.stagger(number));
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // The sender lives as long as `self`.
                _ = changes.changed() => {}
                () = wait => return,
            }
        }
    }

    fn stagger(&self, number: usize) -> Duration {
        if self.state().orders.values().any(|order| number >= order.late) { LONG_STAGGER } else { STAGGER }
    }

    async fn until_lost(&self, number: usize) {
        // The sender lives as long as `self`.
        let _ =
            self.changed.subscribe().wait_for(|()| self.state().winner.is_some_and(|winner| winner != number)).await;
    }

    /// The address of a name that is this connection's. `None` before the name was looked up.
    fn address(&self, name: &str, number: usize) -> Option<SocketAddr> {
        let mut state = self.state();
        let address = state.orders.get(name)?.address(number);
        state.latest = Some((number, Instant::now()));
        drop(state);
        self.changed.send_replace(());
        address
    }

    fn looked_up(&self, name: String, addresses: Vec<SocketAddr>) {
        self.state().orders.insert(name, self.paths.order(addresses));
    }

    /// A connection is up. Says whether it is the first.
    fn finish(&self, number: usize) -> bool {
        let mut state = self.state();
        let is_first = *state.winner.get_or_insert(number) == number;
        if is_first {
            lock(&self.paths.0).up = state.orders.values().find_map(|order| order.address(number));
        }
        drop(state);
        self.changed.send_replace(());
        is_first
    }

    fn state(&self) -> MutexGuard<'_, RaceState> {
        lock(&self.state)
    }
}

impl Order {
    /// A name with fewer addresses than another begins again.
    fn address(&self, number: usize) -> Option<SocketAddr> {
        self.addresses.get(number.checked_rem(self.addresses.len())?).copied()
    }
}

/// No change under a lock is left half-done by a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The families take turns, beginning with that of the first address (RFC 8305 section 4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    iter::from_fn(|| Some([first.next(), second.next()]))
        .take_while(|pair| pair.iter().any(Option::is_some))
        .flatten()
        .flatten()
        .take(MAX_ADDRESSES)
        .collect()
}

tokio::task_local! {
    /// Which connection of which race is being made.
    static ENTRY: Entry;
}

#[derive(Clone)]
struct Entry {
    race: Arc<Race>,
    number: usize,
}

/// Tells each connection of a race one address. Outside of a race it tells what the resolver below it does.
pub(super) struct OneAddress(pub(super) Arc<dyn Resolve>);

impl Resolve for OneAddress {
    fn resolve(&self, name: Name) -> Resolving {
        let Ok(entry) = ENTRY.try_with(Clone::clone) else { return self.0.resolve(name) };
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            let text = name.as_str().to_owned();
            let mut address = entry.race.address(&text, entry.number);
            if address.is_none() {
                let addresses = resolver.resolve(name).await?;
                entry.race.looked_up(text.clone(), addresses.collect());
                address = entry.race.address(&text, entry.number);
            }
            let address: Addrs = Box::new(address.into_iter());
            Ok(address)
        })
    }
}

/// The resolver of the system.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The connector sets the port.
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Reports each connection of a race that is up, and closes it unless it is the first.
#[derive(Clone)]
pub(super) struct FirstConnection;

impl<S> Layer<S> for FirstConnection {
    type Service = Connector<S>;

    fn layer(&self, connector: S) -> Connector<S> {
        Connector(connector)
    }
}

#[derive(Clone)]
pub(super) struct Connector<S>(S);

type ConnectError = Box<dyn std::error::Error + Send + Sync>;

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R, Error = ConnectError>,
    S::Response: Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        let Ok(entry) = ENTRY.try_with(Clone::clone) else { return Box::pin(connecting) };
        Box::pin(async move {
            // The pool may go on with it outside of the request.
            let connection = ENTRY.scope(entry.clone(), connecting).await?;
            if entry.race.finish(entry.number) { Ok(connection) } else { Err("another address was faster".into()) }
        })
    }
}

/// The Connection Attempt Delay that RFC 8305 section 8 recommends.
const STAGGER: Duration = Duration::from_millis(250);

/// The Maximum Connection Attempt Delay of the same section, for a family that was up and failed: it must not win again
/// because it is up sooner.
const LONG_STAGGER: Duration = Duration::from_secs(2);

/// Entra's names have eight of each family.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
#[path = "tests/race.rs"]
mod tests;

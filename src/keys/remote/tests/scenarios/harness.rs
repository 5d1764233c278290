//! A store on paused time, a provider that is a script, and a wall clock that can be set.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::clock::{Clock, UnixTime};
use crate::error::{KeyError, KeyErrorKind, Rejection};
use crate::ids::KeyId;
use crate::keys::jwks::KeySet;
use crate::keys::remote::schedule::{Failure, Fetched};
use crate::keys::remote::status::KeyStatus;
use crate::keys::remote::store::{Fetch, KeyStore};
use crate::keys::remote::timing::Timing;
use crate::keys::sample::{document, key};
use crate::keys::source::{KeyFuture, Lookup};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";

/// A store with what surrounds it.
pub(super) struct Harness {
    pub(super) store: Arc<KeyStore>,
    pub(super) provider: Arc<Provider>,
    pub(super) clock: Arc<WallClock>,
}

impl Harness {
    /// A store that has fetched nothing yet.
    pub(super) fn cold(script: impl FnMut(Attempt) -> Reply + Send + 'static) -> Self {
        Self::build(Timing::default(), None, script)
    }

    /// A store that has fetched once, from a script whose first reply must be good.
    pub(super) async fn warm(script: impl FnMut(Attempt) -> Reply + Send + 'static) -> Self {
        let harness = Self::cold(script);
        ended(harness.store.wait_for_keys()).await.expect("the first reply of the script is good");
        harness
    }

    pub(super) fn build(
        timing: Timing,
        seed: Option<(KeySet, UnixTime)>,
        script: impl FnMut(Attempt) -> Reply + Send + 'static,
    ) -> Self {
        Self::on(Arc::new(WallClock::new()), timing, seed, script)
    }

    /// A store that has taken over from this one.
    pub(super) fn successor(&self, timing: Timing, script: impl FnMut(Attempt) -> Reply + Send + 'static) -> Self {
        let successor = Self::on(Arc::clone(&self.clock), timing, None, script);
        successor.store.take_over(&self.store);
        successor
    }

    fn on(
        clock: Arc<WallClock>,
        timing: Timing,
        seed: Option<(KeySet, UnixTime)>,
        script: impl FnMut(Attempt) -> Reply + Send + 'static,
    ) -> Self {
        let provider = Arc::new(Provider::new(script));
        let tenant = TENANT.parse().unwrap();
        let store = KeyStore::new(tenant, timing, clock.clone(), seed, provider.fetch());
        Self { store: Arc::new(store), provider, clock }
    }

    /// Lets time pass while each of these keys is used once in every step, by requests that do not wait for
    /// each other. Ends when all of them are answered.
    pub(super) async fn serve(&self, time: Duration, step: Duration, names: &[&str]) -> Tally {
        let mut load = Load::new(names);
        let end = Instant::now() + time;
        while Instant::now() < end {
            load.use_all(&self.store);
            sleep(step.min(end - Instant::now())).await;
        }
        load.finish().await
    }

    /// One request, and how long it took.
    pub(super) async fn request(&self, name: &str) -> (Outcome, Duration) {
        let begun = Instant::now();
        (request(&self.store, &KeyId::new(name)).await, begun.elapsed())
    }

    /// What a look at readiness does.
    pub(super) fn is_ready(&self) -> bool {
        self.store.start();
        self.store.is_serving()
    }

    pub(super) fn status(&self) -> KeyStatus {
        self.store.status()
    }
}

/// Requests that are under way, and what came of those that ended.
pub(super) struct Load {
    ids: Vec<KeyId>,
    tally: Tally,
    waiting: JoinSet<(Outcome, Duration)>,
}

impl Load {
    pub(super) fn new(names: &[&str]) -> Self {
        let ids = names.iter().map(|name| KeyId::new(name)).collect();
        Self { ids, tally: Tally::default(), waiting: JoinSet::new() }
    }

    /// One request for each key. Those that are answered at once are not made to wait.
    pub(super) fn use_all(&mut self, store: &Arc<KeyStore>) {
        for id in &self.ids {
            match store.lookup_now(id) {
                Lookup::Found(_) => self.tally.count(Outcome::Pass),
                Lookup::Rejected(error) => self.tally.count(Outcome::from(&error)),
                Lookup::Miss => {
                    self.tally.waited += 1;
                    let (begun, resolve) = (Instant::now(), store.resolve(id.clone()));
                    self.waiting.spawn(async move { (Outcome::of(ended(resolve).await), begun.elapsed()) });
                }
            }
        }
        while let Some(ended) = self.waiting.try_join_next() {
            self.tally.count_slow(ended.unwrap());
        }
    }

    pub(super) async fn finish(mut self) -> Tally {
        while let Some(ended) = ended(self.waiting.join_next()).await {
            self.tally.count_slow(ended.unwrap());
        }
        self.tally
    }
}

pub(super) async fn request(store: &KeyStore, id: &KeyId) -> Outcome {
    match store.lookup_now(id) {
        Lookup::Found(_) => Outcome::Pass,
        Lookup::Rejected(error) => Outcome::from(&error),
        Lookup::Miss => Outcome::of(ended(store.resolve(id.clone())).await),
    }
}

/// What should come to an end does: a test that hangs tells less than one that fails.
pub(super) async fn ended<F: Future>(future: F) -> F::Output {
    timeout(DAY, future).await.expect("it comes to an end")
}

/// What a request with a good token is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::keys) enum Outcome {
    /// It is served.
    Pass,
    /// 401: lost for good.
    Invalid,
    /// 503: come again.
    Wait,
}

impl Outcome {
    pub(in crate::keys) fn of<T>(result: Result<T, KeyError>) -> Self {
        result.as_ref().map_or_else(Self::from, |_| Self::Pass)
    }
}

impl From<&KeyError> for Outcome {
    fn from(error: &KeyError) -> Self {
        match Rejection::from(error.clone()).status().as_u16() {
            401 => Self::Invalid,
            503 => Self::Wait,
            status => panic!("{status}"),
        }
    }
}

/// What came of many requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) invalid: u64,
    pub(super) wait: u64,
    /// Those that were not answered at their first poll.
    pub(super) waited: u64,
    pub(super) slowest: Duration,
}

impl Tally {
    /// Good requests that were not served.
    pub(super) fn lost(&self) -> u64 {
        self.invalid + self.wait
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.passed += 1,
            Outcome::Invalid => self.invalid += 1,
            Outcome::Wait => self.wait += 1,
        }
    }

    pub(super) fn count_slow(&mut self, (outcome, time): (Outcome, Duration)) {
        self.count(outcome);
        self.slowest = self.slowest.max(time);
    }

    pub(super) fn slowest_millis(&self) -> u64 {
        u64::try_from(self.slowest.as_millis()).unwrap()
    }
}

/// What the provider does in one attempt.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// 200 with this body.
    Document(String),
    /// Anything that is no answer.
    Failure { retry_after: Option<Duration> },
    /// Nothing, for ever.
    Silence,
    /// The code that reads it panics.
    Panic,
    /// The same after a while.
    After(Duration, Box<Self>),
}

impl Reply {
    pub(super) fn keys(names: &[&str]) -> Self {
        Self::Document(document(&names.iter().map(|name| key(name)).collect::<Vec<_>>()))
    }

    pub(super) const DOWN: Self = Self::Failure { retry_after: None };

    pub(super) fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }
}

/// One attempt, as the script sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// From 0.
    pub(super) number: usize,
    /// Since the harness was built.
    pub(super) at: Duration,
}

/// The provider: a script, and a record of what was asked of it.
pub(super) struct Provider {
    script: Mutex<Box<dyn FnMut(Attempt) -> Reply + Send>>,
    start: Instant,
    begun: Mutex<Vec<Instant>>,
    /// Attempts under way; a dropped one is not.
    open: Arc<()>,
}

impl Provider {
    fn new(script: impl FnMut(Attempt) -> Reply + Send + 'static) -> Self {
        let begun = Mutex::default();
        Self { script: Mutex::new(Box::new(script)), start: Instant::now(), begun, open: Arc::default() }
    }

    pub(super) fn fetch(self: &Arc<Self>) -> Fetch {
        let provider = Arc::clone(self);
        Arc::new(move || {
            let provider = Arc::clone(&provider);
            Box::pin(async move {
                let _open = Arc::clone(&provider.open);
                let reply = provider.next();
                reply.play().await
            })
        })
    }

    /// Replaces the script.
    pub(super) fn now_plays(&self, script: impl FnMut(Attempt) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub(super) fn attempts(&self) -> u64 {
        u64::try_from(self.begun.lock().unwrap().len()).unwrap()
    }

    /// Requests that a real provider would have got.
    pub(super) fn requests(&self) -> u64 {
        self.attempts() * 2
    }

    pub(super) fn open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// When attempts began, since the harness was built.
    pub(super) fn times(&self) -> Vec<Duration> {
        self.begun.lock().unwrap().iter().map(|at| *at - self.start).collect()
    }

    /// The most attempts that began within any span of this length.
    pub(super) fn most_within(&self, span: Duration) -> u64 {
        let times = self.times();
        let within = |first: &Duration| times.iter().filter(|at| (*first..*first + span).contains(*at)).count();
        u64::try_from(times.iter().map(within).max().unwrap_or(0)).unwrap()
    }

    fn next(&self) -> Reply {
        let now = Instant::now();
        let mut begun = self.begun.lock().unwrap();
        let attempt = Attempt { number: begun.len(), at: now - self.start };
        begun.push(now);
        drop(begun);
        (self.script.lock().unwrap())(attempt)
    }
}

impl Reply {
    fn play(self) -> KeyFuture<Result<Fetched, Failure>> {
        Box::pin(async move {
            match self {
                Self::Document(text) => Fetched::read(text.as_bytes(), None, None),
                Self::Failure { retry_after } => Err(Failure { retry_after, ..KeyError::unavailable("down").into() }),
                Self::Silence => std::future::pending().await,
                Self::Panic => panic!("the parser has met its match"),
                Self::After(wait, reply) => {
                    sleep(wait).await;
                    reply.play().await
                }
            }
        })
    }
}

/// A wall clock that goes with the paused time, can jump, and can break.
pub(super) struct WallClock {
    start: Instant,
    /// Seconds that it is ahead. `i64::MIN` when it cannot be read, as one that stands before 1970.
    ahead: AtomicI64,
}

impl WallClock {
    fn new() -> Self {
        Self { start: Instant::now(), ahead: AtomicI64::new(0) }
    }

    pub(super) fn jump(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn set_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn breaks(&self) {
        self.set_ahead(i64::MIN);
    }

    pub(super) const EPOCH: u64 = 1_700_000_000;
}

impl Clock for WallClock {
    fn now(&self) -> Option<UnixTime> {
        let time = Self::EPOCH + self.start.elapsed().as_secs();
        match self.ahead.load(Ordering::Relaxed) {
            i64::MIN => None,
            ahead => time.checked_add_signed(ahead).map(UnixTime::from_secs),
        }
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

pub(super) fn kind<T>(result: Result<T, KeyError>) -> Option<KeyErrorKind> {
    result.err().map(|error| error.kind())
}

//! Remote keys on a mock Entra, with keys loaded, attempts that the test starts, and good requests all the while.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mock_entra::{Fault, MockEntra, Requests, Target};
use signalr_upstream_auth::keys::reqwest::{ClientBuilder, redirect};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys, RemoteKeysBuilder};
use signalr_upstream_auth::{Policy, Validator};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// The deadline of an attempt, and how much longer it may seem to take on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_millis(200);
pub(super) const SLACK: Duration = Duration::from_millis(400);

pub(super) struct Harness {
    pub(super) keys: RemoteKeys,
    validator: Validator,
    good: HeaderMap,
    load: Load,
}

impl Harness {
    /// Keys from the mock's own address.
    pub(super) async fn warm(entra: &MockEntra) -> Self {
        Self::warm_with(entra, entra.policy(), |keys| keys).await
    }

    /// The same with a deadline that successful attempts meet on the busiest machine.
    pub(super) async fn warm_and_patient(entra: &MockEntra) -> Self {
        Self::warm_with(entra, entra.policy(), |keys| keys.fetch_timeout(Duration::from_secs(2))).await
    }

    /// Keys from anywhere, which must be good at first.
    pub(super) async fn warm_with(
        entra: &MockEntra,
        policy: Policy,
        configure: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder,
    ) -> Self {
        let keys = configure(RemoteKeys::builder(&policy).fetch_timeout(DEADLINE)).build().unwrap();
        // Not under test here: on a machine that starts many things at once the first handshake takes its time.
        for _ in 0..20 {
            if keys.wait_for_keys().await.is_ok() {
                break;
            }
        }
        assert!(keys.is_ready(), "{:?}", keys.status());
        let validator = Validator::new(policy, keys.clone());
        let good = bearer(&entra.token().mint());
        let load = Load::start(validator.clone(), good.clone());
        Self { keys, validator, good, load }
    }

    /// So many attempts, one after the other.
    pub(super) async fn attempt(&self, times: u32) -> Attempts {
        let mut attempts = Attempts::default();
        for _ in 0..times {
            let begun = Instant::now();
            let outcome = timeout(Duration::from_secs(20), self.keys.refresh_now()).await.expect("an attempt ends");
            attempts.slowest = attempts.slowest.max(begun.elapsed());
            match outcome {
                Ok(()) => attempts.good += 1,
                Err(_) => attempts.failed += 1,
            }
        }
        attempts
    }

    /// How many keys are held.
    pub(super) fn cached_keys(&self) -> usize {
        self.keys.status()[0].keys()
    }

    /// Good requests that were not answered at their first poll, of all that there were so far. Ends the load.
    pub(super) async fn lost(self) -> u64 {
        assert!(is_accepted_at_once(&self.validator, &self.good), "to the end");
        self.load.finish().await
    }
}

/// What came of some attempts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    pub(super) good: u64,
    pub(super) failed: u64,
    pub(super) slowest: Duration,
}

impl std::ops::AddAssign for Attempts {
    fn add_assign(&mut self, other: Self) {
        self.good += other.good;
        self.failed += other.failed;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// A good request every millisecond.
struct Load {
    is_over: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    task: JoinHandle<u64>,
}

impl Load {
    fn start(validator: Validator, good: HeaderMap) -> Self {
        let (is_over, lost) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let task = tokio::spawn({
            let (is_over, lost) = (Arc::clone(&is_over), Arc::clone(&lost));
            async move {
                let mut requests = 0;
                while !is_over.load(Ordering::Relaxed) {
                    requests += 1;
                    lost.fetch_add(u64::from(!is_accepted_at_once(&validator, &good)), Ordering::Relaxed);
                    sleep(Duration::from_millis(1)).await;
                }
                requests
            }
        });
        Self { is_over, lost, task }
    }

    async fn finish(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        assert!(self.task.await.unwrap() > 0, "there were requests");
        self.lost.load(Ordering::Relaxed)
    }
}

fn is_accepted_at_once(validator: &Validator, headers: &HeaderMap) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(pin!(validator.validate(headers)).poll(&mut cx), Poll::Ready(Ok(_)))
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

/// Several faults, each for two attempts, and what they came to.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) attempts: Attempts,
    pub(super) lost: u64,
    pub(super) requests: usize,
    pub(super) most_open: usize,
    pub(super) left_open: usize,
    pub(super) keys_changed: usize,
}

/// Puts each fault in the place of the answers of its target. None of them may do any harm.
pub(super) async fn suffer(faults: impl IntoIterator<Item = (impl Into<Target>, Fault)>) -> Figures {
    suffer_with(faults, |keys| keys).await
}

pub(super) async fn suffer_with(
    faults: impl IntoIterator<Item = (impl Into<Target>, Fault)>,
    configure: fn(RemoteKeysBuilder) -> RemoteKeysBuilder,
) -> Figures {
    let mut figures = Figures::default();
    for (target, fault) in faults {
        let entra = Arc::new(MockEntra::start().await);
        let harness = Harness::warm_with(&entra, entra.policy(), configure).await;
        let held = harness.cached_keys();
        let before = total(&entra);
        entra.fail(target, fault);
        let watch = Watch::start(&entra);
        figures.attempts += harness.attempt(2).await;
        figures.most_open = figures.most_open.max(watch.finish().await);
        figures.requests += total(&entra) - before;
        figures.keys_changed += harness.cached_keys().abs_diff(held);
        figures.lost += harness.lost().await;
        let closed = entra.requests_until(|requests| requests.open_connections() == 0);
        figures.left_open += usize::from(timeout(Duration::from_secs(1), closed).await.is_err());
    }
    figures
}

fn total(entra: &MockEntra) -> usize {
    entra.requests().log().len()
}

/// The most connections that were open at once.
struct Watch {
    task: JoinHandle<()>,
    most: Arc<AtomicUsize>,
}

impl Watch {
    fn start(entra: &Arc<MockEntra>) -> Self {
        let most = Arc::<AtomicUsize>::default();
        let task = tokio::spawn({
            let (entra, most) = (Arc::clone(entra), Arc::clone(&most));
            // Asks at every change, and is never content.
            let look = move |requests: &Requests| {
                most.fetch_max(requests.open_connections(), Ordering::Relaxed);
                false
            };
            async move { drop(entra.requests_until(look).await) }
        });
        Self { task, most }
    }

    async fn finish(self) -> usize {
        self.task.abort();
        let _ = self.task.await;
        self.most.load(Ordering::Relaxed)
    }
}

/// A user who has configured everything that must not hold.
pub(super) fn reckless(client: ClientBuilder) -> ClientBuilder {
    client
        .tls_danger_accept_invalid_certs(true)
        .redirect(redirect::Policy::limited(10))
        .gzip(true)
        .http2_prior_knowledge()
        .https_only(false)
        .timeout(Duration::from_secs(600))
        .connect_timeout(Duration::from_secs(600))
}

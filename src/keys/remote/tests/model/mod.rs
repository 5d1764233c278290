//! The store, line for line the one that is built, on a model of what it runs on.
//!
//! Shuttle runs each test thousands of times and decides at every lock, wake-up and await who goes next: at random, and
//! by probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010), which finds an order of d steps with a known
//! chance. A wake-up that is lost shows as a deadlock, since time stands still. A failure prints its schedule, for
//! `shuttle::replay`.

mod runtime;
#[path = "../../store.rs"]
#[allow(clippy::duplicate_mod, reason = "the same file on another foundation is the point")]
#[allow(dead_code, reason = "the same file as the store that is built; not all of it is called here")]
mod store;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use self::store::KeyStore;
use crate::keys::remote::tests::scenarios::{Outcome, Row};

use crate::clock::{Clock, UnixTime};
use crate::error::KeyError;
use crate::ids::KeyId;
use crate::keys::remote::schedule::Fetched;
use crate::keys::remote::timing;
use crate::keys::sample::{id, set};
use crate::keys::source;

/// Runs a test in so many orders at random, and half as many by priorities that change a few times.
fn explore(schedules: usize, test: fn()) {
    let config = || {
        let mut config = Config::new();
        config.silence_warnings = true;
        config
    };
    Runner::new(RandomScheduler::new(schedules), config()).run(test);
    Runner::new(PctScheduler::new(3, schedules / 2), config()).run(test);
}

/// A store, and what was asked of its provider.
struct Model {
    store: Arc<KeyStore>,
    attempts: Arc<AtomicUsize>,
}

impl Model {
    /// A provider whose n-th answer has these keys; without keys it fails. The last one repeats.
    fn new(answers: &'static [&'static [&'static str]]) -> Self {
        let attempts = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&attempts);
        let fetch = Arc::new(move || -> source::KeyFuture<_> {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            let names = answers.get(number).or_else(|| answers.last()).expect("there is an answer");
            Box::pin(async move {
                yield_now().await;
                yield_now().await;
                match names.is_empty() {
                    true => Err(KeyError::unavailable("down").into()),
                    false => Ok(Fetched { keys: set(names), discovery_error: None }),
                }
            })
        });
        let tenant = "11111111-aaaa-4bbb-8ccc-222222222222".parse().expect("a GUID");
        let store = KeyStore::new(tenant, timing::Timing::default(), Arc::new(Noon), None, fetch);
        Self { store: Arc::new(store), attempts }
    }

    fn warm(answers: &'static [&'static [&'static str]]) -> Self {
        let model = Self::new(answers);
        block_on(model.store.wait_for_keys()).expect("the first answer is good");
        model
    }

    fn request(&self, name: &str) -> JoinHandle<Outcome> {
        spawn(request(Arc::clone(&self.store), id(name)))
    }

    /// A request whose client hangs up after some polls, or a few more, or not at all.
    fn impatient_request(&self, name: &str) -> JoinHandle<Option<Outcome>> {
        let polls = thread_rng().gen_range(0..6);
        spawn(UpTo { polls, future: Box::pin(request(Arc::clone(&self.store), id(name))) })
    }

    /// What a look at readiness does.
    fn is_ready(&self) -> bool {
        self.store.start();
        self.store.is_serving()
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Drops the store and waits until everything that belonged to it is gone.
    fn end(self) {
        let Self { store, attempts } = self;
        drop(Arc::into_inner(store).expect("the last handle"));
        block_on(async {
            // The fetch function holds the other one.
            while Arc::strong_count(&attempts) > 1 {
                yield_now().await;
            }
        });
    }
}

async fn request(store: Arc<KeyStore>, id: KeyId) -> Outcome {
    match store.lookup_now(&id) {
        source::Lookup::Found(_) => Outcome::Pass,
        source::Lookup::Rejected(error) => Outcome::from(&error),
        source::Lookup::Miss => {
            let resolve = store.resolve(id);
            // As a request does, which keeps no handle of its own while it waits.
            drop(store);
            Outcome::of(resolve.await)
        }
    }
}

struct UpTo<F> {
    polls: usize,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for UpTo<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let polled = if self.polls == 0 { Poll::Pending } else { self.future.as_mut().poll(cx) };
        self.polls = self.polls.saturating_sub(1);
        match polled {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_700_000_000))
    }
}

fn join<T>(task: JoinHandle<T>) -> T {
    block_on(task).expect("nobody aborts it")
}

#[test]
fn first_load_is_one_fetch_for_everybody() {
    explore(2000, || {
        let model = Model::new(&[&["a"]]);
        let requests: Vec<_> = (0..3).map(|_| model.request("a")).collect();
        let ready = spawn(model.store.wait_for_keys());
        assert!(requests.into_iter().all(|request| join(request) == Outcome::Pass));
        assert!(join(ready).is_ok());
        assert_eq!(model.attempts(), 1);
        model.end();
    });
}

#[test]
fn on_demand_refresh_is_one_fetch_for_all_waiters() {
    explore(2000, || {
        let model = Model::warm(&[&["a"], &["a", "new"]]);
        let (found, missing) = ([model.request("new"), model.request("new")], model.request("unknown"));
        assert!(found.into_iter().all(|request| join(request) == Outcome::Pass));
        assert_eq!(join(missing), Outcome::Invalid);
        assert_eq!(model.attempts(), 2);
        model.end();
    });
}

#[test]
fn failed_on_demand_refresh_answers_503_to_all_waiters() {
    explore(1000, || {
        let model = Model::warm(&[&["a"], &[]]);
        let requests: Vec<_> = (0..3).map(|_| model.request("unknown")).collect();
        assert!(requests.into_iter().all(|request| join(request) == Outcome::Wait));
        assert_eq!(model.attempts(), 2);
        model.end();
    });
}

#[test]
fn scenario_49_dropped_requests_take_nothing_with_them() {
    const SCHEDULES: usize = 4000;
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    static LOST: AtomicUsize = AtomicUsize::new(0);
    static MOST_ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
    explore(SCHEDULES, || {
        // A first load and an on-demand refresh: which client disconnects when is left to chance.
        BEGUN.fetch_add(1, Ordering::Relaxed);
        let model = Model::new(&[&["a"], &["a", "new"]]);
        for name in ["a", "new"] {
            let impatient: Vec<_> = (0..3).map(|_| model.impatient_request(name)).collect();
            let patient = model.request(name);
            let answered = impatient.into_iter().filter_map(join).chain([join(patient)]);
            LOST.fetch_add(answered.filter(|outcome| *outcome != Outcome::Pass).count(), Ordering::Relaxed);
        }
        MOST_ATTEMPTS.fetch_max(model.attempts(), Ordering::Relaxed);
        model.end();
        ENDED.fetch_add(1, Ordering::Relaxed);
    });
    explore(SCHEDULES, || {
        // A provider that is away at first.
        BEGUN.fetch_add(1, Ordering::Relaxed);
        let model = Model::new(&[&[], &[], &["a"]]);
        let time = Time::start();
        let impatient: Vec<_> = (0..3).map(|_| model.impatient_request("a")).collect();
        let patient = model.request("a");
        let answered = impatient.into_iter().filter_map(join).chain([join(patient)]);
        LOST.fetch_add(answered.filter(|outcome| *outcome == Outcome::Invalid).count(), Ordering::Relaxed);
        time.stop();
        model.end();
        ENDED.fetch_add(1, Ordering::Relaxed);
    });
    let (begun, ended) = (BEGUN.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
    Row::new(49, "requests dropped at every await, in a model (requests: attempts)")
        .fetches(MOST_ATTEMPTS.load(Ordering::Relaxed), 2)
        .lost(LOST.load(Ordering::Relaxed), 0)
        .figure("schedules", begun, 10_000..)
        // Shuttle ends a schedule in which nobody can go on.
        .figure("hangs", begun - ended, 0)
        .print();
}

/// Time that passes, half a second whenever it is its turn.
struct Time {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Time {
    fn start() -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let task = spawn(async move {
            while !over.load(Ordering::Relaxed) {
                runtime::pass(Duration::from_millis(500));
                yield_now().await;
            }
        });
        Self { is_over, task }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        join(self.task);
    }
}

#[test]
fn provider_that_comes_back_is_found_within_the_wait() {
    explore(1000, || {
        let model = Model::new(&[&[], &[], &["a"]]);
        let time = Time::start();
        let requests: Vec<_> = (0..3).map(|_| model.request("a")).collect();
        requests.into_iter().for_each(|request| assert_ne!(join(request), Outcome::Invalid));
        block_on(async {
            while !model.is_ready() {
                yield_now().await;
            }
        });
        time.stop();
        assert_eq!(join(model.request("a")), Outcome::Pass);
        model.end();
    });
}

#[test]
fn end_of_the_handle_ends_every_wait() {
    explore(2000, || {
        let model = Model::new(&[&["a"]]);
        let requests = [model.request("a"), model.request("unknown")];
        let (ready, refresh) = (spawn(model.store.wait_for_keys()), spawn(model.store.refresh_now()));
        shuttle::thread::yield_now();
        let Model { store, attempts } = model;
        drop(store);
        // Requests that have not begun to wait hold a handle, too, and may still be served.
        requests.into_iter().for_each(|request| {
            join(request);
        });
        let _ = (join(ready), join(refresh));
        block_on(async {
            while Arc::strong_count(&attempts) > 1 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn end_of_a_runtime_costs_no_request() {
    explore(2000, || {
        let model = Model::new(&[&["a"], &["a"], &["a"]]);
        let requests: Vec<_> = (0..2).map(|_| model.request("a")).collect();
        let (ready, refresh) = (spawn(model.store.wait_for_keys()), spawn(model.store.refresh_now()));
        shuttle::thread::yield_now();
        runtime::end_runtime();
        assert!(requests.into_iter().all(|request| join(request) == Outcome::Pass));
        assert!(join(ready).is_ok() && join(refresh).is_ok());
        assert_eq!(join(model.request("a")), Outcome::Pass);
        model.end();
    });
}

#[test]
fn task_of_a_stalled_runtime_is_replaced() {
    explore(1000, || {
        let model = Model::new(&[&["a"]]);
        let time = Time::start();
        let requests: Vec<_> = (0..2).map(|_| model.request("a")).collect();
        shuttle::thread::yield_now();
        runtime::stall_runtime();
        requests.into_iter().for_each(|request| assert_ne!(join(request), Outcome::Invalid));
        block_on(async {
            while model.store.refresh_now().await.is_err() {
                yield_now().await;
            }
        });
        time.stop();
        assert_eq!(join(model.request("a")), Outcome::Pass);
        model.end();
    });
}

#[test]
fn on_demand_refresh_survives_the_end_of_a_runtime() {
    explore(1000, || {
        let model = Model::warm(&[&["a"], &["a", "new"]]);
        let requests = [model.request("new"), model.request("new")];
        shuttle::thread::yield_now();
        runtime::end_runtime();
        assert!(requests.into_iter().all(|request| join(request) == Outcome::Pass));
        model.end();
    });
}

#[test]
fn revoked_key_stays_revoked_and_cached_keys_stay() {
    explore(2000, || {
        let model = Model::warm(&[&["a", "b"], &["a", "b"]]);
        let refresh = spawn(model.store.refresh_now());
        let store = Arc::clone(&model.store);
        let watcher = spawn(async move {
            for _ in 0..5 {
                assert!(matches!(store.lookup_now(&id("b")), source::Lookup::Found(_)));
                yield_now().await;
            }
        });
        model.store.revoke(&id("a"));
        for _ in 0..3 {
            assert!(matches!(model.store.lookup_now(&id("a")), source::Lookup::Rejected(_)), "from the next look on");
            shuttle::thread::yield_now();
        }
        assert!(join(refresh).is_ok());
        assert!(matches!(model.store.lookup_now(&id("a")), source::Lookup::Rejected(_)));
        model.store.reinstate(&id("a"));
        assert!(matches!(model.store.lookup_now(&id("a")), source::Lookup::Found(_)));
        join(watcher);
        model.end();
    });
}

#[test]
fn refresh_now_gets_an_attempt_that_began_afterwards() {
    explore(1000, || {
        let model = Model::warm(&[&["a"], &["a"], &["a"]]);
        let before = model.attempts();
        let refreshes = [spawn(model.store.refresh_now()), spawn(model.store.refresh_now())];
        let request = model.request("unknown");
        refreshes.into_iter().for_each(|refresh| assert!(join(refresh).is_ok()));
        assert!(model.attempts() > before);
        assert_eq!(join(request), Outcome::Invalid);
        model.end();
    });
}

#[test]
fn look_at_readiness_alone_brings_keys() {
    explore(1000, || {
        let model = Model::new(&[&["a"]]);
        block_on(async {
            let mut looks = pin!(async {
                while !model.is_ready() {
                    yield_now().await;
                }
            });
            looks.as_mut().await;
        });
        assert_eq!(model.attempts(), 1);
        model.end();
    });
}

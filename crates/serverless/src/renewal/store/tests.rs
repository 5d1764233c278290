//! What the task does beside the schedule: events, the wall clock, and who may wait. In virtual time.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use background_refresh::{Timestamp, UnixTime};
use tokio::time::sleep;
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};

use super::*;
use crate::renewal::Terms;

const HOUR: Duration = Duration::from_secs(3600);

/// A wall clock that goes with tokio's and can be set forward.
#[derive(Debug)]
struct TestClock {
    start: tokio::time::Instant,
    ahead: AtomicU64,
}

impl WallClock for TestClock {
    fn now(&self) -> Option<UnixTime> {
        let elapsed = self.start.elapsed().as_secs() + self.ahead.load(Ordering::Relaxed);
        Some(UnixTime::from_secs(1_790_000_000 + elapsed))
    }
}

/// A value that is renewed after an hour and used for two, by a fetch that does what the script says, and then hangs.
fn renewal(script: &[Result<(), &'static str>]) -> (Renewal<u32>, Arc<TestClock>) {
    let clock = Arc::new(TestClock { start: tokio::time::Instant::now(), ahead: AtomicU64::new(0) });
    let script: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(script.iter().copied().collect()));
    let fetch: Fetch<u32> = Box::new({
        let clock = Arc::clone(&clock);
        move || {
            let (clock, next) = (Arc::clone(&clock), script.lock().unwrap().pop_front());
            Box::pin(async move {
                match next {
                    Some(Ok(())) => {
                        let terms = Terms { renew_after: HOUR, usable_for: HOUR * 2 };
                        Ok(Lease::new(7, Timestamp::new(Now::read(&*clock)), terms))
                    }
                    Some(Err(text)) => Err(AttemptFailure::transient(Error::new(ErrorKind::Unavailable, text))),
                    None => std::future::pending().await,
                }
            })
        }
    });
    let subject = Subject { what: "test_value", endpoint: "west".into() };
    let wall_clock: Arc<dyn WallClock> = clock.clone();
    (Renewal::new(subject, wall_clock, fetch), clock)
}

fn soon() -> Instant {
    monotonic_now() + Duration::from_secs(5)
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Level and message of each event since the last call.
    fn events(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let event = |line: &str| {
            let (level, rest) = line.trim_start().split_once(' ').unwrap();
            let message = rest.trim_start().split_once(": ").unwrap().1;
            format!("{level} {}", message.split(" what=").next().unwrap())
        };
        text.lines().filter(|line| line.contains("test_value")).map(event).collect()
    }
}

/// Records the events of this thread as long as the guard lives.
fn record(log: &Log) -> DefaultGuard {
    // Interested in everything, for the process: otherwise a test that ends its subscriber can switch the events of
    // another thread off for a moment.
    let _ = set_global_default(tracing_subscriber::registry());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).without_time();
    set_default(subscriber.with_writer(move || writer.clone()).finish())
}

#[tokio::test(start_paused = true)]
async fn each_outcome_has_its_level() {
    let log = Log::default();
    let _recorded = record(&log);
    let (renewal, _) = renewal(&[Err("down"), Ok(()), Ok(()), Err("down"), Ok(())]);
    renewal.get(soon()).await.unwrap();
    assert_eq!(log.events(), ["ERROR not fetched; there is none to use", "INFO fetched"]);
    sleep(HOUR + Duration::from_secs(1)).await;
    assert_eq!(log.events(), ["DEBUG renewed"]);
    sleep(HOUR + Duration::from_secs(60)).await;
    assert_eq!(log.events(), ["WARN not renewed; the one at hand is still used", "INFO fetched"]);
}

#[tokio::test(start_paused = true)]
async fn first_success_is_told_even_without_a_failure_before() {
    let log = Log::default();
    let _recorded = record(&log);
    let (renewal, _) = renewal(&[Ok(())]);
    renewal.get(soon()).await.unwrap();
    assert_eq!(log.events(), ["INFO fetched"]);
}

/// The task sleeps by the monotonic clock, which stands still while the machine is suspended. The next caller notices.
#[tokio::test(start_paused = true)]
async fn caller_wakes_the_task_when_the_wall_clock_says_that_a_renewal_is_due() {
    let (renewal, clock) = renewal(&[Ok(()), Ok(())]);
    renewal.get(soon()).await.unwrap();
    // The task looks at the wall clock by itself, but only later.
    sleep(Duration::from_secs(5)).await;
    clock.ahead.store(HOUR.as_secs(), Ordering::Relaxed);
    assert!(renewal.at_hand(Now::read(&*clock)).is_some(), "due, and usable still");
    sleep(Duration::from_secs(1)).await;
    assert!(renewal.status().age.unwrap() <= Duration::from_secs(1), "{:?}", renewal.status());
}

#[tokio::test(start_paused = true)]
async fn one_caller_too_many_is_told_at_once() {
    let (renewal, _) = renewal(&[]);
    let renewal = Arc::new(renewal);
    let waiting: Vec<_> = (0..MAX_WAITING)
        .map(|_| {
            let renewal = Arc::clone(&renewal);
            tokio::spawn(async move { renewal.get(soon()).await.map(|_| ()) })
        })
        .collect();
    sleep(Duration::from_millis(1)).await;
    let error = renewal.get(soon()).await.unwrap_err();
    assert!(error.to_string().contains("too many calls wait for it already"), "{error}");
    for waiting in waiting {
        let error = waiting.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("it did not come in time"), "{error}");
    }
}

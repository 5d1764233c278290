//! Minutes of every fault, in real time and over real connections.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mock_entra::{Endpoint, Fault, MockEntra, SigningKey};
use signalr_upstream_auth::Validator;
use signalr_upstream_auth::clock::{Clock, SystemClock};
use signalr_upstream_auth::keys::{KeyId, KeySource, Lookup, RemoteKeys};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::gzip;
use super::harness::reckless;
use super::heap::Heap;

/// A fault begins every so often and lasts half of that time.
const SPELL: Duration = Duration::from_secs(2);
/// A key is listed so long before it signs, and signs for as long.
const TURN: Duration = Duration::from_secs(6);

#[tokio::test]
#[ignore = "takes minutes of real time: cargo test --test transport -- --ignored --nocapture smoke"]
async fn smoke_minutes_of_everything_lose_no_request() {
    let length = std::env::var("SMOKE_SECS").map_or(180, |secs| secs.parse().expect("a number of seconds"));
    let length = Duration::from_secs(length);
    let entra = MockEntra::start().await;
    let keys = RemoteKeys::builder(&entra.policy())
        .refresh(Duration::from_millis(500))
        .refetch_cooldown(Duration::from_secs(1))
        .fetch_timeout(Duration::from_millis(300))
        .configure_client(reckless)
        .build()
        .unwrap();
    keys.wait_for_keys().await.unwrap();
    let validator = Validator::new(entra.policy(), keys.clone());
    let mut good = vec![bearer(&entra)];
    let mut flood = Flood::default();
    let (mut served, mut lost) = (0_u64, 0_u64);
    let (mut turn, mut next): (u32, Option<SigningKey>) = (0, None);
    let start = Instant::now();
    let mut settled = None;
    while start.elapsed() < length {
        let now = start.elapsed();
        if settled.is_none() && now > length / 4 {
            settled = Some((Heap::start(), Handle::current().metrics().num_alive_tasks()));
        }
        if now > TURN * turn {
            // The key that was listed before signs from now on; another is listed for the next turn.
            turn += 1;
            if let Some(key) = next.take() {
                entra.sign_with(&key);
                good = [bearer(&entra), good.swap_remove(0)].into();
            }
            let key = entra.new_key();
            entra.publish(&key);
            next = Some(key);
        }
        set_fault(&entra, now);
        for headers in &good {
            if is_accepted_at_once(&validator, headers) { served += 1 } else { lost += 1 }
        }
        flood.shoot(&keys, &entra, 20);
        sleep(Duration::from_millis(2)).await;
    }
    entra.recover();
    flood.finish().await;
    let requests = entra.requests();
    let (heap, tasks) = settled.expect("longer than nothing");
    println!(
        "{} s: {served} good requests served at the first poll, {lost} lost; {} with unknown keys, of which {} waited; \
         {} requests to the provider over {} connections, {} open now; {} KiB of heap more than after a quarter of \
         the time, {} tasks more",
        length.as_secs(),
        flood.shots,
        flood.waited,
        requests.log().len(),
        requests.connections(),
        requests.open_connections(),
        heap.growth() / 1024,
        Handle::current().metrics().num_alive_tasks().saturating_sub(tasks),
    );
    assert_eq!(lost, 0);
    assert!(requests.open_connections() <= 1);
    // A refresh is due every half second, an on-demand refresh at most every second, two requests each; a failed attempt is
    // repeated at the pace of the refresh.
    let most = (length.as_secs() + 1) * 2 * (4 + 1);
    assert!(requests.log().len() <= usize::try_from(most).unwrap(), "{}", requests.log().len());
}

fn set_fault(entra: &MockEntra, now: Duration) {
    let (spell, half) =
        (now.as_millis() / SPELL.as_millis(), now.as_millis() % SPELL.as_millis() * 2 / SPELL.as_millis());
    if half == 1 {
        return entra.recover();
    }
    let target = if spell % 3 == 0 { Endpoint::Any } else { Endpoint::Keys };
    let fault = match spell % 12 {
        0 => Fault::reset(),
        1 => Fault::hang(),
        2 => Fault::status(503).header("Retry-After", "1"),
        3 => Fault::html(),
        4 => Fault::content("application/json", r#"{"keys":[]}"#),
        5 => Fault::truncated(200),
        6 => Fault::drip_body(Duration::from_millis(5)),
        7 => Fault::oversize(10_000_000).chunked(),
        8 => Fault::gzip(gzip::spaces(1_000_000)),
        9 => Fault::redirect(302, "http://127.0.0.1:9/"),
        10 => Fault::hang_in_body(100),
        _ => Fault::cut_chunk(),
    };
    entra.fail(target, fault);
}

/// Requests with keys that nobody knows.
#[derive(Default)]
struct Flood {
    shots: u64,
    waited: u64,
    waiting: JoinSet<()>,
}

impl Flood {
    fn shoot(&mut self, keys: &RemoteKeys, entra: &MockEntra, shots: u64) {
        for _ in 0..shots {
            self.shots += 1;
            let id = KeyId::new(&format!("unknown-{}", self.shots));
            match keys.lookup(entra.tenant(), &id, SystemClock::default().now().unwrap()) {
                Lookup::Miss => {}
                // The latest on-demand refresh has just said so.
                Lookup::Rejected(_) => continue,
                found => panic!("{found:?}"),
            }
            let mut resolve = keys.resolve(entra.tenant(), &id);
            match resolve.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => assert!(answer.is_err()),
                Poll::Pending => {
                    self.waited += 1;
                    self.waiting.spawn(async move { assert!(resolve.await.is_err()) });
                }
            }
        }
        while let Some(ended) = self.waiting.try_join_next() {
            ended.unwrap();
        }
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.waiting.join_next().await {
            ended.unwrap();
        }
    }
}

fn is_accepted_at_once(validator: &Validator, headers: &HeaderMap) -> bool {
    matches!(pin!(validator.validate(headers)).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
}

fn bearer(entra: &MockEntra) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {}", entra.token().mint()).parse().unwrap())])
}

//! Tokens with keys that do not exist, by the million.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::{Instant, sleep};

use super::alone::{Heap, alone};
use super::rig::{HOUR, Load, MINUTE, OneTenant, Outcome, Reply, Rig, SECOND, Tally, ended};
use super::table::Row;
use crate::error::RejectionKind;
use crate::ids::KeyId;
use crate::keys::remote::store::KeyStore;
use crate::keys::source::Lookup;
use crate::testing::MockEntra;
use crate::{TokenVersion, Validator};

/// Ten thousand requests a second for ten minutes, each with another key that does not exist, with good requests
/// between them.
async fn flood(rig: &Rig) -> (Tally, Tally, usize) {
    let mut good = Load::new(&["a", "b"]);
    let mut waiting = tokio::task::JoinSet::new();
    let mut attack = Tally::default();
    let start = Instant::now();
    let mut number = 0_u64;
    let mut most_waiting = 0;
    while start.elapsed() < MINUTE * 10 {
        for _ in 0..100 {
            number += 1;
            shoot(&rig.store, number, &mut waiting, &mut attack).await;
        }
        good.use_all(&rig.store);
        sleep(Duration::from_millis(10)).await;
        while let Some(ended) = waiting.try_join_next() {
            attack.count_slow(ended.unwrap());
        }
        most_waiting = most_waiting.max(waiting.len());
    }
    while let Some(ended) = ended(waiting.join_next()).await {
        attack.count_slow(ended.unwrap());
    }
    assert_eq!(attack.passed + attack.invalid + attack.wait, 6_000_000);
    (good.finish().await, attack, most_waiting)
}

async fn shoot(
    store: &Arc<KeyStore>,
    number: u64,
    waiting: &mut tokio::task::JoinSet<(Outcome, Duration)>,
    attack: &mut Tally,
) {
    let id = KeyId::new(&format!("kid-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let known = match store.lookup(&id) {
        Lookup::Absent => None,
        Lookup::Held(key) => Some(Ok(key)),
        Lookup::Refused(error) => Some(Err(error)),
    };
    if let Some(answer) = known {
        return attack.count(Outcome::of(answer));
    }
    let begun = Instant::now();
    let mut request = store.resolve(id);
    // Most are decided at once; only the few that wait become tasks.
    match futures_now(&mut request) {
        Some(answer) => attack.count(Outcome::of(answer)),
        None => {
            attack.waited += 1;
            waiting.spawn(async move { (Outcome::of(ended(request).await), begun.elapsed()) });
        }
    }
}

fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn scenario_34_a_flood_of_unknown_keys() {
    alone("keys::scenarios::flood::scenario_34_a_flood_of_unknown_keys", async {
        let rig = Rig::warm(|_| Reply::keys(&["a", "b"]).after(Duration::from_millis(100))).await;
        rig.serve(MINUTE, SECOND, &["a", "b"]).await;
        let (heap, before) = (Heap::start(), rig.provider.requests());
        let (good, attack, most_waiting) = flood(&rig).await;
        Row::new(34, "10,000 unknown keys a second for 10 min")
            .fetches(rig.provider.requests() - before, ..=2 * 21)
            .lost(good.lost(), 0)
            .figure("good requests not answered at the first poll", good.waited, 0)
            .figure("of 6,000,000 told 401 or 503", attack.lost(), 6_000_000)
            .figure("most attempts in 30 s", rig.provider.most_within(SECOND * 30), ..=1)
            .figure("most requests that waited at once", most_waiting, ..=1024)
            .figure("growth of the heap, KiB", heap.growth() / 1024, ..=1024)
            .print();
    });
}

#[test]
fn scenario_35_a_flood_while_the_provider_is_down() {
    alone("keys::scenarios::flood::scenario_35_a_flood_while_the_provider_is_down", async {
        let rig =
            Rig::warm(|attempt| if attempt.number == 0 { Reply::keys(&["a", "b"]) } else { Reply::Silence }).await;
        // Well into the outage, where the refreshes have come down to their slowest pace.
        rig.serve(HOUR * 2, SECOND, &["a", "b"]).await;
        let before = rig.provider.attempts();
        let (good, attack, most_waiting) = flood(&rig).await;
        Row::new(35, "the same while the provider is down")
            .fetches(2 * (rig.provider.attempts() - before), ..=2 * (21 + 2))
            .lost(good.lost(), 0)
            .figure("good requests not answered at the first poll", good.waited, 0)
            .figure("unknown keys told 401", attack.invalid, 0)
            .figure("most requests that waited at once", most_waiting, ..=1024)
            .figure("slowest answer, ms", attack.slowest_millis(), ..=2001)
            .print();
    });
}

#[tokio::test(start_paused = true)]
async fn scenario_36_a_flood_of_bad_signatures() {
    let (entra, rig) = entra_and_rig().await;
    let validator = Validator::new(entra.policy(), Arc::new(OneTenant(Arc::clone(&rig.store))));
    let good = headers(&entra.token().mint());
    let bad: Vec<_> = (1..=50).map(|byte| headers(&entra.token().signature(vec![byte; 256]).mint())).collect();
    let before = rig.provider.requests();
    let (mut lost, mut refused) = (0, 0);
    for number in 0..1000 {
        for bad in &bad {
            let mut answer = Box::pin(validator.validate(bad));
            let answer = futures_now(&mut answer).expect("decided at the first poll");
            refused += u64::from(answer.unwrap_err().kind() == RejectionKind::InvalidSignature);
        }
        let mut answer = Box::pin(validator.validate(&good));
        lost += u64::from(futures_now(&mut answer).is_none_or(|answer| answer.is_err()));
        if number % 10 == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    Row::new(36, "50,000 bad signatures under a known key in a second")
        .fetches(rig.provider.requests() - before, 0)
        .lost(lost, 0)
        .figure("refused at the first poll", refused, 50_000)
        .print();
}

#[tokio::test(start_paused = true)]
async fn implausible_tokens_cause_no_fetch_and_do_not_hold_the_cooldown() {
    let (entra, rig) = entra_and_rig().await;
    let validator = Validator::new(entra.policy(), Arc::new(OneTenant(Arc::clone(&rig.store))));
    let before = rig.provider.requests();
    for number in 0..100 {
        let token = entra.token().key_id(format!("kid-{number}").as_str());
        for implausible in [
            token.clone().issuer("https://sts.windows.net/elsewhere/"),
            token.clone().audience("44444444-dddd-4eee-8fff-444444444444"),
            token.clone().expired(),
            token.tenant("22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap()),
        ] {
            let headers = headers(&implausible.mint());
            let mut answer = Box::pin(validator.validate(&headers));
            assert!(futures_now(&mut answer).expect("decided at the first poll").is_err());
        }
    }
    assert_eq!(rig.provider.requests(), before);
    // The rotation that comes now is found at once.
    entra.rotate_abruptly();
    let document = entra.key_document(TokenVersion::V2);
    rig.provider.now_plays(move |_| Reply::Document(document.clone()));
    assert!(validator.validate(&headers(&entra.token().mint())).await.is_ok());
    assert_eq!(rig.provider.requests(), before + 2);
}

async fn entra_and_rig() -> (MockEntra, Rig) {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    let rig = Rig::warm(move |_| Reply::Document(document.clone())).await;
    (entra, rig)
}

fn headers(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

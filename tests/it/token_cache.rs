//! The token cache: a cached token gets the answer that the full check would give it now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mock_entra::{Jwk, MockEntra, SigningKey};
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::keys::{
    FixedKeys, KeyError, KeyFuture, KeyId, KeySource, Lookup, RemoteKeys, VerificationKey,
};
use signalr_upstream_auth::{RejectionKind, TenantId, TokenVersion, UpstreamAuthLayer, Validator};
use support::{NOON, StillClock, entra, fixed_keys, rejection};

/// Every state of keys and clock after every other: a layer with a cache answers as one without.
#[tokio::test]
async fn cached_token_gets_the_answer_of_the_full_check() {
    let clock = StillClock::at(NOON);
    let entra = MockEntra::builder().clock(clock.clone()).start().await;
    let key = entra.signing_key();
    let stranger = SigningKey::stranger().with_key_id(key.key_id().clone());
    let listed = |entry: Jwk| {
        entra.withhold(key.key_id());
        entra.publish(entry);
        KeyState::Keys((*fixed_keys(&entra)).clone())
    };
    let states = [
        listed(Jwk::from(&key)),
        listed(Jwk::from(&stranger)),
        listed(Jwk::from(&key).member("use", "enc")),
        listed(Jwk::from(&key).member("issuer", entra.issuer(OTHER_TENANT.parse().unwrap(), TokenVersion::V2))),
        listed(Jwk::from(&key).without_member("issuer")),
        listed(Jwk::from(&key).member("cloud_instance_name", "another.example")),
        listed(Jwk::from(entra.new_key())),
        KeyState::Rejected(KeyError::revoked),
        KeyState::Rejected(|| KeyError::unavailable("down")),
        KeyState::Absent(KeyError::unknown),
        KeyState::Absent(|| KeyError::unavailable("down")),
    ];
    let times = [NOON, NOON - 301, NOON + 1299, NOON + 1300, u64::MAX];
    let keys = Arc::new(Changing(Mutex::new(states[0].clone())));
    let caching = UpstreamAuthLayer::from_keys(entra.policy(), keys.clone()).with_clock(clock.clone());
    let full = caching.clone().with_token_cache_bytes(0);
    let token = entra.token().expires_at(UnixTime::from_secs(NOON + 1000)).mint();
    let moments: Vec<_> = states.iter().flat_map(|state| times.map(|time| (state, time))).collect();
    for before in &moments {
        for after in &moments {
            // Good, then one state, then the other, then good again.
            for (state, time) in [&(&states[0], NOON), before, after, &(&states[0], NOON)] {
                keys.is_now((*state).clone());
                clock.set(*time);
                let expected = rejection(&full, &token).await;
                assert_eq!(rejection(&caching, &token).await, expected, "{state:?} at {time}");
            }
        }
    }
    assert_eq!(rejection(&caching, &token).await, None);
}

/// The key source is told the time, so that it reads no wall clock of its own.
#[tokio::test]
async fn a_request_reads_the_wall_clock_once() {
    let clock = Arc::new(CountingClock { clock: StillClock::at(NOON), reads: AtomicU64::new(0) });
    let entra = entra().await;
    let keys = RemoteKeys::builder(&entra.policy()).clock(clock.clone()).build().unwrap();
    keys.wait_for_keys().await.unwrap();
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(clock.clone());
    let (good, unknown) = (entra.token().mint(), entra.token().key_id("unknown").mint());
    // What waits for its key reads the clock after the wait again.
    assert_eq!(rejection(&layer, &unknown).await, Some(RejectionKind::UnknownKey));
    for (token, expected) in [(&good, None), (&good, None), (&unknown, Some(RejectionKind::UnknownKey))] {
        let before = clock.reads.load(Ordering::Relaxed);
        assert_eq!(rejection(&layer, token).await, expected);
        assert_eq!(clock.reads.load(Ordering::Relaxed) - before, 1, "{expected:?}");
    }
}

#[derive(Debug)]
struct CountingClock {
    clock: Arc<StillClock>,
    reads: AtomicU64,
}

impl Clock for CountingClock {
    fn now(&self) -> Option<UnixTime> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }
}

/// A key source may know a key by more than one name. The one that the token names is asked about.
#[tokio::test]
async fn asks_for_the_kid_of_the_token_not_of_the_key() {
    let entra = entra().await;
    let aliases = Arc::new(Alias { keys: fixed_keys(&entra), own: entra.signing_key().key_id().clone() });
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), Withdrawable::new(aliases));
    let layer = layer.with_clock(entra.clock());
    let token = entra.token().key_id("alias").mint();
    assert_eq!(rejection(&layer, &token).await, None);
    assert_eq!(rejection(&layer, &token).await, Some(RejectionKind::RevokedKey));
}

/// Answers for "alias" with the key that calls itself otherwise.
#[derive(Debug)]
struct Alias {
    keys: Arc<FixedKeys>,
    own: KeyId,
}

impl KeySource for Alias {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        self.keys.lookup(tenant, if key.as_str() == "alias" { &self.own } else { key }, now)
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        self.keys.resolve(tenant, if key.as_str() == "alias" { &self.own } else { key })
    }
}

/// Rejects "alias" from the second question on.
#[derive(Debug)]
struct Withdrawable {
    keys: Arc<Alias>,
    asked: Mutex<bool>,
}

impl Withdrawable {
    fn new(keys: Arc<Alias>) -> Self {
        Self { keys, asked: Mutex::new(false) }
    }
}

impl KeySource for Withdrawable {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        if key.as_str() == "alias" && std::mem::replace(&mut *self.asked.lock().unwrap(), true) {
            return Lookup::Rejected(KeyError::revoked());
        }
        self.keys.lookup(tenant, key, now)
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        self.keys.resolve(tenant, key)
    }
}

/// What a key source says from now on.
#[derive(Clone, Debug)]
enum KeyState {
    Keys(FixedKeys),
    Rejected(fn() -> KeyError),
    /// Only to be found out, and then not had.
    Absent(fn() -> KeyError),
}

#[derive(Debug)]
struct Changing(Mutex<KeyState>);

impl Changing {
    fn is_now(&self, state: KeyState) {
        *self.0.lock().unwrap() = state;
    }
}

impl KeySource for Changing {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        match &*self.0.lock().unwrap() {
            KeyState::Keys(keys) => keys.lookup(tenant, key, now),
            KeyState::Rejected(error) => Lookup::Rejected(error()),
            KeyState::Absent(_) => Lookup::Miss,
        }
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        match &*self.0.lock().unwrap() {
            KeyState::Keys(keys) => keys.resolve(tenant, key),
            KeyState::Rejected(error) | KeyState::Absent(error) => {
                let error = error();
                Box::pin(async move { Err(error) })
            }
        }
    }
}

const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-999999999999";

#[tokio::test]
async fn default_cache_size_is_8_mib_and_stays_with_another_clock() {
    let entra = entra().await;
    let validator = Validator::new(entra.policy(), fixed_keys(&entra));
    let bound = |validator: &Validator| {
        let shown = format!("{validator:?}");
        shown.split("cache_bytes: ").nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    assert_eq!(bound(&validator), "8388608");
    let bounded = validator.with_token_cache_bytes(1000);
    assert_eq!(bound(&bounded.with_clock(entra.clock())), "1000");
}

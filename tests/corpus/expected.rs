//! What must become of an entry.

use signalr_upstream_auth::RejectionKind as K;

/// What a request may take on the heap beyond a few times its own size. Most of it is what the test itself keeps.
pub const HEAP: usize = 100_000;

/// What documents may take on the heap, of which so many bytes were served: a list of the shortest entries there can be
/// the most for each byte, up to the thousand that are held. The mock that writes them is counted, too.
pub fn fetched(served: usize) -> usize {
    (20 * served).min(500_000 + 5 * served)
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub status: u16,
    pub kind: Option<K>,
    first_fetches: (usize, usize),
    later_fetches: (usize, usize),
    first_signatures: u64,
    later_signatures: u64,
    /// What is fetched by all that happens before the request.
    fetches_before: (usize, usize),
    /// Whether a refresh of the keys succeeds, for entries about documents.
    pub refresh: Option<bool>,
    /// Whether the fetches are repeated while the request waits.
    pub is_retried: bool,
}

/// Accepted after one signature, and from the cache the second time.
pub const PASS: Expected = Expected {
    status: 200,
    kind: None,
    first_fetches: (0, 0),
    later_fetches: (0, 0),
    first_signatures: 1,
    later_signatures: 0,
    fetches_before: (0, 0),
    refresh: None,
    is_retried: false,
};

/// A good token, after a refresh that brought a good document.
pub const TAKEN: Expected = Expected { refresh: Some(true), first_fetches: (1, 1), ..PASS };

/// A good token, after a refresh that brought a document which changes nothing. The key document is read.
pub const KEPT: Expected = Expected { refresh: Some(false), first_fetches: (1, 1), ..PASS };

/// The same, where nothing further is asked after the discovery document.
pub const NOT_FOLLOWED: Expected = Expected { refresh: Some(false), first_fetches: (1, 0), ..PASS };

/// Rejected without a fetch and without a look at the signature.
pub const fn rejected(status: u16, kind: K) -> Expected {
    Expected {
        status,
        kind: Some(kind),
        first_fetches: (0, 0),
        later_fetches: (0, 0),
        first_signatures: 0,
        later_signatures: 0,
        fetches_before: (0, 0),
        refresh: None,
        is_retried: false,
    }
}

impl Expected {
    /// The signature is checked, every time anew.
    pub const fn signed(self) -> Self {
        Self { first_signatures: 1, later_signatures: 1, ..self }
    }

    /// Documents are fetched for it, every time anew: so many of discovery, so many of keys.
    pub const fn fetching(self, discovery: usize, keys: usize) -> Self {
        Self { first_fetches: (discovery, keys), later_fetches: (discovery, keys), ..self }
    }

    /// Documents are fetched for it the first time only.
    pub const fn fetching_once(self, discovery: usize, keys: usize) -> Self {
        Self { first_fetches: (discovery, keys), later_fetches: (0, 0), ..self }
    }

    /// Documents are fetched by what happens before it.
    pub const fn after(self, discovery: usize, keys: usize) -> Self {
        Self { fetches_before: (discovery, keys), ..self }
    }

    /// After a refresh that brought a good document.
    pub const fn taken(self) -> Self {
        Self { first_fetches: (1, 1), refresh: Some(true), ..self }
    }

    /// Documents are fetched again and again while the request waits.
    pub const fn retrying(self, discovery: usize, keys: usize) -> Self {
        Self { is_retried: true, ..self.fetching(discovery, keys) }
    }

    /// Whether this is about something that must not be believed.
    pub fn is_hostile(&self) -> bool {
        self.kind.is_some() || self.refresh == Some(false)
    }

    /// How many documents of each kind are fetched for it.
    pub fn fetches(&self, is_repeated: bool) -> (usize, usize) {
        if is_repeated { self.later_fetches } else { self.first_fetches }
    }

    /// How many were fetched by what happened before it.
    pub fn fetches_before(&self, is_repeated: bool) -> (usize, usize) {
        if is_repeated { (0, 0) } else { self.fetches_before }
    }

    pub fn check_fetches(&self, found: (usize, usize), is_repeated: bool) -> Result<(), String> {
        let expected = self.fetches(is_repeated);
        let times = if self.is_retried { found.0.clamp(ATTEMPTS.0, ATTEMPTS.1) } else { 1 };
        if found == (expected.0 * times, expected.1 * times) {
            Ok(())
        } else {
            Err(format!("fetches of discovery and key documents: {found:?}, not {expected:?}"))
        }
    }

    pub fn signatures(&self, is_repeated: bool) -> u64 {
        if is_repeated { self.later_signatures } else { self.first_signatures }
    }
}

/// How many attempts a request without keys sees fail, at once and after a half to one, one to two, and two to four
/// halves of a second, before its two seconds are over: three or four, and two when each attempt itself takes long.
///
/// It cannot be made exact here. The waits are random on purpose, and time that is paused runs on by itself whenever
/// all wait for a socket, so that no answer of a real connection would come within any limit. Paused time and exact
/// numbers are in `src/keys/remote/tests/scenarios`, without sockets; and a provider that asks for patience is asked once, also here.
const ATTEMPTS: (usize, usize) = (2, 4);

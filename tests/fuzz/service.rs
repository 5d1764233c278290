//! The whole service: requests made of good tokens, of bad ones and of pieces of both. A request reaches the handler
//! exactly if it has one `Authorization` line with an unchanged good token, whether its key is cached or has to be
//! fetched.
//!
//! The service lives through the whole run, so its token cache is part of the test.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use mock_entra::{MockEntra, SigningKey};
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::keys::{FixedKeys, KeyError, KeyFuture, KeyId, KeySet, KeySource, Lookup, VerificationKey};
use signalr_upstream_auth::{Claims, Rejection, RejectionKind, TenantId, TokenVersion, UpstreamAuthLayer};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt};

#[derive(Arbitrary, Debug)]
struct Call<'a> {
    lines: Vec<Line<'a>>,
    /// Sent this many times, so that a token may be cached.
    repeat: bool,
    /// Sent to a service that has to wait for its keys as well.
    waits: bool,
}

#[derive(Arbitrary, Debug)]
enum Line<'a> {
    Good(u8),
    Pieces { scheme: Scheme, token: Token<'a>, edits: Vec<Edit> },
    Raw(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Scheme {
    Usual,
    LowerCase,
    Spaces(u8),
    None,
    Other,
}

#[derive(Arbitrary, Debug)]
enum Token<'a> {
    Whole(u8),
    /// Header, claims and signature of three tokens.
    Mixed(u8, u8, u8),
    Segments(&'a str, &'a str, &'a str),
    /// A token, and something after it.
    Followed(u8, &'a str),
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Flip { at: u16, bit: u8 },
    Replace { at: u16, with: u8 },
    Remove { at: u16 },
    Insert { at: u16, byte: u8 },
    Truncate { to: u16 },
    Swap { one: u16, other: u16 },
}

struct Fixture {
    runtime: Runtime,
    at_hand: UpstreamAuthLayer,
    waiting: UpstreamAuthLayer,
    good: Vec<String>,
    all: Vec<String>,
    _entra: MockEntra,
}

pub fn run(data: &[u8]) {
    let Ok(call) = Call::arbitrary(&mut Unstructured::new(data)) else { return };
    let fixture = fixture();
    let mut request = Request::new(());
    let mut lines = Vec::new();
    for line in call.lines.iter().take(3) {
        let line = fixture.line(line);
        let Ok(value) = HeaderValue::from_bytes(&line) else { return };
        request.headers_mut().append(AUTHORIZATION, value);
        lines.push(line);
    }
    let expected = match &lines[..] {
        [line] => fixture.is_good(line),
        _ => false,
    };
    let shown = || lines.iter().map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\n");
    for _ in 0..=usize::from(call.repeat) {
        let rejection = fixture.rejection(&fixture.at_hand, request.clone());
        assert_eq!(rejection.is_none(), expected, "{}", shown());
        if call.waits {
            assert_eq!(fixture.rejection(&fixture.waiting, request.clone()), rejection, "{}", shown());
        }
    }
}

impl Fixture {
    fn is_good(&self, line: &[u8]) -> bool {
        let Ok(line) = std::str::from_utf8(line) else { return false };
        let Some((scheme, token)) = line.split_once(' ') else { return false };
        scheme.eq_ignore_ascii_case("bearer") && self.good.iter().any(|good| good == token.trim_start_matches(' '))
    }

    /// Why a request was rejected; `None` if it reached the handler.
    fn rejection(&self, layer: &UpstreamAuthLayer, request: Request<()>) -> Option<RejectionKind> {
        let service = layer.layer(tower::service_fn(|request: Request<()>| async move {
            assert!(request.extensions().get::<Claims>().is_some());
            Ok::<_, Infallible>(Response::new("reached".to_owned()))
        }));
        let response = self.runtime.block_on(service.oneshot(request)).unwrap();
        let is_reached = response.body() == "reached";
        let rejection = response.extensions().get::<Rejection>().map(Rejection::kind);
        assert_eq!(rejection.is_none(), is_reached);
        assert_eq!(response.status().is_success(), is_reached);
        rejection
    }

    fn line(&self, line: &Line<'_>) -> Vec<u8> {
        match line {
            Line::Good(number) => format!("Bearer {}", self.good[usize::from(*number) % self.good.len()]).into_bytes(),
            Line::Raw(bytes) => bytes.to_vec(),
            Line::Pieces { scheme, token, edits } => {
                let mut line = match scheme {
                    Scheme::Usual => "Bearer ".to_owned(),
                    Scheme::LowerCase => "bearer ".to_owned(),
                    Scheme::Spaces(count) => format!("Bearer{}", " ".repeat(usize::from(*count % 8))),
                    Scheme::None => String::new(),
                    Scheme::Other => "Basic ".to_owned(),
                }
                .into_bytes();
                let start = line.len();
                line.extend(self.token(token).bytes());
                for edit in edits {
                    edit.apply(&mut line, start);
                }
                line
            }
        }
    }

    fn token(&self, token: &Token<'_>) -> String {
        let any = |number: u8| &self.all[usize::from(number) % self.all.len()];
        let segment = |number: u8, which: usize| any(number).split('.').nth(which).unwrap_or_default().to_owned();
        match token {
            Token::Whole(number) => any(*number).clone(),
            Token::Mixed(header, claims, signature) => {
                [segment(*header, 0), segment(*claims, 1), segment(*signature, 2)].join(".")
            }
            Token::Segments(header, claims, signature) => format!("{header}.{claims}.{signature}"),
            Token::Followed(number, more) => format!("{}{more}", any(*number)),
        }
    }
}

impl Edit {
    /// Changes the token, which begins at `start`.
    fn apply(&self, line: &mut Vec<u8>, start: usize) {
        let length = line.len() - start;
        if length == 0 {
            return;
        }
        let place = |at: u16| start + usize::from(at) % length;
        match *self {
            Self::Flip { at, bit } => line[place(at)] ^= 1 << (bit % 8),
            Self::Replace { at, with } => line[place(at)] = with,
            Self::Remove { at } => drop(line.remove(place(at))),
            Self::Insert { at, byte } => line.insert(place(at), byte),
            Self::Truncate { to } => line.truncate(place(to)),
            Self::Swap { one, other } => line.swap(place(one), place(other)),
        }
    }
}

/// Always the same moment, that of the tokens.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(super::reference::NOW))
    }
}

/// Keys none of which is ever at hand.
#[derive(Debug)]
pub struct Far(pub FixedKeys);

impl KeySource for Far {
    fn lookup(&self, _: TenantId, _: &KeyId, _: UnixTime) -> Lookup {
        Lookup::Miss
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let answer = self.0.resolve(tenant, key);
        Box::pin(async move {
            // The request is put aside and taken up again, as it is for a fetch.
            tokio::task::yield_now().await;
            answer.await
        })
    }
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(Noon);
        let entra = runtime.block_on(MockEntra::builder().clock(Arc::clone(&clock)).start());
        let keys = KeySet::from_json(entra.key_document(TokenVersion::V2).as_bytes()).unwrap();
        let keys = FixedKeys::new(keys);
        let layer = |keys: Arc<dyn KeySource>| {
            UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(Arc::clone(&clock))
        };
        let (at_hand, waiting) = (layer(Arc::new(keys.clone())), layer(Arc::new(Far(keys))));
        let token = || entra.token();
        let stranger = SigningKey::stranger();
        let good: Vec<_> =
            [token(), token().v2(), token().roles(["Upstream.Call"]), token().claim("padding", "x".repeat(6000))]
                .map(|token| token.mint())
                .into();
        let bad = [
            token().expired(),
            token().delegated(),
            token().graph(),
            token().audience("api://somebody-else"),
            token().claim("tid", "11111111-aaaa-4bbb-8ccc-999999999999"),
            token().algorithm("none"),
            token().algorithm("HS256"),
            token().algorithm("PS256"),
            token().signed_by(&stranger),
            token().signed_by(&stranger.clone().with_key_id(entra.signing_key().key_id().clone())),
            token().raw_claims("{}"),
            token().header("crit", ["exp"]),
        ];
        let all = good.iter().cloned().chain(bad.map(|token| token.mint())).collect();
        Fixture { runtime, at_hand, waiting, good, all, _entra: entra }
    })
}

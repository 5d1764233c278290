//! What all contenders are given: one key document, one policy, the requests.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use signalr_upstream_auth::TokenVersion;
use mock_entra::{MockEntra, TokenBuilder};

/// Everything that goes from one process to another.
#[derive(Deserialize, Serialize)]
pub struct World {
    pub keys: String,
    pub keys_url: String,
    pub issuer: String,
    pub audience: String,
    /// Modulus of the key that signs.
    pub modulus: Vec<u8>,
    pub cases: Vec<Case>,
}

/// Requests of one kind: one that comes again and again, or as many as are different.
#[derive(Deserialize, Serialize)]
pub struct Case {
    pub name: String,
    pub is_good: bool,
    tokens: Vec<Option<String>>,
}

impl World {
    pub async fn new(entra: &MockEntra) -> Self {
        for _ in 0..4 {
            // Six keys, as Entra publishes.
            entra.publish(&entra.new_key());
        }
        let audience = format!("api://{}", entra.audience_client_id());
        let key = entra.signing_key();
        let tenant = entra.tenant();
        Self {
            keys: entra.key_document(TokenVersion::V2),
            keys_url: format!("{}/{tenant}/discovery/v2.0/keys", entra.url()),
            issuer: entra.issuer(tenant, TokenVersion::V1),
            audience,
            modulus: key.modulus(),
            cases: cases(entra),
        }
    }

    pub fn case(&self, name: &str) -> usize {
        self.cases.iter().position(|case| case.name == name).expect("a case of this name")
    }
}

impl Case {
    /// The headers of its requests, as Azure SignalR Service sends them.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.tokens.iter().map(|token| headers(token.as_deref())).collect()
    }

    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().flatten().map(String::as_str)
    }
}

fn headers(token: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("upstream.example.net"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).expect("a header value"));
    }
    for (name, value) in ASRS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

const ASRS: [(&str, &str); 6] = [
    ("x-asrs-hub", "chat"),
    ("x-asrs-category", "messages"),
    ("x-asrs-event", "echo"),
    ("x-asrs-connection-id", "Zm9vYmFyLWNvbm5lY3Rpb24"),
    ("x-asrs-user-id", "user-1"),
    ("x-asrs-user-claims", "nbf: 1727016607,exp: 1727020207"),
];

fn cases(entra: &MockEntra) -> Vec<Case> {
    let good = token(entra);
    let text = good.mint();
    let case = |name: &str, is_good, tokens: Vec<Option<String>>| Case { name: name.to_owned(), is_good, tokens };
    let bad = |name: &str, token: String| case(name, false, vec![Some(token)]);
    let distinct = |n: usize| Some(token(entra).claim("uti", format!("{n:022}")).mint());
    vec![
        case(SEEN, true, vec![Some(text.clone())]),
        case(FIRST_SIGHT, true, (0..DISTINCT).map(distinct).collect()),
        case("no header", false, vec![None]),
        bad("not a token", format!("{text},")),
        bad("64 KiB", "a".repeat(65_536)),
        bad("two segments", text.rsplit_once('.').expect("three segments").0.to_owned()),
        bad("other alg", good.clone().header("alg", "HS256").mint()),
        bad("other audience", good.clone().audience("api://another").mint()),
        bad("expired", good.clone().expired().mint()),
        bad("unknown kid", good.clone().key_id("unknown").mint()),
        bad(BAD_SIGNATURE, with_signature_of(&text, &good.claim("uti", "another").mint())),
    ]
}

/// The signature of another token of the same key: as good as any until all of it has been computed.
fn with_signature_of(other: &str, token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three segments");
    let (_, signature) = other.rsplit_once('.').expect("three segments");
    format!("{signed}.{signature}")
}

/// A token of a managed identity, with the claims that Keycloak's library insists on besides.
fn token(entra: &MockEntra) -> TokenBuilder {
    let client = entra.caller_client_id().to_string();
    entra.token().claim("jti", "00000000-1111-2222").claim("azp", client).claim("typ", "Bearer")
}

pub const SEEN: &str = "cached";
pub const FIRST_SIGHT: &str = "first sight";
pub const BAD_SIGNATURE: &str = "bad signature";

const DISTINCT: usize = 1_500;

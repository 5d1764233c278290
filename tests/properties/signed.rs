//! Signed tokens in three clouds, with every kind of key, good ones and altered ones. Each accepted one keeps every
//! rule by a reference implementation for its header, its key, its signature and its claims.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_entra::SigningKey;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use signalr_upstream_auth::keys::{FixedKeys, KeySet, KeySource};
use signalr_upstream_auth::{Audiences, Callers, Claims, Cloud, Policy, Tenants, TokenVersion, UpstreamAuthLayer};
use tokio::runtime::{Builder, Runtime};

use super::claim_values::{NAMES, value};
use super::fuzz::claims_text::{good, written};
use super::fuzz::plain_json::assert_no_name_twice;
use super::fuzz::plain_json::parse;
use super::fuzz::reference::{AUDIENCE, AUDIENCE_URI, CLIENT, OBJECT, OTHER_TENANT, ROLE, TENANT};
use super::fuzz::service::Far;
use support::{NOON, StillClock, cases, request, send};

/// How many tokens are tried.
fn all_cases() -> u32 {
    cases(4000)
}

#[test]
fn accepted_tokens_keep_every_rule_of_the_reference() {
    // Signing takes most of the time, so half of the tokens are made beside the others.
    let tally = std::thread::scope(|scope| {
        let other = scope.spawn(|| try_tokens(all_cases() / 2));
        let mut tally = try_tokens(all_cases() - all_cases() / 2);
        tally.add(other.join().unwrap());
        tally
    });
    tally.assert_enough();
}

fn try_tokens(cases: u32) -> Tally {
    let fixture = fixture();
    let tally = RefCell::new(Tally::default());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| {
            let (token, now) = (case.token(&fixture), NOON.saturating_add_signed(case.offset));
            let accepted = fixture.send(&case, &token, now);
            if let Some(claims) = &accepted {
                let place = &fixture.places[case.cloud];
                assert_every_rule_holds(place, &RULES[case.policy], &token, now, claims);
            }
            assert!(accepted.is_some() || !case.is_good(), "a good token is rejected");
            tally.borrow_mut().count(&case, accepted.is_some());
            Ok(())
        })
        .unwrap();
    tally.into_inner()
}

/// Only few sizes of keys are made here, so this token was signed elsewhere.
#[test]
fn rejects_keys_of_a_size_that_entra_does_not_use() {
    let fixture = fixture();
    let case = Case { kid: ODD_SIZE, ..Case::PLAIN };
    let header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{}"}}"#, KEYS[ODD_SIZE].0);
    let signed = format!("{}.{}", encode(&header), encode(&written(&good(false))));
    assert!(verifies(ODD_MODULUS, &signed, ODD_SIGNATURE));
    let token = format!("{signed}.{ODD_SIGNATURE}");
    if let Some(claims) = fixture.send(&case, &token, NOON) {
        assert_every_rule_holds(&fixture.places[case.cloud], &RULES[case.policy], &token, NOON, &claims);
        panic!("accepted");
    }
}

/// What a token has to say, in plain data.
struct Rules {
    tenants: &'static [&'static str],
    audience_ids: &'static [&'static str],
    audience_uris: &'static [&'static str],
    object_ids: &'static [&'static str],
    client_ids: &'static [&'static str],
    /// Tenant and object id.
    pairs: &'static [(&'static str, &'static str)],
    roles: &'static [&'static str],
    skew: u16,
}

const RULES: [Rules; 3] = [
    Rules {
        tenants: &[TENANT, OTHER_TENANT],
        audience_ids: &[AUDIENCE],
        audience_uris: &[AUDIENCE_URI],
        object_ids: &[OBJECT],
        client_ids: &[CLIENT],
        pairs: &[],
        roles: &[],
        skew: 300,
    },
    Rules {
        tenants: &[TENANT, OTHER_TENANT],
        audience_ids: &[AUDIENCE],
        audience_uris: &[],
        object_ids: &[],
        client_ids: &[],
        pairs: &[(TENANT, OBJECT)],
        roles: &[ROLE, "Admin"],
        skew: 0,
    },
    Rules {
        tenants: &[TENANT],
        audience_ids: &[AUDIENCE],
        audience_uris: &[],
        object_ids: &[],
        client_ids: &[CLIENT],
        pairs: &[],
        roles: &[],
        skew: 600,
    },
];

impl Rules {
    fn policy(&self, cloud: Cloud) -> Policy {
        let objects = Callers::parse_object_ids(self.object_ids).ok();
        let clients = Callers::parse_client_ids(self.client_ids).ok();
        let pairs = self.pairs.iter().map(|(tenant, object)| (tenant.parse().unwrap(), object.parse().unwrap()));
        let pairs = Callers::new(pairs).ok();
        let callers = [objects, clients, pairs].into_iter().flatten().reduce(Callers::or).unwrap();
        let audiences = Audiences::parse(self.audience_ids.iter().chain(self.audience_uris)).unwrap();
        Policy::builder(Tenants::parse(self.tenants).unwrap(), audiences, callers)
            .cloud(cloud)
            .required_roles(self.roles.iter().copied())
            .clock_skew(Duration::from_secs(self.skew.into()))
            .build()
            .unwrap()
    }
}

/// A cloud as its tokens and keys show it. `T` stands for the tenant.
struct Names {
    v1_issuer: &'static str,
    v2_issuer: &'static str,
    label: &'static str,
    /// Whether a key with another label is rejected.
    requires_label: bool,
}

const CLOUDS: [Names; 3] = [
    Names {
        v1_issuer: "https://sts.windows.net/T/",
        v2_issuer: "https://login.microsoftonline.com/T/v2.0",
        label: "microsoftonline.com",
        requires_label: true,
    },
    Names {
        v1_issuer: "https://sts.windows.net/T/",
        v2_issuer: "https://login.microsoftonline.us/T/v2.0",
        label: "microsoftonline.us",
        requires_label: true,
    },
    Names {
        v1_issuer: "https://sts.chinacloudapi.cn/T/",
        v2_issuer: "https://login.partner.microsoftonline.cn/T/v2.0",
        label: "partner.microsoftonline.cn",
        requires_label: false,
    },
];

/// For whom a key of [`KEYS`] may sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Serves {
    All,
    FirstTenant,
    /// Every tenant of a cloud that requires no label.
    CloudWithoutLabel,
    Nobody,
}

/// The keys by name; what each is, is told where the document is written.
const KEYS: [(&str, Serves); 17] = [
    ("usual", Serves::All),
    ("bare", Serves::All),
    ("blank", Serves::All),
    ("v1 issuer", Serves::All),
    ("3072 bits", Serves::All),
    ("first tenant", Serves::FirstTenant),
    ("other label", Serves::CloudWithoutLabel),
    ("other issuer", Serves::Nobody),
    ("personal", Serves::Nobody),
    ("encrypts", Serves::Nobody),
    ("RS512", Serves::Nobody),
    ("signs only", Serves::Nobody),
    ("other modulus", Serves::Nobody),
    ("exponent 3", Serves::Nobody),
    ("two moduli", Serves::Nobody),
    ("odd size", Serves::Nobody),
    ("unlisted", Serves::Nobody),
];
const LARGE: usize = 4;
const ODD_SIZE: usize = 15;

/// One cloud with its keys and a service for each of the [`RULES`], with its keys at hand and without.
struct Place {
    names: &'static Names,
    document: Value,
    services: Vec<[UpstreamAuthLayer; 2]>,
}

struct Fixture {
    runtime: Runtime,
    clock: Arc<StillClock>,
    key: &'static SigningKey,
    large: &'static KeyPair,
    places: Vec<Place>,
}

/// Each thread has its own, since the time is part of it.
fn fixture() -> Fixture {
    static KEYS: OnceLock<(SigningKey, KeyPair)> = OnceLock::new();
    let (key, large) = KEYS.get_or_init(|| (SigningKey::generate(), KeyPair::generate(KeySize::Rsa3072).unwrap()));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let clock = StillClock::at(NOON);
    let clouds = [Cloud::public(), Cloud::us_government(), Cloud::china()];
    let places = clouds.into_iter().zip(&CLOUDS).enumerate().map(|(number, (cloud, names))| {
        let document = document(names, &CLOUDS[(number + 1) % CLOUDS.len()], key, large);
        let keys = FixedKeys::new(KeySet::from_json(document.to_string().as_bytes()).unwrap());
        let sources: [Arc<dyn KeySource>; 2] = [Arc::new(keys.clone()), Arc::new(Far(keys))];
        let service = |rules: &Rules, keys: &Arc<dyn KeySource>| {
            UpstreamAuthLayer::from_keys(rules.policy(cloud.clone()), Arc::clone(keys)).with_clock(clock.clone())
        };
        let services = RULES.iter().map(|rules| sources.each_ref().map(|keys| service(rules, keys))).collect();
        Place { names, document, services }
    });
    let places = places.collect();
    Fixture { runtime, clock, key, large, places }
}

/// The key document of a cloud, with keys that `other` cloud's tenants, or nobody, may rely on.
fn document(names: &Names, other: &Names, key: &SigningKey, large: &KeyPair) -> Value {
    let template = |issuer: &str| issuer.replace('T', "{tenantid}");
    let foreign = SigningKey::stranger().modulus();
    let entry = |name: &str| {
        json!({
            "kty": "RSA",
            "use": "sig",
            "kid": name,
            "n": URL_SAFE_NO_PAD.encode(key.modulus()),
            "e": "AQAB",
            "cloud_instance_name": names.label,
            "issuer": template(names.v2_issuer),
        })
    };
    let with = |name: &str, member: &str, value: &str| {
        let mut entry = entry(name);
        entry[member] = value.into();
        entry
    };
    let mut bare = entry("bare");
    bare.as_object_mut().unwrap().retain(|name, _| matches!(name.as_str(), "kty" | "kid" | "n" | "e"));
    let mut blank = with("blank", "issuer", " ");
    blank["cloud_instance_name"] = "".into();
    let mut signs_only = entry("signs only");
    signs_only["key_ops"] = json!(["sign"]);
    let large = PublicKeyComponents::<Vec<u8>>::from(large.public_key()).n;
    json!({ "keys": [
        entry("usual"),
        bare,
        blank,
        with("v1 issuer", "issuer", &template(names.v1_issuer)),
        with("3072 bits", "n", &URL_SAFE_NO_PAD.encode(large)),
        with("first tenant", "issuer", &names.v2_issuer.replace('T', TENANT)),
        with("other label", "cloud_instance_name", other.label),
        with("other issuer", "issuer", &template(other.v2_issuer)),
        with("personal", "issuer", &names.v2_issuer.replace('T', "9188040d-6c67-4c5b-b112-36a304b66dad")),
        with("encrypts", "use", "enc"),
        with("RS512", "alg", "RS512"),
        signs_only,
        with("other modulus", "n", &URL_SAFE_NO_PAD.encode(&foreign)),
        with("exponent 3", "e", "Aw"),
        entry("two moduli"),
        with("two moduli", "n", &URL_SAFE_NO_PAD.encode(&foreign)),
        with("odd size", "n", ODD_MODULUS),
    ] })
}

impl Fixture {
    fn send(&self, case: &Case, token: &str, now: u64) -> Option<Claims> {
        self.clock.set(now);
        let service = &self.places[case.cloud].services[case.policy][usize::from(case.waits)];
        self.runtime.block_on(send(service, request(&[format!("Bearer {token}")]))).ok()
    }

    fn sign(&self, key: usize, algorithm: &str, message: &[u8]) -> Vec<u8> {
        if key != LARGE {
            return self.key.sign(algorithm, message);
        }
        let mut signature = vec![0; self.large.public_modulus_len()];
        self.large.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

/// One token and who is asked about it.
#[derive(Clone, Debug)]
struct Case {
    cloud: usize,
    policy: usize,
    waits: bool,
    is_v2: bool,
    is_other_tenant: bool,
    kid: usize,
    /// Another key signs than the one that is named.
    signer: Option<usize>,
    algorithm: &'static str,
    /// The clock, in seconds from noon.
    offset: i64,
    header: Vec<Change>,
    claims: Vec<Change>,
    /// A letter that is changed when all is signed.
    tampered: Option<prop::sample::Index>,
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, String),
    Add(String, String),
    Remove(String),
    /// `appid` and `azp`, of which each version has its own.
    OtherClient,
}

fn case() -> impl Strategy<Value = Case> {
    let place = (0..CLOUDS.len(), 0..RULES.len(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.3));
    let kid = prop_oneof![3 => Just(0), 4 => 0..KEYS.len()];
    let signer = prop::option::weighted(0.1, 0..KEYS.len());
    let algorithm = prop_oneof![
        20 => Just("RS256"),
        1 => prop::sample::select(vec!["RS384", "RS512", "PS256", "HS256", "none"]),
    ];
    let offset = prop_oneof![
        6 => Just(0),
        1 => prop::sample::select(vec![-600, -301, -300, -1, 86_699, 86_700, 86_999, 87_000, 87_299, 87_300]),
        1 => -1000..90_000_i64,
    ];
    let changes = |name, value| {
        let change = (0..9_u8, name, value).prop_map(|(kind, name, value): (u8, String, String)| match kind {
            0 => Change::Remove(name),
            1 => Change::Add(name, value),
            2 => Change::OtherClient,
            _ => Change::Set(name, value),
        });
        prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(change, 1..3)]
    };
    let header = changes(name(&HEADER_NAMES).boxed(), header_value().boxed());
    let claims = changes(name(&[&NAMES[..], &["uti", "aio", "nonce"]].concat()).boxed(), claim_value().boxed());
    let tampered = prop::option::weighted(0.05, any::<prop::sample::Index>());
    (place, kid, signer, algorithm, offset, header, claims, tampered).prop_map(
        |((cloud, policy, waits, is_v2, is_other_tenant), kid, signer, algorithm, offset, header, claims, tampered)| {
            Case {
                cloud,
                policy,
                waits,
                is_v2,
                is_other_tenant,
                kid,
                signer,
                algorithm,
                offset,
                header,
                claims,
                tampered,
            }
        },
    )
}

const HEADER_NAMES: [&str; 11] = ["alg", "typ", "kid", "crit", "b64", "enc", "zip", "nonce", "jku", "x5t", "cty"];

fn name(names: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

fn header_value() -> impl Strategy<Value = String> {
    let texts = ["RS256", "rs256", "none", "HS256", "JWT", "jwt", "at+jwt", "application/JWT", "dpop+jwt", "JOSE", ""];
    prop_oneof![
        4 => prop::sample::select(texts.to_vec()).prop_map(|text| json!(text).to_string()),
        2 => prop::sample::select(KEYS.to_vec()).prop_map(|(name, _)| json!(name).to_string()),
        1 => prop::sample::select(vec!["null", "true", "1", "[]", r#"["exp"]"#, "{}"]).prop_map(str::to_owned),
    ]
}

fn claim_value() -> impl Strategy<Value = String> {
    let issuer = (prop::sample::select(vec![0, 1, 2_usize]), any::<bool>(), any::<bool>())
        .prop_map(|(cloud, is_v2, is_other_tenant)| json!(issuer(&CLOUDS[cloud], is_v2, is_other_tenant)).to_string());
    let near = (-1000..1000_i64).prop_map(|offset| NOON.saturating_add_signed(offset).to_string());
    prop_oneof![3 => value(), 1 => issuer, 1 => near]
}

fn issuer(names: &Names, is_v2: bool, is_other_tenant: bool) -> String {
    let form = if is_v2 { names.v2_issuer } else { names.v1_issuer };
    form.replace('T', if is_other_tenant { OTHER_TENANT } else { TENANT })
}

impl Case {
    const PLAIN: Self = Self {
        cloud: 0,
        policy: 0,
        waits: false,
        is_v2: false,
        is_other_tenant: false,
        kid: 0,
        signer: None,
        algorithm: "RS256",
        offset: 0,
        header: Vec::new(),
        claims: Vec::new(),
        tampered: None,
    };

    fn token(&self, fixture: &Fixture) -> String {
        let text = |text: &str| json!(text).to_string();
        let mut header: Vec<_> = [("typ", "JWT"), ("alg", self.algorithm), ("kid", KEYS[self.kid].0)]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into();
        let mut claims = good(self.is_v2);
        for (name, value) in &mut claims {
            match name.as_str() {
                "iss" => *value = text(&issuer(&CLOUDS[self.cloud], self.is_v2, self.is_other_tenant)),
                "tid" if self.is_other_tenant => *value = text(OTHER_TENANT),
                _ => {}
            }
        }
        self.header.iter().for_each(|change| change.apply(&mut header));
        self.claims.iter().for_each(|change| change.apply(&mut claims));
        let signed = format!("{}.{}", encode(&written(&header)), encode(&written(&claims)));
        let signature = fixture.sign(self.signer.unwrap_or(self.kid), self.algorithm, signed.as_bytes());
        let mut token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into_bytes();
        if let Some(at) = self.tampered {
            let at = at.index(token.len());
            token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        }
        String::from_utf8(token).unwrap()
    }

    /// Nothing was done to it, and its key may sign for it.
    fn is_good(&self) -> bool {
        let is_served = match KEYS[self.kid].1 {
            Serves::All => true,
            Serves::FirstTenant => !self.is_other_tenant,
            Serves::CloudWithoutLabel => !CLOUDS[self.cloud].requires_label,
            Serves::Nobody => false,
        };
        // The second rules know the caller in the first tenant, the third know no other tenant.
        is_served && self.is_unaltered() && self.offset == 0 && (self.policy == 0 || !self.is_other_tenant)
    }

    fn is_unaltered(&self) -> bool {
        self.signer.is_none()
            && self.algorithm == "RS256"
            && self.header.is_empty()
            && self.claims.is_empty()
            && self.tampered.is_none()
    }
}

impl Change {
    fn apply(&self, members: &mut Vec<(String, String)>) {
        if let Self::Set(name, _) | Self::Remove(name) = self {
            members.retain(|(present, _)| present != name);
        }
        if let Self::OtherClient = self {
            for (name, _) in members.iter_mut() {
                match name.as_str() {
                    "appid" => *name = "azp".to_owned(),
                    "azp" => *name = "appid".to_owned(),
                    _ => {}
                }
            }
        }
        if let Self::Set(name, value) | Self::Add(name, value) = self {
            members.push((name.clone(), value.clone()));
        }
    }
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Whether a signature is right by the numbers of a key, said by the library alone.
fn verifies(modulus: &str, signed: &str, signature: &str) -> bool {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    RsaPublicKeyComponents { n: decode(modulus), e: vec![1, 0, 1] }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature))
        .is_ok()
}

fn assert_every_rule_holds(place: &Place, rules: &Rules, token: &str, now: u64, told: &Claims) {
    let segments: Vec<_> = token.split('.').collect();
    let &[header, claims, signature] = &segments[..] else { panic!("{} segments", segments.len()) };
    let read = |segment: &str| -> Value {
        let text = URL_SAFE_NO_PAD.decode(segment).unwrap();
        assert_no_name_twice(&parse(&text).unwrap());
        serde_json::from_slice(&text).unwrap()
    };
    let (header, body) = (read(header), read(claims));

    assert_eq!(header["alg"], "RS256");
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().unwrap().to_ascii_lowercase();
        assert!(["jwt", "at+jwt", "application/jwt", "application/at+jwt"].contains(&kind.as_str()), "typ {kind}");
    }
    for name in ["crit", "b64", "enc", "zip"] {
        assert_eq!(header.get(name), None);
    }

    let text = |name: &str| body.get(name).map(|value| value.as_str().unwrap());
    let tenant = text("tid").unwrap();
    assert!(rules.tenants.contains(&tenant), "tid {tenant}");
    let of_tenant = |form: &str| form.replace('T', tenant);
    let issuers = [place.names.v1_issuer, place.names.v2_issuer].map(of_tenant);
    let (is_v1, issuer) = match text("ver") {
        Some("1.0") => (true, &issuers[0]),
        Some("2.0") => (false, &issuers[1]),
        other => panic!("ver {other:?}"),
    };
    assert_eq!(text("iss"), Some(issuer.as_str()));

    let audience = match &body["aud"] {
        Value::Array(audiences) if audiences.len() == 1 => audiences[0].as_str(),
        single => single.as_str(),
    };
    let audience = audience.unwrap();
    let is_by_id = rules.audience_ids.iter().any(|id| {
        let spelt = [(*id).to_owned(), format!("api://{id}"), format!("api://{id}/")];
        let known = if is_v1 { &spelt[..] } else { &spelt[..1] };
        // The scheme is compared to the letter, the GUID is not.
        known.iter().any(|known| known.eq_ignore_ascii_case(audience))
            && (!audience.contains(':') || audience.starts_with("api://"))
    });
    let is_by_uri = rules.audience_uris.iter().any(|uri| audience == *uri || audience == format!("{uri}/"));
    assert!(is_by_id || is_by_uri, "aud {audience}");

    let time = |name: &str| body.get(name).map(|value| i128::from(value.as_u64().unwrap()));
    let (now, skew) = (i128::from(now), i128::from(rules.skew));
    let ends = time("exp").unwrap();
    assert!(now < ends + skew, "exp {ends} at {now}");
    for begins in [time("nbf"), time("iat")].into_iter().flatten() {
        assert!(begins <= now + skew, "nbf or iat {begins} at {now}");
        assert!(begins <= ends, "nbf or iat {begins} after exp {ends}");
    }

    let object = text("oid").unwrap();
    assert_eq!(text("sub"), Some(object));
    assert_eq!(text("scp"), None);
    assert!(matches!(text("idtyp"), None | Some("app")), "idtyp");
    let client = text(if is_v1 { "appid" } else { "azp" });
    let is_known = rules.object_ids.contains(&object)
        || client.is_some_and(|client| rules.client_ids.iter().any(|known| known.eq_ignore_ascii_case(client)))
        || rules.pairs.contains(&(tenant, object));
    assert!(is_known, "caller {object} {client:?} of {tenant}");
    let held: Vec<_> = match &body["roles"] {
        Value::Array(roles) => roles.iter().map(|role| role.as_str().unwrap()).collect(),
        Value::Null => Vec::new(),
        single => vec![single.as_str().unwrap()],
    };
    assert!(rules.roles.is_empty() || rules.roles.iter().any(|role| held.contains(role)), "roles {held:?}");
    for name in ["azp", "appid", "uti"] {
        text(name);
    }

    let keys = place.document["keys"].as_array().unwrap();
    let entries: Vec<_> = keys.iter().filter(|entry| entry["kid"] == header["kid"]).collect();
    let &[key] = &entries[..] else { panic!("{} keys of the name {}", entries.len(), header["kid"]) };
    assert_eq!((&key["kty"], &key["e"]), (&json!("RSA"), &json!("AQAB")));
    assert!(key["use"].is_null() || key["use"] == "sig", "use");
    assert!(key["alg"].is_null() || key["alg"] == "RS256", "alg of the key");
    assert!(key["key_ops"].is_null(), "key_ops: none of the document has verify");
    let modulus = key["n"].as_str().unwrap();
    assert!([256, 384, 512].contains(&URL_SAFE_NO_PAD.decode(modulus).unwrap().len()), "size of the key");
    let said = |member: &str| key[member].as_str().filter(|text| !text.trim().is_empty());
    if let Some(template) = said("issuer") {
        assert!(issuers.contains(&template.replace("{tenantid}", tenant)), "a key of {template}");
    }
    if let Some(label) = said("cloud_instance_name").filter(|_| place.names.requires_label) {
        assert_eq!(label, place.names.label);
    }
    assert!(verifies(modulus, token.rsplit_once('.').unwrap().0, signature), "signature");

    assert_eq!(told.tenant_id().to_string(), tenant);
    assert_eq!(told.object_id().to_string(), object);
    assert_eq!(told.client_id().map(|id| id.to_string()), client.map(str::to_ascii_lowercase).filter(|id| is_guid(id)));
    assert_eq!(told.audience(), audience);
    assert_eq!(told.version(), if is_v1 { TokenVersion::V1 } else { TokenVersion::V2 });
    assert_eq!(told.roles(), held);
    assert_eq!(i128::from(told.expires_at().as_secs()), ends);
    assert_eq!(told.token_id(), text("uti"));
}

fn is_guid(text: &str) -> bool {
    text.parse::<signalr_upstream_auth::ClientId>().is_ok()
}

/// How many tokens were accepted, by what matters about them.
#[derive(Default)]
struct Tally {
    accepted: BTreeMap<String, u32>,
}

impl Tally {
    fn count(&mut self, case: &Case, is_accepted: bool) {
        let mut add = |what: String| *self.accepted.entry(what).or_default() += 1;
        if !is_accepted {
            return add("rejected".to_owned());
        }
        add("accepted".to_owned());
        add(format!("cloud {} v2 {}", case.cloud, case.is_v2));
        add(format!("policy {}", case.policy));
        add(format!("key {}", KEYS[case.kid].0));
        if case.waits {
            add("waited".to_owned());
        }
        if !case.header.is_empty() {
            add("other header".to_owned());
        }
        if !case.claims.is_empty() {
            add("other claims".to_owned());
        }
        if case.offset != 0 {
            add("other time".to_owned());
        }
    }

    fn add(&mut self, other: Self) {
        for (what, count) in other.accepted {
            *self.accepted.entry(what).or_default() += count;
        }
    }

    /// So that the rules did not hold for want of tokens.
    fn assert_enough(self) {
        println!("{:?}", self.accepted);
        let enough = |what: &str, floor: u32| {
            let found = self.accepted.get(what).copied().unwrap_or_default();
            assert!(found >= floor, "only {found} times: {what}; {:?}", self.accepted);
        };
        enough("accepted", all_cases() / 10);
        enough("rejected", all_cases() / 10);
        enough("waited", all_cases() / 30);
        enough("other header", all_cases() / 100);
        enough("other claims", all_cases() / 100);
        enough("other time", all_cases() / 100);
        for cloud in 0..CLOUDS.len() {
            enough(&format!("cloud {cloud} v2 false"), all_cases() / 80);
            enough(&format!("cloud {cloud} v2 true"), all_cases() / 80);
        }
        for policy in 0..RULES.len() {
            enough(&format!("policy {policy}"), all_cases() / 80);
        }
        for (name, serves) in KEYS {
            let floor = match serves {
                Serves::All | Serves::FirstTenant => 5,
                Serves::CloudWithoutLabel => 1,
                Serves::Nobody => 0,
            };
            enough(&format!("key {name}"), floor);
        }
    }
}

const ODD_MODULUS: &str = "\
    22ghsCySzDqTSdNFKEvYGcaQFxPKSU1YTrsVbbN5y98ytMLjBl4quFAYnhzbMzKKGbosJ2Sh9TXVB-LnaxXJS7PjM5m7RRw5t5iD\
    gX-WvUpUd-Z1T5O9Xk83ceCH8UpstIdhFWxbEmLV2WaIiOavm_D5hXEdsw6Yl75dInDR1arNIuNreCRKSt2zUnhbneiUpoG2aaH7\
    VWz6j3Rozif_KJEKhLjyD6x0KBdQGApeYvpOgaikWxsMplViAsmICt6_rpyrQqPLZi_mA_R2xMgrgwStlmFWEbz16yv79_grsWBD\
    hRgXU1qdrbpF73YgGSKhdSumqKcnDY9BOHiY-3l8S2GyoYdGiaIB5alYPpRZzRFbRuE4q25470SJP5yhc2Qy3v5C0UCgdu5dqgx-\
    Ds9AKqhmXZoOT3f_MpSjGjcVm4k";
const ODD_SIGNATURE: &str = "\
    hBjUZU-WK2hNU9JMoNxDc1ezphzRYQqXep4QMlYocJSxJhOeqO--eDdScb1TDvWPZDh4PvKYgFMuzWDRxu1gqbABgmIKJoWBsMd3\
    eiLAXsCfi3MekdRyS9BO9bmgU8OdiEd-Cca66Wy1iYiAt5IWqwlKNCyds7MYzY_Rkvg6cTtaYgqes2Yrjb39NzyvO8LthQSQkBc_\
    B7DGvfHf-rMo9ZADF0_WJZ8Op8dylpp-EwaCXUfMGRnvEV1fItZvDlPN-opX_ngVprNPHXdBoBpATaMHjlXqo-B2B6vRdtNolsSP\
    YzfTlFontkhN6KM3DPDVzBn8r-i4KRZuGgVbdDYN19ZVVsKaLdCa7whZ8V4i-Vqma8pvESLJ3ZHtqHA-cElYhACABAYRRxqP0ziC\
    Ap4jP94UNluchKi5JbwUmCV7REs";

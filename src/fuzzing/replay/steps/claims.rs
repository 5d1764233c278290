//! Claims against a policy and against its reference implementation: both must reject or accept, and but for faults of
//! form for the same reason.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use signalr_upstream_auth::Policy;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::fuzzing::claims;

use super::super::claims_text::{good, written};
use super::super::reference::{
    AUDIENCE, AUDIENCE_URI, CLIENT, NOW, OBJECT, OTHER_TENANT, ROLE, ReferencePolicy, TENANT, class,
};
use super::compact::compact;

/// How one input is checked.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Setting {
    has_nonce: bool,
    requires_role: bool,
    is_raw: bool,
    is_v2: bool,
    clock: ClockSetting,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum ClockSetting {
    Noon,
    Unreadable,
    At(u64),
    /// So many seconds after noon.
    Near(i16),
}

/// One change to good claims.
#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Remove(u8),
    Set(u8, Value<'a>),
    Add(u8, Value<'a>),
    Name(&'a str, Value<'a>),
}

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    /// One of the texts that matter somewhere.
    Known(u8),
    /// A time near noon.
    Time(i16),
    Number(i64),
    Text(&'a str),
    /// Whatever it is.
    Raw(&'a str),
    /// One of the texts that matter, with one byte in another case.
    Recased(u8, u8),
    List(Vec<u8>),
}

pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return };
    let text = if setting.is_raw {
        input.take_rest().to_vec()
    } else {
        let Ok(changes) = Vec::<Change<'_>>::arbitrary(&mut input) else { return };
        changed(setting.is_v2, &changes).into_bytes()
    };
    check(&text, setting.has_nonce, setting.requires_role, setting.now());
}

/// Asks both for their verdicts.
pub fn check(text: &[u8], has_nonce: bool, requires_role: bool, now: Option<u64>) {
    if text.len() > 10_000 {
        return;
    }
    let (reference, policy) = &policies()[usize::from(requires_role)];
    let header = if has_nonce { r#"{"alg":"RS256","kid":"k","nonce":"n"}"# } else { r#"{"alg":"RS256","kid":"k"}"# };
    let found = claims(policy, &compact(header.as_bytes(), text), now.map(UnixTime::from_secs)).map_err(class);
    if let Some(expected) = reference.check(has_nonce, text, now) {
        assert_eq!(found, expected.map_err(class), "{}", String::from_utf8_lossy(text));
    }
}

fn policies() -> &'static [(ReferencePolicy, Policy); 2] {
    static POLICIES: OnceLock<[(ReferencePolicy, Policy); 2]> = OnceLock::new();
    POLICIES.get_or_init(|| {
        let usual = ReferencePolicy::usual();
        let strict = ReferencePolicy { roles: vec![ROLE.to_owned(), "Admin".to_owned()], ..usual.clone() };
        [usual, strict].map(|reference| {
            let policy = reference.build();
            (reference, policy)
        })
    })
}

impl Setting {
    fn now(self) -> Option<u64> {
        match self.clock {
            ClockSetting::Noon => Some(NOW),
            ClockSetting::Unreadable => None,
            ClockSetting::At(seconds) => Some(seconds),
            ClockSetting::Near(offset) => Some(NOW.saturating_add_signed(offset.into())),
        }
    }
}

fn changed(is_v2: bool, changes: &[Change<'_>]) -> String {
    let mut members = good(is_v2);
    for change in changes {
        match change {
            Change::Remove(number) => {
                let name = name(*number);
                members.retain(|(present, _)| present != name);
            }
            Change::Set(number, value) => {
                let name = name(*number);
                members.retain(|(present, _)| present != name);
                members.push((name.to_owned(), value.json()));
            }
            Change::Add(number, value) => members.push((name(*number).to_owned(), value.json())),
            Change::Name(name, value) => members.push(((*name).to_owned(), value.json())),
        }
    }
    written(&members)
}

fn name(number: u8) -> &'static str {
    const NAMES: [&str; 18] = [
        "aud", "iss", "iat", "nbf", "exp", "appid", "azp", "oid", "sub", "tid", "ver", "scp", "idtyp", "roles", "uti",
        "TID", "Tid", "aio",
    ];
    NAMES[usize::from(number) % NAMES.len()]
}

fn known(number: u8) -> String {
    let known = [
        TENANT.to_owned(),
        OTHER_TENANT.to_owned(),
        AUDIENCE.to_owned(),
        format!("api://{AUDIENCE}"),
        format!("api://{AUDIENCE}/"),
        AUDIENCE_URI.to_owned(),
        format!("{AUDIENCE_URI}/"),
        OBJECT.to_owned(),
        CLIENT.to_owned(),
        ROLE.to_owned(),
        "1.0".to_owned(),
        "2.0".to_owned(),
        "app".to_owned(),
        "user".to_owned(),
        String::new(),
        format!("https://sts.windows.net/{TENANT}/"),
        format!("https://sts.windows.net/{OTHER_TENANT}/"),
        format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"),
        "https://sts.windows.net/{tenantid}/".to_owned(),
        "https://graph.microsoft.com".to_owned(),
        "00000003-0000-0000-c000-000000000000".to_owned(),
        "Admin".to_owned(),
    ];
    known[usize::from(number) % known.len()].clone()
}

impl Value<'_> {
    fn json(&self) -> String {
        let text = |text: &str| serde_json::to_string(text).unwrap();
        match self {
            Self::Known(number) => text(&known(*number)),
            Self::Time(offset) => NOW.saturating_add_signed((*offset).into()).to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(value) => text(value),
            Self::Raw(value) => (*value).to_owned(),
            Self::Recased(number, at) => {
                let mut value = known(*number).into_bytes();
                if !value.is_empty() {
                    let at = usize::from(*at) % value.len();
                    value[at] = if value[at].is_ascii_lowercase() {
                        value[at].to_ascii_uppercase()
                    } else {
                        value[at].to_ascii_lowercase()
                    };
                }
                text(&String::from_utf8(value).unwrap())
            }
            Self::List(numbers) => {
                let items: Vec<_> = numbers.iter().map(|number| text(&known(*number))).collect();
                format!("[{}]", items.join(","))
            }
        }
    }
}

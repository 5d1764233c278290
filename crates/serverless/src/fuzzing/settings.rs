//! Connection strings and settings.

use std::ffi::OsString;

use crate::Settings;
use crate::credential::ambient::Ambient;
use crate::error::ConfigFault;
use crate::settings::reference::{Meaning, characters};
use crate::settings::{AuthPlan, Reading, Report};

/// A connection string never panics, never shows a secret, and means what its characters say.
pub fn connection_string(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let settings = Settings::from_connection_string(text);
    let (readings, faults, told) = read(&settings);
    let (values, _) = characters(text);
    for key in ["accesskey", "clientsecret"] {
        // Short texts occur in the sentences themselves.
        let secret = values.get(key).filter(|secret| secret.chars().count() >= 24);
        assert!(secret.is_none_or(|secret| !told.contains(secret.as_str())), "{key} in {told}");
    }
    assert_eq!(
        readings.is_empty(),
        faults.iter().any(|fault| !fault.problem().contains("repeats a key")),
        "{faults:?}"
    );
    let (Some(reading), true) = (readings.first(), faults.is_empty()) else { return };
    let value = |key: &str| values.get(key).map(String::as_str).unwrap_or_default();
    match (Meaning::of(reading), &reading.auth) {
        (Meaning::AccessKey(key), AuthPlan::AccessKey(_)) => assert_eq!(key, value("accesskey")),
        (Meaning::ManagedIdentity(id), _) => assert_eq!(id.unwrap_or_default(), value("clientid")),
        (Meaning::Application { tenant, client, secret }, _) => {
            let expected = (value("tenantid"), value("clientid"), value("clientsecret"));
            assert_eq!((tenant.as_str(), client.as_str(), secret.as_str()), expected);
        }
        (Meaning::DefaultChain, _) => assert_eq!(value("authtype").to_ascii_lowercase(), "azure"),
        (meaning, auth) => panic!("{meaning:?} {auth:?}"),
    }
}

/// Settings never panic and never show a secret, from lines `NAME=value` or from JSON.
pub fn settings(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (std::str::from_utf8(&line[..at]).ok()?, &line[at + 1..]);
        Some((OsString::from(name), os_string(value)?))
    });
    check(&Settings::from_vars(Settings::DEFAULT_PREFIX, lines));
    if let Ok(settings) = serde_json::from_slice::<Settings>(data) {
        check(&settings);
    }
}

fn check(settings: &Settings) {
    let (readings, faults, _) = read(settings);
    assert!(settings.is_configured() || readings.is_empty());
    if !settings.is_configured() {
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].field(), Settings::DEFAULT_PREFIX);
    }
    assert!(!readings.is_empty() || !faults.is_empty(), "nothing was read and nothing said");
    for fault in &faults {
        assert!(!fault.field().is_empty() && !fault.problem().is_empty());
    }
    for reading in &readings {
        let url = &reading.addresses.endpoint;
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none(), "{url}");
    }
}

/// What is read, what is wrong with it, and all that was said.
fn read(settings: &Settings) -> (Vec<Reading>, Vec<ConfigFault>, String) {
    let mut report = Report::default();
    let readings = settings.read(&Ambient::new(&|_| None), &mut report);
    let mut told = format!("{settings:?} {:?} {readings:?}", report.warnings());
    let faults: Vec<_> = report.finish().err().map(|error| error.faults().cloned().collect()).unwrap_or_default();
    told += &format!("{faults:?}");
    (readings, faults, told)
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;

    Some(OsString::from_vec(bytes.to_vec()))
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> Option<OsString> {
    String::from_utf8(bytes.to_vec()).ok().map(OsString::from)
}

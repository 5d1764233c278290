//! Connection strings against the second reading.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::read;
use crate::Settings;
use crate::settings::reference::{Meaning, meaning};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn connection_strings_mean_what_the_second_reading_says(text in connection_string()) {
        let (readings, faults, _) = read(&Settings::from_connection_string(&text));
        match meaning(&text) {
            Ok(expected) => {
                prop_assert_eq!(&faults, &Vec::<String>::new(), "{}", text);
                prop_assert_eq!(readings.len(), 1);
                prop_assert_eq!(Meaning::of(&readings[0]), expected);
            }
            Err(expected) => {
                // `Key of the connection string`; unknown keys are not named.
                let keys: BTreeSet<_> = faults
                    .iter()
                    .map(|field| field.strip_suffix("the connection string").unwrap())
                    .map(|key| key.strip_suffix(" of ").unwrap_or_default().to_ascii_lowercase())
                    .collect();
                prop_assert_eq!(keys, expected, "{}", text);
                prop_assert!(readings.is_empty() || faults.iter().any(|_| text.contains(';')));
            }
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic_and_without_its_secret(text in ".*", key in "[a-z]{12}") {
        let settings = Settings::from_connection_string(&format!("{text};AccessKey={key};AccessKey={key}"));
        let (_, faults, warnings) = read(&settings);
        let told = format!("{faults:?}{warnings:?}{settings:?}");
        prop_assert!(!told.contains(&key), "{}", told);
    }
}

/// Mostly right, so that deep rules are reached: each part may be there, twice, broken or in another case.
fn connection_string() -> impl Strategy<Value = String> {
    const GUIDS: [&str; 2] = ["11111111-aaaa-4bbb-8ccc-222222222222", "33333333-DDDD-4eee-8fff-444444444444"];
    let pair = |key: &'static str, values: Vec<&'static str>| {
        (any::<bool>(), prop::sample::select(values), prop::sample::select(vec!["", " ", "\t"])).prop_map(
            move |(is_upper, value, space)| {
                let key = if is_upper { key.to_ascii_uppercase() } else { key.to_owned() };
                format!("{space}{key}{space}={space}{value}{space}")
            },
        )
    };
    let addresses = vec![
        "https://a.service.signalr.net",
        "https://a.service.signalr.net/",
        "http://a",
        "http://localhost:8888",
        "http://127.0.0.1",
        "https://b:8443/base/",
        "a.service.signalr.net",
        "https://",
        "ftp://a",
        "",
    ];
    let guids = vec![GUIDS[0], GUIDS[0], GUIDS[1], "chat", ""];
    let other = prop_oneof![
        3 => pair("AccessKey", vec!["key", "a=b==", ""]),
        2 => pair("ClientId", guids.clone()),
        2 => pair("TenantId", vec![GUIDS[1], "contoso.com", "-x", "a/b", ""]),
        2 => pair("ClientSecret", vec!["secret", "se cret", "a=b", "a\u{1}b", ""]),
        1 => pair("ClientCert", vec!["/app.pem", ""]),
        1 => pair("ClientCertPath", vec!["/app.pem"]),
        1 => pair("Port", vec!["1", "443", "65535", "65536", "0", "-1", "x", ""]),
        1 => pair("Version", vec!["1.0", "1.0-preview.1", "1.", "2.0", "1.x", ""]),
        1 => pair("ClientEndpoint", addresses.clone()),
        1 => pair("ServerEndpoint", addresses.clone()),
        1 => pair("Hub", vec!["chat"]),
        1 => prop::sample::select(vec!["", " ", "tail"]).prop_map(str::to_owned),
    ];
    let endpoint = prop_oneof![4 => pair("Endpoint", vec![addresses[0], addresses[1], addresses[5]]), 1 => pair("Endpoint", addresses)];
    let auth = prop_oneof![
        1 => Just(None),
        4 => pair("AuthType", vec!["aad", "azure", "azure.app", "azure.msi", "Azure.App", "entra", ""]).prop_map(Some),
    ];
    (endpoint, auth, vec(other, 0..7), any::<prop::sample::Index>()).prop_map(|(endpoint, auth, mut parts, at)| {
        parts.extend(auth);
        let at = at.index(parts.len() + 1);
        parts.insert(at, endpoint);
        parts.join(";")
    })
}

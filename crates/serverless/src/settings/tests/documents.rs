//! Documents say the same as the environment, however they nest.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{environment, read};
use crate::Settings;

#[test]
fn reads_nested_maps_and_colons_and_passes_over_the_rest() {
    let settings: Settings = serde_json::from_str(
        r#"{
            "Logging": { "LogLevel": { "Default": "Warning" }, "Rules": [1, 2.5, true, null] },
            "ConnectionStrings": { "Other": "Server=db" },
            "azuresignalrconnectionstring": {
                "serviceUri": "https://contoso.service.signalr.net",
                "credential": "managedidentity"
            },
            "Azure": { "SignalR:Endpoints": { "west": { "secondary": "Endpoint=https://west;AccessKey=key" } } },
            "Azure:SignalR:Endpoints:east:serviceUri": "https://east.service.signalr.net"
        }"#,
    )
    .unwrap();
    let (readings, faults, warnings) = read(&settings);
    assert_eq!((faults, warnings), (Vec::new(), Vec::new()));
    let names: Vec<_> = readings.iter().map(|reading| reading.name.as_deref()).collect();
    assert_eq!(names, [None, Some("east"), Some("west")]);
    let (readings, faults, _) = read(&settings.with_prefix("Nothing"));
    assert_eq!((readings.len(), faults), (2, Vec::new()), "the named endpoints remain");
}

#[test]
fn names_faults_as_a_document_writes_them() {
    let settings: Settings = serde_json::from_str(
        r#"{ "AzureSignalRConnectionString": { "credential": "workloadidentity", "ClientID": 5 } }"#,
    )
    .unwrap();
    let expected = [
        "AzureSignalRConnectionString:serviceUri",
        "AzureSignalRConnectionString:tenantId",
        "AzureSignalRConnectionString:ClientID",
        "AzureSignalRConnectionString:tokenFilePath",
    ];
    assert_eq!(read(&settings).1, expected);
}

#[test]
fn rejects_what_is_no_map_and_what_nests_without_end() {
    assert!(serde_json::from_str::<Settings>("\"text\"").is_err());
    assert!(serde_json::from_str::<Settings>("null").is_ok_and(|settings| !settings.is_configured()));
    let deep = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
    let error = serde_json::from_str::<Settings>(&deep).unwrap_err().to_string();
    assert!(error.contains("nest more than"), "{error}");
}

proptest! {
    #[test]
    fn every_nesting_reads_as_the_environment(entries in vec((name(), value(), vec(any::<bool>(), 5)), 0..8)) {
        let mut seen = std::collections::BTreeSet::new();
        let entries: Vec<_> = entries.into_iter().filter(|(name, ..)| seen.insert(name.to_ascii_lowercase())).collect();
        let variables: Vec<_> = entries.iter().map(|(name, value, _)| (name.as_str(), value.as_str())).collect();
        let mut document = Value::Object(Map::new());
        let mut is_map = true;
        for (name, value, joints) in &entries {
            is_map &= insert(&mut document, &name.split("__").collect::<Vec<_>>(), joints, value);
        }
        // A value and a section of one name: an environment has both, a document needs `:` for it.
        prop_assume!(is_map);
        let settings: Settings = serde_json::from_value(document).unwrap();
        let expected = environment(&variables);
        prop_assert_eq!(settings.is_configured(), expected.is_configured());
        let (readings, faults, warnings) = read(&settings);
        let (expected, expected_faults, expected_warnings) = read(&expected);
        let spelled = |names: Vec<String>| {
            let mut names: Vec<_> = names.into_iter().map(|name| name.replace("__", ":").to_ascii_lowercase()).collect();
            names.sort();
            names
        };
        prop_assert_eq!(spelled(faults), spelled(expected_faults));
        prop_assert_eq!(spelled(warnings), spelled(expected_warnings));
        prop_assert_eq!(readings.len(), expected.len());
        for (reading, expected) in readings.iter().zip(&expected) {
            prop_assert_eq!((&reading.auth, reading.priority), (&expected.auth, expected.priority));
            prop_assert_eq!(&reading.addresses.endpoint, &expected.addresses.endpoint);
            let name = |name: &Option<String>| name.as_deref().map(str::to_ascii_lowercase);
            prop_assert_eq!(name(&reading.name), name(&expected.name));
        }
    }
}

/// Puts a value into nested maps, with `:` where a joint is not nested. `false` where a map has a value already.
fn insert(node: &mut Value, segments: &[&str], joints: &[bool], value: &str) -> bool {
    let nested = (1..segments.len()).find(|index| joints[index - 1]);
    let Some(map) = node.as_object_mut() else { return false };
    let Some(index) = nested else {
        let key = segments.join(":");
        let is_free = !map.contains_key(&key);
        map.insert(key, Value::String(value.to_owned()));
        return is_free;
    };
    let key = segments[..index].join(":");
    let child = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    insert(child, &segments[index..], &joints[index..], value)
}

fn name() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "serviceUri",
        "SERVICEURI",
        "credential",
        "clientId",
        "tenantId",
        "clientSecret",
        "managedIdentityClientId",
        "managedIdentityObjectId",
        "managedIdentityResourceId",
        "azureCloud",
        "clientEndpoint",
        "serverEndpoint",
        "type",
        "clientCertificate",
        "other",
    ]);
    let section = prop::sample::select(vec![
        "AzureSignalRConnectionString",
        "azuresignalrConnectionString",
        "Azure__SignalR__Endpoints__a",
        "Azure__SignalR__Endpoints__A",
        "AZURE__SignalR__Endpoints__b",
    ]);
    prop_oneof![
        8 => (section.clone(), key).prop_map(|(section, key)| format!("{section}__{key}")),
        1 => section.prop_map(str::to_owned),
        1 => Just("ConnectionStrings__AzureSignalRConnectionString".to_owned()),
        1 => Just("Azure__SignalR__Endpoints__c__secondary".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "https://a.service.signalr.net",
        "http://a.service.signalr.net",
        "Endpoint=https://a;AuthType=azure.msi",
        "Endpoint=https://a;AccessKey=key",
        "managedidentity",
        "workloadidentity",
        "managedidentityasfederatedidentity",
        "11111111-aaaa-4bbb-8ccc-222222222222",
        "usgov",
        "secondary",
        "secret",
        " ",
        "",
    ])
    .prop_map(str::to_owned)
}

//! Settings as text: without processes, credentials or files.

mod documents;
mod second_reading;

use super::reading::Reading;
use super::report::Report;
use super::{AuthPlan, Settings};
use crate::credential::ambient::Ambient;
use crate::credential::plan::CredentialPlan;

/// What a reading finds, with what is wrong.
fn read(settings: &Settings) -> (Vec<Reading>, Vec<String>, Vec<String>) {
    let mut report = Report::default();
    let readings = settings.read(&Ambient::new(&|_| None), &mut report);
    let warnings = report.warnings().iter().map(|warning| warning.field.clone()).collect();
    let faults = match report.finish() {
        Ok(()) => Vec::new(),
        Err(error) => error.faults().map(|fault| fault.field().to_owned()).collect(),
    };
    (readings, faults, warnings)
}

fn credential(reading: &Reading) -> Option<&CredentialPlan> {
    match &reading.auth {
        AuthPlan::AccessKey(_) => None,
        AuthPlan::Entra(plan) => Some(plan),
    }
}

fn environment(pairs: &[(&str, &str)]) -> Settings {
    Settings::from_vars(Settings::DEFAULT_PREFIX, pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

#[test]
fn prefix_may_be_any_name_in_any_case() {
    let pairs = [("contoso__chat__serviceuri", "https://a.service.signalr.net")];
    for prefix in ["Contoso__Chat", "Contoso:Chat", "CONTOSO__CHAT"] {
        let settings = Settings::from_vars(prefix, pairs.map(|(name, value)| (name.into(), value.into())));
        assert!(settings.is_configured());
        assert_eq!(read(&settings).0.len(), 1, "{prefix}");
    }
}

#[test]
fn variables_of_others_are_not_kept() {
    let settings = environment(&[
        ("AzureSignalRConnectionStrings__serviceUri", "https://a"),
        ("MyAzureSignalRConnectionString", "Endpoint=https://a;AccessKey=b"),
        ("CUSTOMCONNSTR_Other", "Endpoint=https://a;AccessKey=b"),
        ("ConnectionStrings__Other", "Endpoint=https://a;AccessKey=b"),
        ("Azure__SignalR__ServerEndpoints__a", "b"),
        ("PASSWORD", "secret"),
    ]);
    assert!(!settings.is_configured());
    assert_eq!(format!("{settings:?}"), format!("{:?}", environment(&[])));
}

#[test]
fn blank_values_count_as_missing() {
    let settings = environment(&[
        ("AzureSignalRConnectionString", " "),
        ("AzureSignalRConnectionString__serviceUri", " https://a.service.signalr.net/ "),
        ("AzureSignalRConnectionString__credential", ""),
        ("AzureSignalRConnectionString__clientSecret", "\t"),
        ("AzureSignalRConnectionString__type", ""),
    ]);
    let (readings, faults, warnings) = read(&settings);
    assert_eq!((faults, warnings), (Vec::new(), Vec::new()));
    assert!(matches!(credential(&readings[0]), Some(CredentialPlan::Default(_))));
    assert_eq!(readings[0].addresses.endpoint.as_str(), "https://a.service.signalr.net/");
}

#[test]
fn two_spellings_with_different_values_are_a_fault() {
    let uri = ("AzureSignalRConnectionString__serviceUri", "https://a.service.signalr.net");
    let same = environment(&[uri, ("AzureSignalRConnectionString__SERVICEURI", uri.1)]);
    assert_eq!(read(&same).1, Vec::<String>::new());
    let other = environment(&[uri, ("AzureSignalRConnectionString__SERVICEURI", "https://b.service.signalr.net")]);
    assert_eq!(read(&other).1, [uri.0]);
}

#[cfg(unix)]
#[test]
fn value_that_is_not_utf_8_is_a_fault() {
    use std::os::unix::ffi::OsStringExt;

    let broken = std::ffi::OsString::from_vec(vec![0xff]);
    for name in ["AzureSignalRConnectionString__serviceUri", "AzureSignalRConnectionString"] {
        let settings = Settings::from_vars(Settings::DEFAULT_PREFIX, [(name.into(), broken.clone())]);
        let (readings, faults, _) = read(&settings);
        assert_eq!((readings.len(), faults), (0, vec![name.to_owned()]));
    }
}

#[test]
fn addresses_are_not_repaired() {
    for address in [
        "contoso.service.signalr.net",
        "https:contoso.service.signalr.net",
        "https:///contoso.service.signalr.net",
        "https:\\\\contoso.service.signalr.net",
        "https://contoso.service\n.signalr.net",
        "https://<name>.service.signalr.net",
        "https://",
        "ftp://contoso.service.signalr.net",
        "https://contoso.service.signalr.net?hub=chat",
        "https://contoso.service.signalr.net#hub",
        "https://user@contoso.service.signalr.net",
        "http://contoso.service.signalr.net",
    ] {
        let (readings, faults, _) = read(&environment(&[("AzureSignalRConnectionString__serviceUri", address)]));
        assert_eq!((readings.len(), faults.len()), (0, 1), "{address}");
    }
}

#[test]
fn plain_http_reaches_another_machine_with_an_access_key_alone() {
    let faults = |text: &str| read(&Settings::from_connection_string(text)).1;
    assert_eq!(faults("Endpoint=http://emulator;Port=8888;AccessKey=key"), Vec::<String>::new());
    assert_eq!(faults("Endpoint=http://localhost;AuthType=azure.msi"), Vec::<String>::new());
    assert_eq!(faults("Endpoint=http://emulator;AuthType=azure.msi"), ["Endpoint of the connection string"]);
    let client = "Endpoint=https://a;ClientEndpoint=http://edge;AuthType=azure.msi";
    assert_eq!(faults(client), ["ClientEndpoint of the connection string"]);
}

#[test]
fn port_replaces_that_of_the_endpoint() {
    for (text, address) in [
        ("Endpoint=https://a:1/;Port=8443;AccessKey=b", "https://a:8443/"),
        ("Endpoint=https://a;Port=443;AccessKey=b", "https://a/"),
        ("Endpoint=http://localhost;Port=8888;AccessKey=b;Version=1.0;", "http://localhost:8888/"),
    ] {
        let (readings, faults, _) = read(&Settings::from_connection_string(text));
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(readings[0].addresses.endpoint.as_str(), address);
    }
}

#[test]
fn secret_of_a_connection_string_may_contain_equals_signs() {
    let (readings, ..) = read(&Settings::from_connection_string("Endpoint=https://a;AccessKey=YWJj=="));
    let AuthPlan::AccessKey(key) = &readings[0].auth else { panic!("{readings:?}") };
    assert_eq!(key.expose(), "YWJj==");
}

#[test]
fn ids_and_tenants_are_checked() {
    use super::values::{guid, resource_id, tenant};

    assert!(guid("11111111-aaaa-4bbb-8CCC-222222222222").is_ok());
    for text in [
        "",
        "chat",
        "{11111111-aaaa-4bbb-8ccc-222222222222}",
        "11111111aaaa4bbb8ccc222222222222",
        "11111111-aaaa-4bbb-8ccc-22222222222g",
    ] {
        assert!(guid(text).is_err(), "{text}");
    }
    for text in ["contoso.onmicrosoft.com", "11111111-aaaa-4bbb-8ccc-222222222222", "organizations"] {
        assert!(tenant(text).is_ok(), "{text}");
    }
    for text in ["", "-tenant", "--output", "a/b", "a b", "$(id)", "tenant;id", "tenänt"] {
        assert!(tenant(text).is_err(), "{text}");
    }
    let id = "/subscriptions/s/resourcegroups/g/providers/microsoft.managedidentity/userassignedidentities/i";
    assert!(resource_id(id).is_ok());
    for text in ["chat", "/subscriptions/s/resourceGroups/g/providers/Microsoft.SignalRService/SignalR/a"] {
        assert!(resource_id(text).is_err(), "{text}");
    }
}

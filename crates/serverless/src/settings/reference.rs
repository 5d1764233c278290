//! A second reading of connection strings, written from the documentation and the facts of .NET's parser, not from the
//! code it checks: one pass over characters, one table of credentials.

#![cfg_attr(not(test), allow(dead_code, reason = "hosts that a fuzzer makes up are beyond this reading"))]

use std::collections::{BTreeMap, BTreeSet};

use super::{AuthPlan, Reading};
use crate::credential::plan::{CredentialPlan, ManagedIdentityId};

/// What a connection string means.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Meaning {
    AccessKey(String),
    ManagedIdentity(Option<String>),
    Application { tenant: String, client: String, secret: String },
    DefaultChain,
}

impl Meaning {
    /// What the code under test made of it.
    pub(crate) fn of(reading: &Reading) -> Self {
        let plan = match &reading.auth {
            AuthPlan::AccessKey(key) => return Self::AccessKey(key.expose().to_owned()),
            AuthPlan::Entra(plan) => plan,
        };
        match &**plan {
            CredentialPlan::ManagedIdentity(None) => Self::ManagedIdentity(None),
            CredentialPlan::ManagedIdentity(Some(ManagedIdentityId::Client(id))) => {
                Self::ManagedIdentity(Some(id.clone()))
            }
            CredentialPlan::ClientSecret(application) => Self::Application {
                tenant: application.tenant_id.clone(),
                client: application.client_id.clone(),
                secret: application.secret.expose().to_owned(),
            },
            CredentialPlan::Default(_) => Self::DefaultChain,
            other => panic!("no connection string means {other:?}"),
        }
    }
}

/// The meaning, or the lower-case keys that are at fault.
pub(crate) fn meaning(text: &str) -> Result<Meaning, BTreeSet<String>> {
    let (values, mut faults) = characters(text);
    let value = |key: &str| values.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let mut fault_if = |is_fault: bool, key: &str| {
        if is_fault {
            faults.insert(key.to_owned());
        }
    };
    fault_if(value("endpoint").is_none_or(|url| !is_address(url)), "endpoint");
    for key in ["clientendpoint", "serverendpoint"] {
        fault_if(value(key).is_some_and(|url| !is_address(url)), key);
    }
    fault_if(value("port").is_some_and(|port| !(1..=65_535).contains(&port.parse::<i64>().unwrap_or(0))), "port");
    fault_if(value("version").is_some_and(|version| !is_version(version)), "version");
    let kind = match value("authtype").map(str::to_lowercase).as_deref() {
        None => "key",
        Some("azure") => "default",
        Some("azure.msi") => "identity",
        Some("azure.app") => "application",
        Some("aad") if value("clientid").is_some() && value("tenantid").is_some() => "application",
        Some("aad") => "identity",
        Some(_) => "unknown",
    };
    fault_if(kind == "unknown", "authtype");
    fault_if(kind == "key" && value("accesskey").is_none(), "accesskey");
    let uses_client = matches!(kind, "identity" | "application");
    fault_if(uses_client && value("clientid").is_some_and(|id| !is_guid(id)), "clientid");
    if kind == "application" {
        fault_if(value("clientid").is_none(), "clientid");
        fault_if(value("tenantid").is_none_or(|id| !is_tenant(id)), "tenantid");
        let certificates = ["clientcert", "clientcertpath"].into_iter().filter(|key| value(key).is_some());
        let certificates: Vec<_> = certificates.collect();
        match value("clientsecret") {
            Some(secret) => fault_if(secret.chars().any(char::is_control), "clientsecret"),
            None if certificates.is_empty() => fault_if(true, "clientsecret"),
            None => certificates.into_iter().for_each(|key| fault_if(true, key)),
        }
    }
    // Tokens of Entra stay off plain HTTP.
    for key in ["endpoint", "clientendpoint", "serverendpoint"] {
        let is_plain = value(key).is_some_and(|url| url.to_lowercase().starts_with("http:") && !is_local(url));
        fault_if(is_plain && !matches!(kind, "key" | "unknown"), key);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let owned = |key: &str| value(key).unwrap_or_default().to_owned();
    Ok(match kind {
        "key" => Meaning::AccessKey(owned("accesskey")),
        "identity" => Meaning::ManagedIdentity(value("clientid").map(str::to_owned)),
        "application" => {
            Meaning::Application { tenant: owned("tenantid"), client: owned("clientid"), secret: owned("clientsecret") }
        }
        _ => Meaning::DefaultChain,
    })
}

/// Keys with values, and the keys that come twice.
pub(crate) fn characters(text: &str) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut values, mut twice) = (BTreeMap::new(), BTreeSet::new());
    let (mut key, mut value, mut has_equals) = (String::new(), String::new(), false);
    for char in text.chars().chain([';']) {
        match char {
            ';' => {
                let name = key.trim().to_ascii_lowercase();
                let text = value.trim().to_owned();
                if has_equals {
                    let known = if KNOWN.contains(&name.as_str()) { name.clone() } else { String::new() };
                    if values.contains_key(&name) {
                        twice.insert(known);
                    }
                    values.entry(name).or_insert(text);
                }
                (key, value, has_equals) = (String::new(), String::new(), false);
            }
            '=' if !has_equals => has_equals = true,
            char if has_equals => value.push(char),
            char => key.push(char),
        }
    }
    (values, twice)
}

const KNOWN: [&str; 12] = [
    "endpoint",
    "port",
    "version",
    "clientendpoint",
    "serverendpoint",
    "authtype",
    "accesskey",
    "clientid",
    "tenantid",
    "clientsecret",
    "clientcert",
    "clientcertpath",
];

/// `http` or `https`, a plain host, an optional port and path.
fn is_address(url: &str) -> bool {
    let lower = url.to_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "1"));
    !host.is_empty()
        && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-".contains(char))
        && !host.starts_with('.')
        && (port.is_empty() || port.parse::<u16>().is_ok())
        && path.chars().all(|char| char.is_ascii_alphanumeric() || char == '/')
}

fn is_local(url: &str) -> bool {
    let host = url.split("//").nth(1).unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default().to_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.")
}

fn is_version(version: &str) -> bool {
    let mut chars = version.chars();
    (chars.next(), chars.next()) == (Some('1'), Some('.'))
        && chars.next().is_some_and(|char| char.is_ascii_digit())
        && chars.all(|char| char.is_alphanumeric() || "_-.".contains(char))
}

fn is_guid(id: &str) -> bool {
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && id.chars().all(|char| char == '-' || char.is_ascii_hexdigit())
}

fn is_tenant(id: &str) -> bool {
    id.chars().next().is_some_and(|char| char.is_ascii_alphanumeric())
        && id.chars().all(|char| char.is_ascii_alphanumeric() || "-.".contains(char))
}

//! From entries to endpoints. Nothing here touches the network or a file.

use super::connection_string::ConnectionString;
use super::entries::{CONNECTION_STRINGS, ENDPOINTS, Entries, Entry, Lookup, Section};
use super::fields::{Fields, NOT_UTF_8, written_twice};
use super::identity;
use super::report::Report;
use super::values::{address, quoted};
use super::{Addresses, AuthPlan};
use crate::credential::ambient::Ambient;
use crate::endpoint::Priority;

/// One endpoint as its settings describe it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reading {
    pub(crate) name: Option<String>,
    pub(crate) priority: Priority,
    pub(crate) addresses: Addresses,
    pub(crate) auth: AuthPlan,
    /// What errors name when no setting of its own is at fault.
    pub(crate) field: String,
}

/// Whether any setting of an endpoint is there.
pub(super) fn is_configured(prefix: &str, entries: &Entries) -> bool {
    let section = entries.section(prefix);
    !matches!(connection_string_of(prefix, entries), Lookup::Missing)
        || section.below().next().is_some()
        || !entries.section(&endpoints_path(entries)).children().is_empty()
}

/// Every endpoint that the entries describe.
pub(super) fn read(prefix: &str, entries: &Entries, ambient: &Ambient<'_>, report: &mut Report) -> Vec<Reading> {
    if !is_configured(prefix, entries) {
        let separator = entries.spelling().separator();
        let problem = format!(
            "no endpoint is configured; write {prefix}{separator}serviceUri=https://<name>.service.signalr.net for \
             Microsoft Entra, or a connection string here"
        );
        report.fault(prefix, problem);
        return Vec::new();
    }
    let mut readings: Vec<_> = unnamed(prefix, entries, ambient, report).into_iter().collect();
    for (name, section) in entries.section(&endpoints_path(entries)).children() {
        readings.extend(named(&name, &section, ambient, report));
    }
    readings
}

/// One endpoint from a connection string that errors call `name`.
pub(super) fn read_connection_string(
    text: &str,
    name: &str,
    ambient: &Ambient<'_>,
    report: &mut Report,
) -> Option<Reading> {
    let (addresses, auth) = ConnectionString::split(text, name, report).read(ambient, report)?;
    Some(Reading { name: None, priority: Priority::Primary, addresses, auth, field: name.to_owned() })
}

fn endpoints_path(entries: &Entries) -> String {
    ENDPOINTS.replace(':', entries.spelling().separator())
}

/// The endpoint of the prefix: a connection string, else keys, else none.
fn unnamed(prefix: &str, entries: &Entries, ambient: &Ambient<'_>, report: &mut Report) -> Option<Reading> {
    let section = entries.section(prefix);
    if let Some(found) = value_of(connection_string_of(prefix, entries), report) {
        for (_, ignored) in section.below() {
            report.warn(ignored.written(), format!("{} is a connection string and wins", found.written()));
        }
        return read_connection_string(found.value()?, found.written(), ambient, report);
    }
    section.below().next()?;
    from_keys(None, &section, ambient, report)
}

/// `ConnectionStrings:<prefix>` wins over `<prefix>`, as `WebJobs` reads them.
fn connection_string_of<'a>(prefix: &str, entries: &'a Entries) -> Lookup<'a> {
    let path = format!("{CONNECTION_STRINGS}{}{prefix}", entries.spelling().separator());
    match entries.section(&path).value() {
        Lookup::Missing => entries.section(prefix).value(),
        found => found,
    }
}

/// A lookup's entry with a readable value. `None` after a fault, too.
fn value_of<'a>(lookup: Lookup<'a>, report: &mut Report) -> Option<&'a Entry> {
    match lookup {
        Lookup::Missing => None,
        Lookup::One(entry) => {
            if entry.value().is_none() {
                report.fault(entry.written(), NOT_UTF_8);
                return None;
            }
            Some(entry)
        }
        Lookup::Twice(one, other) => {
            report.fault(one.written(), written_twice(one.written(), other.written()));
            None
        }
    }
}

/// A named endpoint has keys, or up to three connection strings.
fn named(name: &str, section: &Section<'_>, ambient: &Ambient<'_>, report: &mut Report) -> Vec<Reading> {
    if !matches!(section.get("serviceUri"), Lookup::Missing) {
        return from_keys(Some(name.to_owned()), section, ambient, report).into_iter().collect();
    }
    let strings = [
        (section.value(), Priority::Primary),
        (section.get("primary"), Priority::Primary),
        (section.get("secondary"), Priority::Secondary),
    ];
    if strings.iter().all(|(lookup, _)| matches!(lookup, Lookup::Missing)) {
        report.fault(section.name_of("serviceUri"), MISSING_SERVICE_URI);
        return Vec::new();
    }
    for (rest, entry) in section.below() {
        if !matches!(rest, [key] if key == "primary" || key == "secondary") {
            report.warn(entry.written(), "the endpoint is a connection string, which does not use it");
        }
    }
    let mut readings = Vec::new();
    for (lookup, priority) in strings {
        let Some(entry) = value_of(lookup, report) else { continue };
        let Some(text) = entry.value() else { continue };
        let reading = read_connection_string(text, entry.written(), ambient, report);
        readings.extend(reading.map(|reading| Reading { name: Some(name.to_owned()), priority, ..reading }));
    }
    readings
}

fn from_keys(
    name: Option<String>,
    section: &Section<'_>,
    ambient: &Ambient<'_>,
    report: &mut Report,
) -> Option<Reading> {
    let fields = Fields::new(section);
    if !fields.has("serviceUri") {
        report.fault(fields.name_of("serviceUri"), MISSING_SERVICE_URI);
    }
    let endpoint = fields.checked("serviceUri", |text| address(text, true), report);
    let client_endpoint = fields.if_given("clientEndpoint", |text| address(text, true), report);
    let server_endpoint = fields.if_given("serverEndpoint", |text| address(text, true), report);
    let priority = fields.if_given("type", priority, report);
    let plan = identity::plan(&fields, ambient, report);
    for (rest, entry) in section.below() {
        if !matches!(rest, [key] if KEYS.iter().chain(&identity::KEYS).any(|known| known.eq_ignore_ascii_case(key))) {
            report.warn(entry.written(), "is no setting of an endpoint");
        }
    }
    let addresses =
        Addresses { endpoint: endpoint?, client_endpoint: client_endpoint?, server_endpoint: server_endpoint? };
    Some(Reading {
        name,
        priority: priority?.unwrap_or_default(),
        addresses,
        auth: AuthPlan::entra(plan?),
        field: section.written().to_owned(),
    })
}

fn priority(text: &str) -> Result<Priority, String> {
    match text.to_ascii_lowercase().as_str() {
        "primary" => Ok(Priority::Primary),
        "secondary" => Ok(Priority::Secondary),
        _ => Err(format!("{} is no type of an endpoint; write primary or secondary", quoted(text))),
    }
}

const MISSING_SERVICE_URI: &str = "is missing; write https://<name>.service.signalr.net";

/// The keys of an endpoint beside those of its credential.
const KEYS: [&str; 8] = [
    "serviceUri",
    "credential",
    "clientEndpoint",
    "serverEndpoint",
    "type",
    "clientCertificate",
    "clientCertificateStoreName",
    "clientCertificateStoreLocation",
];

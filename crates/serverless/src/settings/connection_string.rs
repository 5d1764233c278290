//! The grammar of connection strings, and what an `AuthType` makes of one.
//!
//! Source: `ConnectionStringParser` of the SignalR SDK for .NET, and
//! <https://learn.microsoft.com/azure/azure-signalr/concept-connection-string>. Keys are compared without regard to
//! case; keys and values are trimmed; a part is split at its first `=`; empty parts and parts without `=` are skipped;
//! a key that is written twice is a fault. A value cannot contain `;`.

use zeroize::Zeroizing;

use super::fields::{FieldSource, Fields};
use super::identity::{NO_CERTIFICATES, plain_default_chain};
use super::report::Report;
use super::values::{address, guid, quoted, secret, tenant};
use super::{Addresses, AuthPlan};
use crate::credential::ambient::Ambient;
use crate::credential::plan::{ClientSecret, CredentialPlan, ManagedIdentityId, SecretText};

/// The pairs of a connection string.
pub(super) struct ConnectionString<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    /// How errors name the whole string.
    name: &'a str,
}

impl<'a> ConnectionString<'a> {
    /// Splits the text. Unknown keys and parts without `=` are named by their position: they may be the rest of a
    /// secret that contains `;`.
    pub(super) fn split(text: &'a str, name: &'a str, report: &mut Report) -> Self {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        let parts = text.split(';').filter(|part| !part.trim().is_empty());
        for (part, position) in parts.zip(1_usize..) {
            let Some((key, value)) = part.split_once('=') else {
                report.warn(name, format!("part {position} has no `=` and is ignored; a value cannot contain `;`"));
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            let is_known = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
            if pairs.iter().any(|(other, _)| other.eq_ignore_ascii_case(key)) {
                let field = if is_known { field_of(key, name) } else { name.to_owned() };
                report.fault(field, format!("part {position} repeats a key; keep one"));
                continue;
            }
            if !is_known {
                report.warn(name, format!("the key of part {position} is unknown and is ignored"));
            }
            pairs.push((key, value));
        }
        Self { pairs, name }
    }

    fn find(&self, key: &str) -> Option<(&'a str, &'a str)> {
        self.pairs.iter().find(|(known, value)| known.eq_ignore_ascii_case(key) && !value.is_empty()).copied()
    }

    /// Where the endpoint is and how you authenticate to it. `None` after a fault.
    pub(super) fn read(&self, ambient: &Ambient<'_>, report: &mut Report) -> Option<(Addresses, AuthPlan)> {
        let fields = Fields::new(self);
        let addresses = addresses(&fields, self.is_entra(), report);
        let auth = self.auth(&fields, ambient, report);
        Some((addresses?, auth?))
    }

    /// Whether tokens of Entra are sent to the endpoint, should the rest be right.
    fn is_entra(&self) -> bool {
        self.find("AuthType")
            .is_some_and(|(_, auth_type)| AUTH_TYPES.iter().any(|known| known.eq_ignore_ascii_case(auth_type)))
    }

    fn auth(&self, fields: &Fields<'_>, ambient: &Ambient<'_>, report: &mut Report) -> Option<AuthPlan> {
        let auth_type = fields.optional("AuthType", report);
        let known = auth_type.as_ref().map(|field| field.value.to_ascii_lowercase());
        let plan = match (known.as_deref(), auth_type) {
            (Some("aad"), _) => aad(fields, report).map(AuthPlan::entra),
            (Some("azure"), _) => Some(AuthPlan::entra(plain_default_chain(ambient, report))),
            (Some("azure.app"), _) => application(fields, report).map(AuthPlan::entra),
            (Some("azure.msi"), _) => managed_identity(fields, report).map(AuthPlan::entra),
            (Some(_), Some(field)) => {
                let problem = format!(
                    "{} is no AuthType; write azure.msi, azure.app, azure or aad, or leave it out for an access key",
                    quoted(&field.value)
                );
                report.fault(field.name, problem);
                return None;
            }
            _ => self.access_key(fields, report),
        };
        let reader = known.map_or_else(|| "an access key".to_owned(), |name| format!("AuthType={name}"));
        fields.warn_of_unused(&AUTH_KEYS, &reader, report);
        plan
    }

    fn access_key(&self, fields: &Fields<'_>, report: &mut Report) -> Option<AuthPlan> {
        if !fields.has("AccessKey") {
            let problem =
                "is missing; for Microsoft Entra write AuthType=azure.msi (managed identity), azure.app or azure";
            report.fault(field_of("AccessKey", self.name), problem);
        }
        let key = fields.to_the_letter("AccessKey", report)?;
        Some(AuthPlan::AccessKey(SecretText::from(key.value)))
    }
}

impl FieldSource for ConnectionString<'_> {
    fn name_of(&self, key: &str) -> String {
        field_of(self.find(key).map_or(key, |(written, _)| written), self.name)
    }

    fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    fn text(&self, key: &str) -> Result<Option<Zeroizing<String>>, String> {
        Ok(self.find(key).map(|(_, value)| Zeroizing::new(value.to_owned())))
    }
}

fn field_of(key: &str, name: &str) -> String {
    format!("{key} of {name}")
}

fn addresses(fields: &Fields<'_>, is_entra: bool, report: &mut Report) -> Option<Addresses> {
    let why = "write Endpoint=https://<name>.service.signalr.net";
    let endpoint = fields.required("Endpoint", why, |text| address(text, is_entra), report);
    let port = fields.if_given("Port", port, report);
    let version = fields.if_given("Version", version, report);
    let client_endpoint = fields.if_given("ClientEndpoint", |text| address(text, is_entra), report);
    let server_endpoint = fields.if_given("ServerEndpoint", |text| address(text, is_entra), report);
    version?;
    let (mut endpoint, port) = (endpoint?, port?);
    if port.is_some() && endpoint.set_port(port).is_err() {
        report.fault(fields.name_of("Port"), "does not fit the Endpoint, which has no host");
        return None;
    }
    Some(Addresses { endpoint, client_endpoint: client_endpoint?, server_endpoint: server_endpoint? })
}

fn port(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "is not a port; write a number from 1 to 65535".to_owned())
}

/// `1.` with at least one digit and then anything but separators. Other versions have another format.
fn version(text: &str) -> Result<(), String> {
    let is_supported = text.strip_prefix("1.").is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.'))
    });
    if is_supported {
        return Ok(());
    }
    Err(format!("{} is not supported; write 1.0", quoted(text)))
}

/// `aad`: an application if both its ids are there, else a managed identity.
fn aad(fields: &Fields<'_>, report: &mut Report) -> Option<CredentialPlan> {
    if fields.has("ClientId") && fields.has("TenantId") {
        return application(fields, report);
    }
    managed_identity(fields, report)
}

fn managed_identity(fields: &Fields<'_>, report: &mut Report) -> Option<CredentialPlan> {
    let id = fields.if_given("ClientId", guid, report)?;
    Some(CredentialPlan::ManagedIdentity(id.map(ManagedIdentityId::Client)))
}

fn application(fields: &Fields<'_>, report: &mut Report) -> Option<CredentialPlan> {
    let why = "the application of AuthType=azure.app or aad needs it";
    let client_id = fields.required("ClientId", why, guid, report);
    let tenant_id = fields.required("TenantId", why, tenant, report);
    let has_secret = fields.has("ClientSecret");
    for key in CERTIFICATE_KEYS.into_iter().filter(|_| !has_secret) {
        fields.forbidden(key, NO_CERTIFICATES, report);
    }
    if !has_secret && !CERTIFICATE_KEYS.into_iter().any(|key| fields.has(key)) {
        report.fault(fields.name_of("ClientSecret"), format!("is missing; {why}"));
    }
    let field = fields.to_the_letter("ClientSecret", report)?;
    let secret = report.take(&field.name, secret(&field.value));
    Some(CredentialPlan::ClientSecret(ClientSecret {
        tenant_id: tenant_id?,
        client_id: client_id?,
        secret: secret?,
        cloud: None,
    }))
}

const AUTH_TYPES: [&str; 4] = ["azure.msi", "azure.app", "azure", "aad"];

/// The parser of .NET reads the first one, its documentation names the second one.
const CERTIFICATE_KEYS: [&str; 2] = ["ClientCert", "ClientCertPath"];

/// The keys of credentials. One that the `AuthType` does not use gets a warning.
const AUTH_KEYS: [&str; 6] = ["AccessKey", "ClientId", "TenantId", "ClientSecret", "ClientCert", "ClientCertPath"];

const KEYS: [&str; 12] = [
    "Endpoint",
    "Port",
    "Version",
    "ClientEndpoint",
    "ServerEndpoint",
    "AuthType",
    "AccessKey",
    "ClientId",
    "TenantId",
    "ClientSecret",
    "ClientCert",
    "ClientCertPath",
];

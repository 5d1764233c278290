//! From the keys of a section to a credential, as `Microsoft.Extensions.Azure` reads them for Azure Functions.
//!
//! Source: `ClientFactory.CreateCredential` of the Azure SDK for .NET. Where .NET ignores a key that contradicts
//! another one, this is a fault, because the program would sign in as somebody else than its settings say.

use std::path::PathBuf;

use super::fields::Fields;
use super::report::Report;
use super::values::{guid, quoted, resource_id, secret, tenant};
use crate::credential::ambient::{self, Ambient};
use crate::credential::plan::{
    AzureCloud, ClientSecret, CredentialPlan, DefaultChainPlan, FederatedIdentity, ManagedIdentityId, WorkloadIdentity,
};

/// The credential that a section describes. `None` after a fault.
pub(super) fn plan(fields: &Fields<'_>, ambient: &Ambient<'_>, report: &mut Report) -> Option<CredentialPlan> {
    for key in CERTIFICATE_KEYS {
        fields.forbidden(key, NO_CERTIFICATES, report);
    }
    let credential = fields.optional("credential", report);
    let (plan, reader) = match credential {
        None if fields.has("clientSecret") => (client_secret(fields, report), "clientSecret"),
        None => (default_chain(fields, ambient, report).map(CredentialPlan::Default), "the default chain"),
        Some(field) if field.value.eq_ignore_ascii_case(MANAGED_IDENTITY) => {
            (managed_identity(fields, report), MANAGED_IDENTITY)
        }
        Some(field) if field.value.eq_ignore_ascii_case(WORKLOAD_IDENTITY) => {
            (workload_identity(fields, ambient, report), WORKLOAD_IDENTITY)
        }
        Some(field) if field.value.eq_ignore_ascii_case(FEDERATED_IDENTITY) => {
            (federated_identity(fields, report), FEDERATED_IDENTITY)
        }
        Some(field) => {
            let problem = format!(
                "{} is no credential; write {MANAGED_IDENTITY}, {WORKLOAD_IDENTITY} or {FEDERATED_IDENTITY}, or leave \
                 it out for the default chain",
                quoted(&field.value)
            );
            report.fault(field.name, problem);
            return None;
        }
    };
    fields.warn_of_unused(&KEYS, reader, report);
    plan
}

fn managed_identity(fields: &Fields<'_>, report: &mut Report) -> Option<CredentialPlan> {
    fields.forbidden("clientSecret", "contradicts `managedidentity`, which has no secret; remove one of them", report);
    fields.forbidden("tokenFilePath", "contradicts `managedidentity`; it is of `workloadidentity`", report);
    let ids = ["managedIdentityResourceId", "managedIdentityObjectId", "managedIdentityClientId", "clientId"];
    match one_identity(fields, &ids, report) {
        Identity::Broken => None,
        Identity::None => Some(CredentialPlan::ManagedIdentity(None)),
        Identity::One(id) => Some(CredentialPlan::ManagedIdentity(Some(id))),
    }
}

fn workload_identity(fields: &Fields<'_>, ambient: &Ambient<'_>, report: &mut Report) -> Option<CredentialPlan> {
    let problem = "contradicts `workloadidentity`, which has no secret; remove one of them";
    fields.forbidden("clientSecret", problem, report);
    for key in MANAGED_IDENTITY_KEYS {
        let problem = "contradicts `workloadidentity`, which is no managed identity; its application is `clientId`";
        fields.forbidden(key, problem, report);
    }
    let cloud = cloud(fields, report);
    let tenant_id = key_or_variable(fields, "tenantId", ambient::TENANT_ID, tenant, ambient, report);
    let client_id = key_or_variable(fields, "clientId", ambient::CLIENT_ID, guid, ambient, report);
    let token_file = token_file(fields, ambient, report);
    if token_file.is_none() && !fields.has("tokenFilePath") && !ambient.is_unreadable(ambient::FEDERATED_TOKEN_FILE) {
        report.fault(fields.name_of("tokenFilePath"), missing(ambient::FEDERATED_TOKEN_FILE));
    }
    let (token_file, token_file_field) = token_file?;
    let workload =
        WorkloadIdentity { tenant_id: tenant_id?, client_id: client_id?, token_file, token_file_field, cloud: cloud? };
    Some(CredentialPlan::WorkloadIdentity(workload))
}

fn client_secret(fields: &Fields<'_>, report: &mut Report) -> Option<CredentialPlan> {
    let cloud = cloud(fields, report);
    let why = "a client secret needs it";
    let tenant_id = fields.required("tenantId", why, tenant, report);
    let client_id = fields.required("clientId", why, guid, report);
    let text = fields.to_the_letter("clientSecret", report);
    let secret = text.and_then(|field| report.take(&field.name, secret(&field.value)));
    Some(CredentialPlan::ClientSecret(ClientSecret {
        tenant_id: tenant_id?,
        client_id: client_id?,
        secret: secret?,
        cloud: cloud?,
    }))
}

fn federated_identity(fields: &Fields<'_>, report: &mut Report) -> Option<CredentialPlan> {
    let problem = "contradicts `managedidentityasfederatedidentity`, which signs in without a secret; remove one of \
                   them";
    fields.forbidden("clientSecret", problem, report);
    let tenant_id = fields.required(
        "tenantId",
        "write the tenant of the SignalR resource (cross-tenant: not yours)",
        tenant,
        report,
    );
    let client_id = fields.required("clientId", "write the client id of the multitenant application", guid, report);
    if !fields.has("azureCloud") {
        report.fault(fields.name_of("azureCloud"), "is missing; write public, usgov or china");
    }
    let cloud = cloud(fields, report);
    let identity = one_identity(fields, &MANAGED_IDENTITY_KEYS, report);
    if matches!(identity, Identity::None) {
        let problem = "is missing; write the user-assigned identity that the application trusts: its client id here, \
                       or managedIdentityObjectId or managedIdentityResourceId. A system-assigned identity cannot be \
                       used";
        report.fault(fields.name_of("managedIdentityClientId"), problem);
    }
    let Identity::One(identity) = identity else { return None };
    Some(CredentialPlan::FederatedIdentity(FederatedIdentity {
        tenant_id: tenant_id?,
        client_id: client_id?,
        identity,
        cloud: cloud??,
    }))
}

/// The default chain with what the section says, in place of the variables of the same meaning.
fn default_chain(fields: &Fields<'_>, ambient: &Ambient<'_>, report: &mut Report) -> Option<DefaultChainPlan> {
    let problem = "needs `credential` = `managedidentity`; the default chain takes no object id";
    fields.forbidden("managedIdentityObjectId", problem, report);
    let cloud = cloud(fields, report);
    let given_tenant = fields.checked("tenantId", tenant, report);
    let client_id = fields.checked("clientId", guid, report);
    let token_file = token_file(fields, ambient, report);
    // With both, `clientId` is the application of the workload identity.
    let ids = ["managedIdentityResourceId", "managedIdentityClientId"];
    let mut managed_identity = match one_identity(fields, &ids, report) {
        Identity::Broken => return None,
        Identity::None => None,
        Identity::One(id) => Some(id),
    };
    if let (Some(ManagedIdentityId::Resource(_)), Some(_)) = (&managed_identity, &client_id) {
        let other = fields.name_of("clientId");
        report.fault(
            fields.name_of("managedIdentityResourceId"),
            format!("names an identity, and so does {other}; keep one"),
        );
    }
    managed_identity = managed_identity.or_else(|| client_id.clone().map(ManagedIdentityId::Client));
    let given = Given { tenant_id: given_tenant, client_id, token_file, cloud: cloud? };
    Some(chain_of(given, managed_identity, ambient, report))
}

/// The default chain without any settings: `AuthType=azure` of a connection string.
pub(super) fn plain_default_chain(ambient: &Ambient<'_>, report: &mut Report) -> CredentialPlan {
    let token_file = ambient
        .get_untrimmed(ambient::FEDERATED_TOKEN_FILE)
        .map(|path| (PathBuf::from(path), ambient::FEDERATED_TOKEN_FILE.to_owned()));
    let given = Given { tenant_id: None, client_id: None, token_file, cloud: None };
    CredentialPlan::Default(chain_of(given, None, ambient, report))
}

struct Given {
    tenant_id: Option<String>,
    client_id: Option<String>,
    token_file: Option<(PathBuf, String)>,
    cloud: Option<AzureCloud>,
}

fn chain_of(
    given: Given,
    managed_identity: Option<ManagedIdentityId>,
    ambient: &Ambient<'_>,
    report: &mut Report,
) -> DefaultChainPlan {
    let variable = |name: &'static str, check: fn(&str) -> Result<String, String>, report: &mut Report| {
        ambient.get(name).and_then(|value| report.take(name, check(&value)))
    };
    if ambient.get(ambient::TOKEN_CREDENTIALS).is_some() {
        let problem = "the default chain does not read it; name the credential in the settings instead";
        report.warn(ambient::TOKEN_CREDENTIALS, problem);
    }
    let tenant_id = given.tenant_id.or_else(|| variable(ambient::TENANT_ID, tenant, report));
    let ambient_client = variable(ambient::CLIENT_ID, guid, report);
    let ambient_secret = ambient
        .get_untrimmed(ambient::CLIENT_SECRET)
        .and_then(|text| report.take(ambient::CLIENT_SECRET, secret(&text)));
    let has_certificate = ambient.get(ambient::CLIENT_CERTIFICATE_PATH).is_some();
    let environment = match (&tenant_id, &ambient_client, ambient_secret) {
        (Some(tenant_id), Some(client_id), Some(secret)) => {
            Ok(ClientSecret { tenant_id: tenant_id.clone(), client_id: client_id.clone(), secret, cloud: given.cloud })
        }
        (Some(_), Some(_), None) if has_certificate => {
            report.fault(ambient::CLIENT_CERTIFICATE_PATH, NO_CERTIFICATES);
            Err(not_set(&[(ambient::CLIENT_SECRET, false)]))
        }
        (tenant_id, client_id, secret) => Err(not_set(&[
            (ambient::TENANT_ID, tenant_id.is_some()),
            (ambient::CLIENT_ID, client_id.is_some()),
            (ambient::CLIENT_SECRET, secret.is_some()),
        ])),
    };
    let client_id = given.client_id.or_else(|| ambient_client.clone());
    let workload_identity = match (&tenant_id, client_id, given.token_file) {
        (Some(tenant_id), Some(client_id), Some((token_file, token_file_field))) => Ok(WorkloadIdentity {
            tenant_id: tenant_id.clone(),
            client_id,
            token_file,
            token_file_field,
            cloud: given.cloud,
        }),
        (tenant_id, client_id, token_file) => Err(not_set(&[
            (ambient::TENANT_ID, tenant_id.is_some()),
            (ambient::CLIENT_ID, client_id.is_some()),
            (ambient::FEDERATED_TOKEN_FILE, token_file.is_some()),
        ])),
    };
    let managed_identity = managed_identity.or_else(|| ambient_client.map(ManagedIdentityId::Client));
    DefaultChainPlan { environment, workload_identity, managed_identity, tenant_id }
}

fn not_set(variables: &[(&str, bool)]) -> String {
    let missing: Vec<_> = variables.iter().filter(|(_, is_set)| !is_set).map(|(name, _)| *name).collect();
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb} not set", missing.join(", "))
}

enum Identity {
    None,
    One(ManagedIdentityId),
    Broken,
}

/// At most one of the keys may be there.
fn one_identity(fields: &Fields<'_>, keys: &[&'static str], report: &mut Report) -> Identity {
    let mut given = keys.iter().copied().filter(|key| fields.has(key));
    let Some(first) = given.next() else { return Identity::None };
    let mut is_alone = true;
    for key in given {
        is_alone = false;
        let problem = format!("names an identity, and so does {}; keep one", fields.name_of(first));
        fields.forbidden(key, &problem, report);
    }
    let id = match first {
        "managedIdentityResourceId" => fields.checked(first, resource_id, report).map(ManagedIdentityId::Resource),
        "managedIdentityObjectId" => fields.checked(first, guid, report).map(ManagedIdentityId::Object),
        _ => fields.checked(first, guid, report).map(ManagedIdentityId::Client),
    };
    id.filter(|_| is_alone).map_or(Identity::Broken, Identity::One)
}

fn key_or_variable(
    fields: &Fields<'_>,
    key: &'static str,
    variable: &'static str,
    check: fn(&str) -> Result<String, String>,
    ambient: &Ambient<'_>,
    report: &mut Report,
) -> Option<String> {
    if fields.has(key) {
        return fields.checked(key, check, report);
    }
    match ambient.get(variable) {
        Some(value) => report.take(variable, check(&value)),
        // Reported with the others of its kind.
        None if ambient.is_unreadable(variable) => None,
        None => {
            report.fault(fields.name_of(key), missing(variable));
            None
        }
    }
}

fn missing(variable: &str) -> String {
    format!("is missing; write it, or set {variable}, which the workload identity webhook of AKS sets")
}

/// The file of the Kubernetes token with the name of what named it.
fn token_file(fields: &Fields<'_>, ambient: &Ambient<'_>, report: &mut Report) -> Option<(PathBuf, String)> {
    if fields.has("tokenFilePath") {
        let field = fields.optional("tokenFilePath", report)?;
        return Some((PathBuf::from(field.value.as_str()), field.name));
    }
    let path = ambient.get_untrimmed(ambient::FEDERATED_TOKEN_FILE)?;
    Some((PathBuf::from(path), ambient::FEDERATED_TOKEN_FILE.to_owned()))
}

/// The outer value is `None` after a fault.
fn cloud(fields: &Fields<'_>, report: &mut Report) -> Option<Option<AzureCloud>> {
    let parse = |text: &str| {
        AzureCloud::parse(text).ok_or_else(|| format!("{} is no cloud; write public, usgov or china", quoted(text)))
    };
    fields.if_given("azureCloud", parse, report)
}

/// The key and the variable of each certificate end here.
pub(super) const NO_CERTIFICATES: &str = "certificates are not supported, because the Azure SDK for Rust reads them \
    with OpenSSL only; use a managed identity, a workload identity or a client secret, or give ServiceClient::new a \
    TokenCredential of your own";

const MANAGED_IDENTITY: &str = "managedidentity";
const WORKLOAD_IDENTITY: &str = "workloadidentity";
const FEDERATED_IDENTITY: &str = "managedidentityasfederatedidentity";

const MANAGED_IDENTITY_KEYS: [&str; 3] =
    ["managedIdentityResourceId", "managedIdentityObjectId", "managedIdentityClientId"];

const CERTIFICATE_KEYS: [&str; 3] =
    ["clientCertificate", "clientCertificateStoreName", "clientCertificateStoreLocation"];

/// The keys of credentials. One that the chosen credential does not use gets a warning.
pub(super) const KEYS: [&str; 11] = [
    "tenantId",
    "clientId",
    "clientSecret",
    "managedIdentityClientId",
    "managedIdentityObjectId",
    "managedIdentityResourceId",
    "tokenFilePath",
    "azureCloud",
    "additionallyAllowedTenants",
    "serviceConnectionId",
    "systemAccessToken",
];

//! Every credential and every rule of the settings, each in a process with an environment of its own.
//!
//! The child is this test binary again. It reads its variables, builds every endpoint and asks each credential for
//! tokens. Identity endpoints are on loopback: IMDS and App Service by their variables, Entra behind a proxy, so that
//! the child connects to the host names that it would connect to in Azure.

mod applications;
mod azure;
mod chain;
mod child;
mod managed_identities;
mod rules;
mod secrecy;

pub(super) const PREFIX: &str = "AzureSignalRConnectionString";
pub(super) const ENDPOINT: &str = "https://contoso.service.signalr.net";
pub(super) const RESOURCE: &str = "https://signalr.azure.com";
pub(super) const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
pub(super) const CLIENT: &str = "33333333-dddd-4eee-8fff-444444444444";
pub(super) const OTHER_CLIENT: &str = "55555555-1111-4222-8333-666666666666";
pub(super) const OBJECT: &str = "77777777-4321-4cba-8fed-888888888888";
pub(super) const IDENTITY: &str = "/subscriptions/99999999-0000-4000-8000-aaaaaaaaaaaa/resourceGroups/chat/providers/\
                                   Microsoft.ManagedIdentity/userAssignedIdentities/chat";
pub(super) const SECRET: &str = "Q~8s3cr3t.of-the-application";

//! The principals that an emulator has unless you choose others.

use crate::entra::{Application, ManagedIdentity};
use crate::mock::{ClientId, MockEntra, ObjectId, TokenVersion};

/// The secret of [`application`].
pub const CLIENT_SECRET: &str = "emulator-client-secret";

/// The issuer of the workload tokens that stand for [`application`].
pub const WORKLOAD_ISSUER: &str = "https://oidc.workload.test/";

/// The subject of the workload tokens that stand for [`application`].
pub const WORKLOAD_SUBJECT: &str = "system:serviceaccount:chat:app";

/// The Azure resource id of the user-assigned identity.
pub const IDENTITY_RESOURCE_ID: &str = "/subscriptions/99999999-0000-4000-8000-aaaaaaaaaaaa/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app";

/// An application with [`CLIENT_SECRET`], a federated credential for [`WORKLOAD_ISSUER`] and [`WORKLOAD_SUBJECT`], and
/// one for the user-assigned identity of [`identities`]. It has a service principal in each tenant of the mock, all of
/// the same object id.
pub fn application(mock: &MockEntra) -> Application {
    let issuer = mock.issuer(mock.tenant(), TokenVersion::V1);
    let mut application = Application::new(client_id("aaaaaaaa-0001-4000-8000-000000000001"))
        .secret(CLIENT_SECRET)
        .federated_credential(WORKLOAD_ISSUER, WORKLOAD_SUBJECT)
        .federated_credential(&issuer, USER_ASSIGNED_OBJECT_ID);
    for tenant in mock.tenants() {
        application = application.service_principal(*tenant, object_id("aaaaaaaa-0002-4000-8000-000000000002"));
    }
    application
}

/// The system-assigned identity of the machine and a user-assigned one, in this order.
#[must_use]
pub fn identities(mock: &MockEntra) -> Vec<ManagedIdentity> {
    let tenant = mock.tenant();
    vec![
        ManagedIdentity::system_assigned(
            tenant,
            object_id("bbbbbbbb-0002-4000-8000-000000000002"),
            client_id("bbbbbbbb-0001-4000-8000-000000000001"),
        ),
        ManagedIdentity::user_assigned(
            tenant,
            object_id(USER_ASSIGNED_OBJECT_ID),
            client_id("cccccccc-0001-4000-8000-000000000001"),
            IDENTITY_RESOURCE_ID,
        ),
    ]
}

#[expect(clippy::expect_used, reason = "the texts stand in this file")]
fn object_id(text: &str) -> ObjectId {
    text.parse().expect("a GUID")
}

#[expect(clippy::expect_used, reason = "the texts stand in this file")]
fn client_id(text: &str) -> ClientId {
    text.parse().expect("a GUID")
}

const USER_ASSIGNED_OBJECT_ID: &str = "cccccccc-0002-4000-8000-000000000002";

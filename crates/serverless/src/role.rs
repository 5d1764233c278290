//! The built-in Azure roles of the data plane.

use std::fmt;

/// A built-in role of Azure SignalR Service's data plane.
///
/// Source: Azure built-in roles for web and mobile, and
/// [Microsoft Entra ID for Azure SignalR Service](https://learn.microsoft.com/azure/azure-signalr/signalr-concept-authorize-azure-active-directory).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Role {
    /// *SignalR App Server*: fetches the temporary access key.
    AppServer,
    /// *SignalR REST API Owner*: sends, closes, manages groups, and has the service mint client tokens.
    RestApiOwner,
    /// *SignalR REST API Reader*: asks whether connections, users and groups exist, and lists groups.
    RestApiReader,
    /// *SignalR Service Owner*: everything.
    ServiceOwner,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[Self::AppServer, Self::RestApiOwner, Self::RestApiReader, Self::ServiceOwner];

    /// The name in the Azure portal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppServer => "SignalR App Server",
            Self::RestApiOwner => "SignalR REST API Owner",
            Self::RestApiReader => "SignalR REST API Reader",
            Self::ServiceOwner => "SignalR Service Owner",
        }
    }

    /// The id of the role definition, a GUID, for `az role assignment create --role`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::AppServer => "420fcaa2-552c-430f-98ca-3264be4806c7",
            Self::RestApiOwner => "fd53cd77-2268-407a-8f46-7e7863d0f521",
            Self::RestApiReader => "ddde6b66-c0df-4114-a159-3618637b3035",
            Self::ServiceOwner => "7e4f1700-ea5a-4f59-8f37-079cfe29dce3",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

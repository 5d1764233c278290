//! The operations that an emulator knows by name.

use std::fmt;

/// What a request asks for.
///
/// The names follow the REST API's description `2024-12-01`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// `HEAD /api/health`
    Health,
    /// `GET /api/v1/auth/accessKey`, `GET /api/auth/accessKey`
    AccessKey,
    /// `POST :send`
    Broadcast,
    /// `POST users/{user}/:send`
    SendToUser,
    /// `POST groups/{group}/:send`
    SendToGroup,
    /// `POST connections/{connection}/:send`
    SendToConnection,
    /// `POST connections/{connection}/:invoke`
    InvokeConnection,
    /// `POST connections/{connection}/streams/{stream}/:send`
    SendStreamItem,
    /// `POST connections/{connection}/streams/{stream}/:complete`
    CompleteStream,
    /// `POST :generateToken`
    GenerateToken,
    /// `POST :execute`
    Execute,
    /// `POST :closeConnections`
    CloseAllConnections,
    /// `POST groups/{group}/:closeConnections`
    CloseGroupConnections,
    /// `POST users/{user}/:closeConnections`
    CloseUserConnections,
    /// `DELETE connections/{connection}`
    CloseConnection,
    /// `HEAD connections/{connection}`
    ConnectionExists,
    /// `HEAD groups/{group}`
    GroupExists,
    /// `HEAD users/{user}`
    UserExists,
    /// `HEAD users/{user}/groups/{group}`
    UserInGroup,
    /// `GET groups/{group}/connections`
    ListGroupConnections,
    /// `PUT users/{user}/groups/{group}`
    AddUserToGroup,
    /// `DELETE users/{user}/groups/{group}`
    RemoveUserFromGroup,
    /// `DELETE users/{user}/groups`
    RemoveUserFromAllGroups,
    /// `PUT groups/{group}/connections/{connection}`
    AddConnectionToGroup,
    /// `DELETE groups/{group}/connections/{connection}`
    RemoveConnectionFromGroup,
    /// `DELETE connections/{connection}/groups`
    RemoveConnectionFromAllGroups,
    /// `POST /client/negotiate`
    ClientNegotiate,
    /// A WebSocket to `/client/`
    ClientConnect,
    /// `POST /{tenant}/oauth2/v2.0/token` of Entra
    Token,
    /// The identity endpoint of App Service
    IdentityEndpoint,
    /// The identity endpoint of a virtual machine
    Imds,
    /// Anything else
    Unknown,
}

impl Operation {
    /// Whether the REST API of the service has it, the key's and the health check's included.
    #[must_use]
    pub fn is_data_plane(self) -> bool {
        !self.is_client() && !self.is_entra() && self != Self::Unknown
    }

    /// Whether clients (browsers) ask for it.
    #[must_use]
    pub fn is_client(self) -> bool {
        matches!(self, Self::ClientNegotiate | Self::ClientConnect)
    }

    /// Whether a credential asks for it.
    #[must_use]
    pub fn is_entra(self) -> bool {
        matches!(self, Self::Token | Self::IdentityEndpoint | Self::Imds)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

//! Asking what exists.

use azure_core::http::Method;

use super::HubClient;
use crate::error::Result;
use crate::ids;
use crate::operation::Operation;
use crate::rest::Segment;

/// # Asking what exists
///
/// `false` is an answer of the service itself, with one of its codes; any other 404 is
/// [`NotFound`](crate::ErrorKind::NotFound), since the endpoint may be wrong. With several endpoints, one that says
/// `true` is enough, and for `false` each has to say so. Role: *SignalR REST API Reader*. Source:
/// [REST API](https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).
impl HubClient {
    /// Whether the connection exists: `HEAD connections/{connection}`.
    ///
    /// # Errors
    ///
    /// As above, [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn connection_exists(&self, connection: &str) -> Result<bool> {
        ids::check("connection id", connection)?;
        self.exists(Operation::ConnectionExists, &[Segment::Fixed("connections"), Segment::Id(connection)]).await
    }

    /// Whether the user has a connection: `HEAD users/{user}`.
    ///
    /// # Errors
    ///
    /// As above, [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn user_exists(&self, user: &str) -> Result<bool> {
        ids::check("user id", user)?;
        self.exists(Operation::UserExists, &[Segment::Fixed("users"), Segment::Id(user)]).await
    }

    /// Whether the group has a connection: `HEAD groups/{group}`.
    ///
    /// # Errors
    ///
    /// As above, [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn group_exists(&self, group: &str) -> Result<bool> {
        ids::check_group(group)?;
        self.exists(Operation::GroupExists, &[Segment::Fixed("groups"), Segment::Id(group)]).await
    }

    /// Whether the user is in the group: `HEAD users/{user}/groups/{group}`.
    ///
    /// # Errors
    ///
    /// As above, [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn user_in_group(&self, user: &str, group: &str) -> Result<bool> {
        ids::check("user id", user)?;
        ids::check_group(group)?;
        let segments = [Segment::Fixed("users"), Segment::Id(user), Segment::Fixed("groups"), Segment::Id(group)];
        self.exists(Operation::UserInGroup, &segments).await
    }

    async fn exists(&self, operation: Operation, segments: &[Segment<'_>]) -> Result<bool> {
        self.at_each(&self.call(operation, Method::Head, segments)).await.exists()
    }
}

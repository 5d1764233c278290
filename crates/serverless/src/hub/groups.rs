//! Who is in which group.

use std::future::IntoFuture;
use std::time::Duration;

use azure_core::http::Method;
use futures_util::future::BoxFuture;

use super::{HubClient, Lives, Prepared};
use crate::error::Result;
use crate::ids;
use crate::operation::Operation;
use crate::rest::{Call, Segment};

/// # Groups
///
/// What is not in a group counts as removed. Role: *SignalR REST API Owner*. Source:
/// [REST API](https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).
impl HubClient {
    /// Adds a connection to a group: `PUT groups/{group}/connections/{connection}`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the service says that there is no such connection,
    /// [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn add_connection_to_group(&self, connection: &str, group: &str) -> Result<()> {
        let call = self.group_connection(Operation::AddConnectionToGroup, Method::Put, connection, group);
        Prepared { hub: self.clone(), call, lives: Lives::AtOne }.run().await
    }

    /// Removes a connection from a group: `DELETE groups/{group}/connections/{connection}`.
    ///
    /// # Errors
    ///
    /// [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn remove_connection_from_group(&self, connection: &str, group: &str) -> Result<()> {
        let call = self.group_connection(Operation::RemoveConnectionFromGroup, Method::Delete, connection, group);
        Prepared { hub: self.clone(), call, lives: Lives::Anywhere }.run().await
    }

    /// Removes a connection from every group: `DELETE connections/{connection}/groups`.
    ///
    /// # Errors
    ///
    /// [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn remove_connection_from_all_groups(&self, connection: &str) -> Result<()> {
        let segments = [Segment::Fixed("connections"), Segment::Id(connection), Segment::Fixed("groups")];
        let call = ids::check("connection id", connection)
            .map(|()| self.call(Operation::RemoveConnectionFromAllGroups, Method::Delete, &segments));
        Prepared { hub: self.clone(), call, lives: Lives::Anywhere }.run().await
    }

    /// Adds a user to a group, with the connections that come later: `PUT users/{user}/groups/{group}`.
    ///
    /// # Errors
    ///
    /// When you await it: [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub fn add_user_to_group(&self, user: &str, group: &str) -> AddUserToGroup {
        let call = self.user_group(Operation::AddUserToGroup, Method::Put, user, group);
        AddUserToGroup(Prepared { hub: self.clone(), call, lives: Lives::Anywhere })
    }

    /// Removes a user from a group: `DELETE users/{user}/groups/{group}`.
    ///
    /// # Errors
    ///
    /// [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn remove_user_from_group(&self, user: &str, group: &str) -> Result<()> {
        let call = self.user_group(Operation::RemoveUserFromGroup, Method::Delete, user, group);
        Prepared { hub: self.clone(), call, lives: Lives::Anywhere }.run().await
    }

    /// Removes a user from every group: `DELETE users/{user}/groups`.
    ///
    /// # Errors
    ///
    /// [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
    pub async fn remove_user_from_all_groups(&self, user: &str) -> Result<()> {
        let segments = [Segment::Fixed("users"), Segment::Id(user), Segment::Fixed("groups")];
        let call = ids::check("user id", user)
            .map(|()| self.call(Operation::RemoveUserFromAllGroups, Method::Delete, &segments));
        Prepared { hub: self.clone(), call, lives: Lives::Anywhere }.run().await
    }

    fn group_connection(&self, operation: Operation, method: Method, connection: &str, group: &str) -> Result<Call> {
        ids::check_group(group)?;
        ids::check("connection id", connection)?;
        let segments =
            [Segment::Fixed("groups"), Segment::Id(group), Segment::Fixed("connections"), Segment::Id(connection)];
        Ok(self.call(operation, method, &segments))
    }

    fn user_group(&self, operation: Operation, method: Method, user: &str, group: &str) -> Result<Call> {
        ids::check("user id", user)?;
        ids::check_group(group)?;
        let segments = [Segment::Fixed("users"), Segment::Id(user), Segment::Fixed("groups"), Segment::Id(group)];
        Ok(self.call(operation, method, &segments))
    }
}

/// A user that is added to a group when you await it.
#[derive(Debug)]
#[must_use = "nobody is added until you await it"]
pub struct AddUserToGroup(Prepared);

impl AddUserToGroup {
    /// For how long, in whole seconds, rounded up. Zero adds only the connections that the user has now. Without it the
    /// service keeps the user for up to a year, in the 100 groups to which it was added last.
    pub fn ttl(self, ttl: Duration) -> Self {
        let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
        Self(self.0.change(|call| {
            call.query("ttl", &seconds.to_string());
            Ok(())
        }))
    }
}

impl IntoFuture for AddUserToGroup {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.run())
    }
}

//! Closing connections.

use std::future::IntoFuture;

use azure_core::http::Method;
use futures_util::future::BoxFuture;

use super::{HubClient, Lives, Prepared};
use crate::error::Result;
use crate::ids;
use crate::operation::Operation;
use crate::rest::Segment;

/// # Closing connections
///
/// What does not exist counts as closed. Role: *SignalR REST API Owner*. Source:
/// [REST API](https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).
///
/// Errors of each: [`InvalidId`](crate::ErrorKind::InvalidId), and those of a call.
impl HubClient {
    /// Closes one connection: `DELETE connections/{connection}`.
    pub fn close_connection(&self, connection: &str) -> CloseConnection {
        let segments = [Segment::Fixed("connections"), Segment::Id(connection)];
        let call = ids::check("connection id", connection)
            .map(|()| self.call(Operation::CloseConnection, Method::Delete, &segments));
        CloseConnection(Prepared { hub: self.clone(), call, lives: Lives::Anywhere })
    }

    /// Closes every connection of the hub: `POST :closeConnections`.
    pub fn close_all_connections(&self) -> CloseConnections {
        let call = self.call(Operation::CloseAllConnections, Method::Post, &[Segment::Fixed(CLOSE)]);
        CloseConnections(Prepared { hub: self.clone(), call: Ok(call), lives: Lives::Anywhere })
    }

    /// Closes every connection of a group: `POST groups/{group}/:closeConnections`.
    pub fn close_group_connections(&self, group: &str) -> CloseConnections {
        let segments = [Segment::Fixed("groups"), Segment::Id(group), Segment::Fixed(CLOSE)];
        let call =
            ids::check_group(group).map(|()| self.call(Operation::CloseGroupConnections, Method::Post, &segments));
        CloseConnections(Prepared { hub: self.clone(), call, lives: Lives::Anywhere })
    }

    /// Closes every connection of a user: `POST users/{user}/:closeConnections`.
    pub fn close_user_connections(&self, user: &str) -> CloseConnections {
        let segments = [Segment::Fixed("users"), Segment::Id(user), Segment::Fixed(CLOSE)];
        let call =
            ids::check("user id", user).map(|()| self.call(Operation::CloseUserConnections, Method::Post, &segments));
        CloseConnections(Prepared { hub: self.clone(), call, lives: Lives::Anywhere })
    }
}

const CLOSE: &str = ":closeConnections";

/// A connection that is closed when you await it.
#[derive(Debug)]
#[must_use = "nothing is closed until you await it"]
pub struct CloseConnection(Prepared);

impl CloseConnection {
    /// What the client is told.
    pub fn reason(self, reason: &str) -> Self {
        Self(with_reason(self.0, reason))
    }
}

impl IntoFuture for CloseConnection {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.run())
    }
}

/// Connections that are closed when you await it.
#[derive(Debug)]
#[must_use = "nothing is closed until you await it"]
pub struct CloseConnections(Prepared);

impl CloseConnections {
    /// What the clients are told.
    pub fn reason(self, reason: &str) -> Self {
        Self(with_reason(self.0, reason))
    }

    /// Leaves these connections open.
    pub fn excluded(self, connections: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(self.0.exclude(connections))
    }
}

impl IntoFuture for CloseConnections {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.run())
    }
}

fn with_reason(prepared: Prepared, reason: &str) -> Prepared {
    prepared.change(|call| {
        call.query("reason", reason);
        Ok(())
    })
}

//! Closing connections and asking for them.

use http::StatusCode;

use super::call::{Call, DataPlane, Done};
use super::problem::Problem;
use super::sends::missing_connection;
use crate::hub::{Outbound, Recipients};
use crate::operation::Operation;

impl DataPlane {
    pub(super) fn close_many(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let excluded = call.excluded();
        let recipients = match call.route.operation {
            Operation::CloseGroupConnections => Recipients::Group { group: call.group()?, excluded: &excluded },
            Operation::CloseUserConnections => Recipients::User { user: &call.route.user, excluded: &excluded },
            _ => Recipients::All { excluded: &excluded },
        };
        let closed = self.hubs.send(&call.hub, recipients, &close(call));
        Ok(Done::status(StatusCode::NO_CONTENT).to(closed))
    }

    pub(super) fn close_one(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let recipients = Recipients::Connection(&call.route.connection);
        let closed = self.hubs.send(&call.hub, recipients, &close(call));
        if closed.is_empty() {
            return Err(missing_connection("Warning.Connection.NotExisted"));
        }
        Ok(Done::status(StatusCode::OK).to(closed))
    }

    pub(super) fn connection_exists(&self, call: &Call<'_>) -> Result<Done, Problem> {
        self.check_connection(call, "Warning.Connection.NotExisted")?;
        Ok(Done::status(StatusCode::OK))
    }

    pub(super) fn group_exists(&self, call: &Call<'_>) -> Result<Done, Problem> {
        if self.hubs.has_group(&call.hub, call.group()?) {
            return Ok(Done::status(StatusCode::OK));
        }
        Err(Problem::missing("Warning.Group.NotExisted", "The group has no connection."))
    }

    pub(super) fn user_exists(&self, call: &Call<'_>) -> Result<Done, Problem> {
        if self.hubs.has_user(&call.hub, &call.route.user) {
            return Ok(Done::status(StatusCode::OK));
        }
        Err(Problem::missing("Warning.User.NotExisted", "The user has no connection."))
    }

    pub(super) fn user_in_group(&self, call: &Call<'_>) -> Result<Done, Problem> {
        if self.hubs.is_user_in_group(&call.hub, &call.route.user, call.group()?) {
            return Ok(Done::status(StatusCode::OK));
        }
        Err(Problem::missing("Info.User.NotInGroup", "The user is not in the group."))
    }
}

fn close(call: &Call<'_>) -> Outbound {
    Outbound::Close { error: call.query.first("reason").map(str::to_owned), allow_reconnect: false }
}

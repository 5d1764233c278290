//! `:execute`: several commands on the connections that a filter lets through.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::call::{Call, DataPlane, Done};
use super::filter::Filter;
use super::payload::Payload;
use super::problem::Problem;
use crate::hub::{Member, Outbound, Recipients, is_group_name};

impl DataPlane {
    pub(super) fn execute(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let filter = call.query.first("filter").filter(|text| !text.is_empty()).map(Filter::parse).transpose();
        let filter = filter.map_err(|text| Problem::bad_request("Request.Filter", text))?;
        let commands: Vec<Value> = serde_json::from_slice(&call.body)
            .map_err(|_| Problem::bad_request("Request.Body", "The body is no JSON array of commands."))?;
        // A transaction: nothing happens unless every command can be read.
        let read = |(index, command)| Command::read(command).map_err(|problem| problem.of_command(index));
        let commands = commands.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;

        let chosen: Vec<Member> = self.hubs.connections(&call.hub);
        let chosen: Vec<String> = chosen
            .into_iter()
            .filter(|member| filter.as_ref().is_none_or(|filter| filter.accepts(member)))
            .map(|member| member.connection_id)
            .collect();
        for command in &commands {
            for connection in &chosen {
                self.run(&call.hub, connection, command);
            }
        }
        Ok(Done::status(StatusCode::ACCEPTED).to(chosen))
    }

    fn run(&self, hub: &str, connection: &str, command: &Command) {
        match command {
            Command::Send(outbound) | Command::Close(outbound) => {
                self.hubs.send(hub, Recipients::Connection(connection), outbound);
            }
            Command::Join(group) => {
                self.hubs.add_connection_to_group(hub, connection, group);
            }
            Command::Leave(group) => {
                self.hubs.remove_connection_from_group(hub, connection, group);
            }
        }
    }
}

enum Command {
    Send(Outbound),
    Close(Outbound),
    Join(String),
    Leave(String),
}

impl Command {
    /// Reads a command; the names of members ignore case, as those of sending do.
    fn read(command: &Value) -> Result<Self, Problem> {
        let member = |wanted: &str| {
            command.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let group = || match member("group").map(Value::as_str) {
            Some(Some(group)) if is_group_name(group) => Ok(group.to_owned()),
            Some(Some(_)) => Err(invalid("a group's name has 1 to 1024 characters and is not blank.")),
            Some(None) => Err(invalid("`group` is no text.")),
            None => Err(invalid("there is no `group`.")),
        };
        match member("type").map(|kind| (kind, kind.as_str())) {
            Some((_, Some("SendMessage"))) => {
                // The message stands in a member of its own, or beside the type.
                let message = member("message").unwrap_or(command);
                let frames = Payload::from_json(message.to_string().as_bytes())?.frames(None);
                Ok(Self::Send(Outbound::Frames(Arc::new(frames))))
            }
            Some((_, Some("JoinGroup"))) => Ok(Self::Join(group()?)),
            Some((_, Some("LeaveGroup"))) => Ok(Self::Leave(group()?)),
            Some((_, Some("CloseConnection"))) => {
                let error = member("reason").and_then(Value::as_str).map(str::to_owned);
                Ok(Self::Close(Outbound::Close { error, allow_reconnect: false }))
            }
            Some((kind, _)) => Err(invalid(&format!("the `type` {kind} is unknown."))),
            None => Err(invalid("there is no `type`.")),
        }
    }
}

fn invalid(message: &str) -> Problem {
    Problem::bad_request("Request.Body", message)
}

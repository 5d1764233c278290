//! One call of the REST API, from its token to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use super::problem::Problem;
use super::route::Route;
use super::version::check_version;
use crate::assumptions::Assumptions;
use crate::auth::{AccessKeys, Caller, Roles};
use crate::clock::EmulatorClock;
use crate::entra::Entra;
use crate::hub::{Hubs, is_group_name, is_hub_name};
use crate::operation::Operation;
use crate::web::{Answer, Query, empty};

/// What the operations work on.
#[derive(Debug)]
pub(crate) struct DataPlane {
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) keys: Arc<AccessKeys>,
    pub(crate) roles: Arc<Roles>,
    pub(crate) entra: Arc<Entra>,
    pub(crate) clock: EmulatorClock,
    pub(crate) assumptions: Arc<Assumptions>,
    /// The names of the service's own address, without a port.
    pub(crate) hosts: Vec<String>,
    /// The address for `nextLink` and for the audience of client tokens, without a slash at the end.
    pub(crate) endpoint: String,
}

/// What the log wants to know of a call.
#[derive(Debug, Default)]
pub(crate) struct Note {
    pub(crate) caller: Option<Caller>,
    pub(crate) hub: Option<String>,
    pub(crate) processed: bool,
    pub(crate) error_code: Option<String>,
    pub(crate) rejection: Option<String>,
    pub(crate) delivered_to: Vec<String>,
}

/// A call whose caller may do what it asks for.
pub(super) struct Call<'a> {
    pub(super) route: &'a Route,
    /// The hub's name in the registry: lower case, the application before it.
    pub(super) hub: String,
    pub(super) query: Query,
    pub(super) parts: &'a Parts,
    pub(super) body: Bytes,
}

/// What an operation did.
pub(super) struct Done {
    pub(super) answer: Answer,
    pub(super) delivered_to: Vec<String>,
}

impl Done {
    pub(super) fn status(status: http::StatusCode) -> Self {
        Self { answer: empty(status), delivered_to: Vec::new() }
    }

    pub(super) fn to(mut self, delivered_to: Vec<String>) -> Self {
        self.delivered_to = delivered_to;
        self
    }
}

impl DataPlane {
    /// Answers a call.
    pub(crate) async fn answer(&self, route: &Route, parts: &Parts, body: Bytes) -> (Answer, Note) {
        let mut note = Note::default();
        match self.try_answer(route, parts, body, &mut note).await {
            Ok(done) => {
                note.processed = true;
                note.delivered_to = done.delivered_to;
                (done.answer, note)
            }
            Err(problem) => {
                note.error_code = problem.code().map(str::to_owned);
                note.rejection = Some(problem.message().to_owned());
                (problem.answer(), note)
            }
        }
    }

    async fn try_answer(&self, route: &Route, parts: &Parts, body: Bytes, note: &mut Note) -> Result<Done, Problem> {
        if route.operation == Operation::Health {
            return Ok(Done::status(http::StatusCode::OK));
        }
        let caller = self.authenticate(&parts.headers, &parts.uri)?;
        note.caller = Some(caller.clone());
        self.authorize(&caller, route.operation)?;
        let query = Query::read(parts.uri.query().unwrap_or_default());
        check_version(route, &query)?;
        if route.operation == Operation::AccessKey {
            return Ok(self.access_key());
        }
        let hub = hub_name(route, &query)?;
        note.hub = Some(hub.clone());
        let call = Call { route, hub, query, parts, body };
        self.operate(&call).await
    }

    async fn operate(&self, call: &Call<'_>) -> Result<Done, Problem> {
        use Operation as O;
        match call.route.operation {
            O::Broadcast | O::SendToUser | O::SendToGroup | O::SendToConnection => self.send(call),
            O::InvokeConnection => self.invoke(call).await,
            O::SendStreamItem => self.send_stream_item(call),
            O::CompleteStream => self.complete_stream(call),
            O::GenerateToken => self.generate_token(call),
            O::Execute => self.execute(call),
            O::CloseAllConnections | O::CloseGroupConnections | O::CloseUserConnections => self.close_many(call),
            O::CloseConnection => self.close_one(call),
            O::ConnectionExists => self.connection_exists(call),
            O::GroupExists => self.group_exists(call),
            O::UserExists => self.user_exists(call),
            O::UserInGroup => self.user_in_group(call),
            O::ListGroupConnections => self.list_group(call),
            O::AddUserToGroup => self.add_user_to_group(call),
            O::RemoveUserFromGroup => self.remove_user_from_group(call),
            O::RemoveUserFromAllGroups => self.remove_user_from_all_groups(call),
            O::AddConnectionToGroup => self.add_connection_to_group(call),
            O::RemoveConnectionFromGroup => self.remove_connection_from_group(call),
            O::RemoveConnectionFromAllGroups => self.remove_connection_from_all_groups(call),
            O::Health
            | O::AccessKey
            | O::ClientNegotiate
            | O::ClientConnect
            | O::Token
            | O::IdentityEndpoint
            | O::Imds
            | O::Unknown => Err(Problem::no_such_path()),
        }
    }
}

impl Call<'_> {
    /// The connections that the query excludes.
    pub(super) fn excluded(&self) -> Vec<String> {
        self.query.all("excluded").map(str::to_owned).collect()
    }

    /// The group's name, if a group may have it.
    pub(super) fn group(&self) -> Result<&str, Problem> {
        if is_group_name(&self.route.group) {
            Ok(&self.route.group)
        } else {
            Err(Problem::bad_request("Request.Group", "A group's name has 1 to 1024 characters and is not blank."))
        }
    }

    pub(super) fn content_type(&self) -> &str {
        let value = self.parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }
}

fn hub_name(route: &Route, query: &Query) -> Result<String, Problem> {
    if !is_hub_name(&route.hub) {
        let text = "A hub's name is a letter and up to 127 letters, digits and _`,.[] behind it.";
        return Err(Problem::bad_request("Request.Hub", text));
    }
    let hub = route.hub.to_lowercase();
    // REST API description 2024-12-01: these two have no such parameter.
    if matches!(route.operation, Operation::Execute | Operation::GenerateToken) {
        return Ok(hub);
    }
    match query.first("application") {
        None | Some("") => Ok(hub),
        Some(application) if is_hub_name(application) => Ok(format!("{}_{hub}", application.to_lowercase())),
        Some(_) => {
            let text = "An application's name is a letter and up to 127 letters, digits and _`,.[] behind it.";
            Err(Problem::bad_request("Request.Application", text))
        }
    }
}

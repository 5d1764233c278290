//! Which operation a path leads to.

use http::Method;

use crate::operation::Operation;

/// An operation and the names in its path, decoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// Whether the path begins with `/api/v1`, which takes no version in the query.
    pub(crate) v1: bool,
    pub(crate) hub: String,
    pub(crate) user: String,
    pub(crate) group: String,
    pub(crate) connection: String,
    pub(crate) stream: String,
}

impl Route {
    /// Reads the segments of a path. `None` for anything that is not the REST API's.
    ///
    /// `/api/v1` has sending without `:send` besides, as the first version of the API did.
    pub(crate) fn read(method: &Method, segments: &[&str]) -> Option<Self> {
        let rest = segments.strip_prefix(&["api"])?;
        let (v1, rest) = rest.strip_prefix(&["v1"]).map_or((false, rest), |rest| (true, rest));
        match rest {
            ["health"] if method == Method::HEAD || method == Method::GET => Some(Self::new(Operation::Health, v1)),
            [auth, key] if auth.eq_ignore_ascii_case("auth") && key.eq_ignore_ascii_case("accesskey") => {
                (method == Method::GET).then(|| Self::new(Operation::AccessKey, v1))
            }
            ["hubs", hub, rest @ ..] if !rest.contains(&"") && !hub.is_empty() => {
                let route = Self { hub: (*hub).to_owned(), ..Self::new(Operation::Unknown, v1) };
                route.within_hub(method, rest)
            }
            _ => None,
        }
    }

    fn new(operation: Operation, v1: bool) -> Self {
        let [hub, user, group, connection, stream] = [const { String::new() }; 5];
        Self { operation, v1, hub, user, group, connection, stream }
    }

    fn within_hub(self, method: &Method, rest: &[&str]) -> Option<Self> {
        use Operation as O;
        let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
        let is_look = method == Method::HEAD || method == Method::GET;
        let v1 = self.v1;
        Some(match rest {
            [] if v1 && method == post => self.with(O::Broadcast, "", "", ""),
            [":send"] if method == post => self.with(O::Broadcast, "", "", ""),
            [":closeConnections"] if method == post => self.with(O::CloseAllConnections, "", "", ""),
            [":generateToken"] if method == post => self.with(O::GenerateToken, "", "", ""),
            [":execute"] if method == post => self.with(O::Execute, "", "", ""),

            ["users", user] if is_look => self.with(O::UserExists, user, "", ""),
            ["users", user] if v1 && method == post => self.with(O::SendToUser, user, "", ""),
            ["users", user, ":send"] if method == post => self.with(O::SendToUser, user, "", ""),
            ["users", user, ":closeConnections"] if method == post => self.with(O::CloseUserConnections, user, "", ""),
            ["users", user, "groups"] if method == delete => self.with(O::RemoveUserFromAllGroups, user, "", ""),
            ["users", user, "groups", group] if method == put => self.with(O::AddUserToGroup, user, group, ""),
            ["users", user, "groups", group] if method == delete => self.with(O::RemoveUserFromGroup, user, group, ""),
            ["users", user, "groups", group] if is_look => self.with(O::UserInGroup, user, group, ""),

            ["groups", group] if is_look => self.with(O::GroupExists, "", group, ""),
            ["groups", group] if v1 && method == post => self.with(O::SendToGroup, "", group, ""),
            ["groups", group, ":send"] if method == post => self.with(O::SendToGroup, "", group, ""),
            ["groups", group, ":closeConnections"] if method == post => {
                self.with(O::CloseGroupConnections, "", group, "")
            }
            ["groups", group, "connections"] if method == Method::GET => {
                self.with(O::ListGroupConnections, "", group, "")
            }
            ["groups", group, "connections", id] if method == put => self.with(O::AddConnectionToGroup, "", group, id),
            ["groups", group, "connections", id] if method == delete => {
                self.with(O::RemoveConnectionFromGroup, "", group, id)
            }

            ["connections", id] if is_look => self.with(O::ConnectionExists, "", "", id),
            ["connections", id] if method == delete => self.with(O::CloseConnection, "", "", id),
            ["connections", id] if v1 && method == post => self.with(O::SendToConnection, "", "", id),
            ["connections", id, ":send"] if method == post => self.with(O::SendToConnection, "", "", id),
            ["connections", id, ":invoke"] if method == post => self.with(O::InvokeConnection, "", "", id),
            ["connections", id, "groups"] if method == delete => {
                self.with(O::RemoveConnectionFromAllGroups, "", "", id)
            }
            ["connections", id, "streams", stream, ":send"] if method == post => {
                Self { stream: (*stream).to_owned(), ..self.with(O::SendStreamItem, "", "", id) }
            }
            ["connections", id, "streams", stream, ":complete"] if method == post => {
                Self { stream: (*stream).to_owned(), ..self.with(O::CompleteStream, "", "", id) }
            }
            _ => return None,
        })
    }

    fn with(self, operation: Operation, user: &str, group: &str, connection: &str) -> Self {
        let (user, group, connection) = (user.to_owned(), group.to_owned(), connection.to_owned());
        Self { operation, user, group, connection, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(method: Method, path: &str) -> Option<Operation> {
        let segments: Vec<_> = path.split('/').collect();
        Route::read(&method, &segments).map(|route| route.operation)
    }

    #[test]
    fn the_first_version_sends_without_a_verb_in_the_path() {
        assert_eq!(operation(Method::POST, "api/v1/hubs/chat/users/anna"), Some(Operation::SendToUser));
        assert_eq!(operation(Method::POST, "api/hubs/chat/users/anna"), None);
        assert_eq!(operation(Method::POST, "api/v1/hubs/chat"), Some(Operation::Broadcast));
    }

    #[test]
    fn the_key_is_found_in_any_case() {
        assert_eq!(operation(Method::GET, "api/v1/auth/accesskey"), Some(Operation::AccessKey));
        assert_eq!(operation(Method::GET, "api/auth/accessKey"), Some(Operation::AccessKey));
        assert_eq!(operation(Method::POST, "api/auth/accessKey"), None);
    }

    #[test]
    fn empty_names_lead_nowhere() {
        for path in ["api/hubs//:send", "api/hubs/chat/users//:send", "api/hubs/chat/:send/"] {
            assert_eq!(operation(Method::POST, path), None, "{path}");
        }
    }
}

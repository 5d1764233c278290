//! What the service is asked for, and what each operation needs.

use crate::role::Role;

/// Declares [`Operation`] with everything that is fixed for an operation in one line.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $role:expr, $repeat:ident, $absent:ident;)+) => {
        /// An operation of the service's REST API.
        ///
        /// Source: the API description `v20241201` in
        /// [Azure/azure-signalr](https://github.com/Azure/azure-signalr/tree/dev/docs/swagger), and Azure's built-in
        /// roles.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $name,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The operation as a stable name in snake case, for logs and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The role with the least rights that allows it. `None` if it needs no token.
            ///
            /// [`Role::ServiceOwner`] allows every operation, and [`Role::RestApiOwner`] those of
            /// [`Role::RestApiReader`] too.
            #[must_use]
            pub const fn role(self) -> Option<Role> {
                match self { $(Self::$name => $role,)+ }
            }

            pub(crate) const fn repeat(self) -> Repeat {
                match self { $(Self::$name => Repeat::$repeat,)+ }
            }

            pub(crate) const fn absent(self) -> Absent {
                match self { $(Self::$name => Absent::$absent,)+ }
            }
        }
    };
}

const OWNER: Option<Role> = Some(Role::RestApiOwner);
const READER: Option<Role> = Some(Role::RestApiReader);

operations! {
    /// Fetches the temporary access key.
    AccessKey = "access_key", Some(Role::AppServer), Never, Error;
    /// Has the service mint a client token.
    GenerateToken = "generate_token", OWNER, Idempotent, Error;
    /// Asks whether the service is healthy.
    Health = "health", None, Never, Error;
    /// Sends to every connection of the hub.
    SendToAll = "send_to_all", OWNER, Message, Error;
    /// Sends to every connection of a user.
    SendToUser = "send_to_user", OWNER, Message, Error;
    /// Sends to every connection of a group.
    SendToGroup = "send_to_group", OWNER, Message, Error;
    /// Sends to one connection.
    SendToConnection = "send_to_connection", OWNER, Message, Error;
    /// Calls a method of one client and waits for its result.
    InvokeConnection = "invoke_connection", OWNER, Message, Error;
    /// Closes every connection of the hub.
    CloseAllConnections = "close_all_connections", OWNER, Idempotent, Done;
    /// Closes every connection of a group.
    CloseGroupConnections = "close_group_connections", OWNER, Idempotent, Done;
    /// Closes every connection of a user.
    CloseUserConnections = "close_user_connections", OWNER, Idempotent, Done;
    /// Closes one connection.
    CloseConnection = "close_connection", OWNER, Idempotent, Done;
    /// Asks whether a connection exists.
    ConnectionExists = "connection_exists", READER, Idempotent, No;
    /// Asks whether a user has a connection.
    UserExists = "user_exists", READER, Idempotent, No;
    /// Asks whether a group has a connection.
    GroupExists = "group_exists", READER, Idempotent, No;
    /// Asks whether a user is in a group.
    UserInGroup = "user_in_group", READER, Idempotent, No;
    /// Lists the connections of a group.
    GroupConnections = "group_connections", READER, Idempotent, Error;
    /// Adds a user to a group.
    AddUserToGroup = "add_user_to_group", OWNER, Idempotent, Error;
    /// Removes a user from a group.
    RemoveUserFromGroup = "remove_user_from_group", OWNER, Idempotent, Done;
    /// Removes a user from every group.
    RemoveUserFromAllGroups = "remove_user_from_all_groups", OWNER, Idempotent, Done;
    /// Adds a connection to a group.
    AddConnectionToGroup = "add_connection_to_group", OWNER, Idempotent, Error;
    /// Removes a connection from a group.
    RemoveConnectionFromGroup = "remove_connection_from_group", OWNER, Idempotent, Done;
    /// Removes a connection from every group.
    RemoveConnectionFromAllGroups = "remove_connection_from_all_groups", OWNER, Idempotent, Done;
}

/// When a call may be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Repeat {
    /// Never by the call itself: a schedule repeats it.
    Never,
    /// Only when the service cannot have taken it.
    Message,
    /// Also when it may have been carried out: a second time changes nothing.
    Idempotent,
}

/// What a 404 with one of the service's codes means: that what the call names does not exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Absent {
    /// An error.
    Error,
    /// The answer `false`.
    No,
    /// What the call wants is so already, perhaps by its own first try.
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_never_idempotent() {
        for operation in Operation::ALL {
            let is_message = operation.as_str().starts_with("send_") || *operation == Operation::InvokeConnection;
            assert_eq!(operation.repeat() == Repeat::Message, is_message, "{operation:?}");
        }
    }

    #[test]
    fn only_questions_need_the_reader_role_alone() {
        for operation in Operation::ALL {
            let is_question = operation.absent() == Absent::No || *operation == Operation::GroupConnections;
            assert_eq!(operation.role() == READER, is_question, "{operation:?}");
        }
    }
}

//! Roles, their data actions, and who has them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::EmulatorClock;
use crate::mock::ObjectId;

/// A data action of `Microsoft.SignalRService`, as role definitions name it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DataAction {
    /// `auth/accessKey/action`
    AuthAccessKey,
    /// `auth/clientToken/action`
    AuthClientToken,
    /// `clientConnection/read`
    ClientConnectionRead,
    /// `clientConnection/send/action`
    ClientConnectionSend,
    /// `clientConnection/write`
    ClientConnectionWrite,
    /// `group/read`
    GroupRead,
    /// `group/send/action`
    GroupSend,
    /// `group/write`
    GroupWrite,
    /// `hub/send/action`
    HubSend,
    /// `serverConnection/write`
    ServerConnectionWrite,
    /// `user/read`
    UserRead,
    /// `user/send/action`
    UserSend,
    /// `user/write`
    UserWrite,
}

impl DataAction {
    /// Its name without the prefix `Microsoft.SignalRService/SignalR/`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthAccessKey => "auth/accessKey/action",
            Self::AuthClientToken => "auth/clientToken/action",
            Self::ClientConnectionRead => "clientConnection/read",
            Self::ClientConnectionSend => "clientConnection/send/action",
            Self::ClientConnectionWrite => "clientConnection/write",
            Self::GroupRead => "group/read",
            Self::GroupSend => "group/send/action",
            Self::GroupWrite => "group/write",
            Self::HubSend => "hub/send/action",
            Self::ServerConnectionWrite => "serverConnection/write",
            Self::UserRead => "user/read",
            Self::UserSend => "user/send/action",
            Self::UserWrite => "user/write",
        }
    }
}

impl fmt::Display for DataAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Microsoft.SignalRService/SignalR/{}", self.name())
    }
}

/// A built-in role with data actions of Azure SignalR Service.
///
/// Source: Azure's list of built-in roles, section Web and Mobile.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// `420fcaa2-552c-430f-98ca-3264be4806c7`
    AppServer,
    /// `fd53cd77-2268-407a-8f46-7e7863d0f521`
    RestApiOwner,
    /// `ddde6b66-c0df-4114-a159-3618637b3035`
    RestApiReader,
    /// `7e4f1700-ea5a-4f59-8f37-079cfe29dce3`
    ServiceOwner,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::AppServer, Self::RestApiOwner, Self::RestApiReader, Self::ServiceOwner];

    /// The name that the portal shows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AppServer => "SignalR App Server",
            Self::RestApiOwner => "SignalR REST API Owner",
            Self::RestApiReader => "SignalR REST API Reader",
            Self::ServiceOwner => "SignalR Service Owner",
        }
    }

    /// Whether the role contains a data action.
    #[must_use]
    pub fn allows(self, action: DataAction) -> bool {
        let (area, verb) = action.name().split_once('/').unwrap_or_default();
        match self {
            Self::AppServer => matches!(
                action,
                DataAction::AuthAccessKey | DataAction::ServerConnectionWrite | DataAction::ClientConnectionWrite
            ),
            Self::RestApiOwner => {
                action == DataAction::AuthClientToken || matches!(area, "hub" | "group" | "clientConnection" | "user")
            }
            Self::RestApiReader => matches!(area, "group" | "clientConnection" | "user") && verb == "read",
            Self::ServiceOwner => true,
        }
    }
}

/// Which service principal has which role on the resource.
#[derive(Debug)]
pub struct Roles {
    clock: EmulatorClock,
    assignments: Mutex<HashMap<String, Vec<Assignment>>>,
}

#[derive(Clone, Copy, Debug)]
struct Assignment {
    role: Role,
    /// The time from which it acts.
    from: u64,
}

impl Roles {
    pub(crate) fn new(clock: EmulatorClock) -> Self {
        Self { clock, assignments: Mutex::default() }
    }

    /// Gives a service principal a role, which acts at once.
    pub fn assign(&self, object_id: ObjectId, role: Role) {
        self.assign_delayed(object_id, role, Duration::ZERO);
    }

    /// Gives a service principal a role that acts after a while by the emulator's clock. Azure needs up to 30 minutes.
    pub fn assign_delayed(&self, object_id: ObjectId, role: Role, delay: Duration) {
        let from = if delay.is_zero() { 0 } else { self.clock.unix_seconds().saturating_add(delay.as_secs()) };
        self.table().entry(object_id.to_string()).or_default().push(Assignment { role, from });
    }

    /// Takes a role away at once.
    pub fn remove(&self, object_id: ObjectId, role: Role) {
        if let Some(assignments) = self.table().get_mut(&object_id.to_string()) {
            assignments.retain(|assignment| assignment.role != role);
        }
    }

    /// Takes all roles of a service principal away at once.
    pub fn remove_all(&self, object_id: ObjectId) {
        self.table().remove(&object_id.to_string());
    }

    /// The roles of a service principal that act now.
    #[must_use]
    pub fn of(&self, object_id: ObjectId) -> Vec<Role> {
        self.acting(&object_id.to_string())
    }

    pub(crate) fn allow(&self, object_id: &str, action: DataAction) -> bool {
        self.acting(object_id).into_iter().any(|role| role.allows(action))
    }

    fn acting(&self, object_id: &str) -> Vec<Role> {
        let now = self.clock.unix_seconds();
        let table = self.table();
        let assignments = table.get(object_id).map(Vec::as_slice).unwrap_or_default();
        assignments.iter().filter(|assignment| assignment.from <= now).map(|assignment| assignment.role).collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Vec<Assignment>>> {
        self.assignments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [DataAction; 13] = [
        DataAction::AuthAccessKey,
        DataAction::AuthClientToken,
        DataAction::ClientConnectionRead,
        DataAction::ClientConnectionSend,
        DataAction::ClientConnectionWrite,
        DataAction::GroupRead,
        DataAction::GroupSend,
        DataAction::GroupWrite,
        DataAction::HubSend,
        DataAction::ServerConnectionWrite,
        DataAction::UserRead,
        DataAction::UserSend,
        DataAction::UserWrite,
    ];

    #[test]
    fn roles_contain_the_actions_of_their_definitions() {
        let allowed = |role: Role| ACTIONS.into_iter().filter(|action| role.allows(*action)).collect::<Vec<_>>();
        use DataAction::*;
        assert_eq!(allowed(Role::AppServer), [AuthAccessKey, ClientConnectionWrite, ServerConnectionWrite]);
        assert_eq!(
            allowed(Role::RestApiOwner),
            [
                AuthClientToken,
                ClientConnectionRead,
                ClientConnectionSend,
                ClientConnectionWrite,
                GroupRead,
                GroupSend,
                GroupWrite,
                HubSend,
                UserRead,
                UserSend,
                UserWrite
            ]
        );
        assert_eq!(allowed(Role::RestApiReader), [ClientConnectionRead, GroupRead, UserRead]);
        assert_eq!(allowed(Role::ServiceOwner), ACTIONS);
    }

    #[test]
    fn a_delayed_assignment_acts_when_its_time_has_come() {
        let clock = EmulatorClock::new();
        let roles = Roles::new(clock.clone());
        let principal: ObjectId = "77777777-4321-4cba-8fed-888888888888".parse().unwrap();
        roles.assign_delayed(principal, Role::ServiceOwner, Duration::from_secs(1800));
        assert!(roles.of(principal).is_empty());
        clock.advance(Duration::from_secs(1800));
        assert_eq!(roles.of(principal), [Role::ServiceOwner]);
        roles.remove(principal, Role::ServiceOwner);
        assert!(roles.of(principal).is_empty());
    }
}

//! All hubs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use super::connection::{Breaks, Outbound, Outbox};
use super::groups::{Membership, UserGroups};
use crate::clock::EmulatorClock;
use crate::protocol::{Frames, InvocationResult};

/// The connections, groups and users of every hub.
#[derive(Debug)]
pub(crate) struct Hubs {
    clock: EmulatorClock,
    state: Mutex<HashMap<String, Hub>>,
    invocations: Mutex<Invocations>,
    breaks: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Hub {
    connections: BTreeMap<String, Connection>,
    groups: HashMap<String, BTreeSet<String>>,
    users: HashMap<String, BTreeSet<String>>,
    user_groups: HashMap<String, UserGroups>,
}

#[derive(Debug)]
struct Connection {
    user: Option<String>,
    outbox: Outbox,
}

#[derive(Debug, Default)]
struct Invocations {
    next: u64,
    /// By connection and invocation id.
    waiting: HashMap<(String, String), oneshot::Sender<InvocationResult>>,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recipients<'a> {
    All { excluded: &'a [String] },
    Group { group: &'a str, excluded: &'a [String] },
    User { user: &'a str, excluded: &'a [String] },
    Connection(&'a str),
}

/// A connection as listings show it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Member {
    pub(crate) connection_id: String,
    pub(crate) user_id: Option<String>,
}

impl Hubs {
    pub(crate) fn new(clock: EmulatorClock) -> Self {
        Self { clock, state: Mutex::default(), invocations: Mutex::default(), breaks: watch::Sender::new(()) }
    }

    /// Adds a connection, which is at once in the groups that its user is in.
    pub(crate) fn connect(&self, hub: &str, connection: &str, user: Option<&str>, outbox: Outbox) {
        let now = self.clock.unix_seconds();
        let mut state = self.state();
        let hub = state.entry(hub.to_owned()).or_default();
        hub.connections.insert(connection.to_owned(), Connection { user: user.map(str::to_owned), outbox });
        let Some(user) = user else { return };
        hub.users.entry(user.to_owned()).or_default().insert(connection.to_owned());
        let groups = hub.user_groups.get(user).map(|groups| groups.active(now)).unwrap_or_default();
        for group in groups {
            hub.groups.entry(group).or_default().insert(connection.to_owned());
        }
    }

    pub(crate) fn disconnect(&self, hub: &str, connection: &str) {
        self.invocations().waiting.retain(|(present, _), _| present != connection);
        let mut state = self.state();
        let Some(hub) = state.get_mut(hub) else { return };
        hub.connections.remove(connection);
        remove_everywhere(&mut hub.groups, connection);
        remove_everywhere(&mut hub.users, connection);
    }

    /// Sends a message and returns the connections that it went to.
    pub(crate) fn send(&self, hub: &str, recipients: Recipients<'_>, outbound: &Outbound) -> Vec<String> {
        let mut state = self.state();
        let Some(hub) = state.get_mut(hub) else { return Vec::new() };
        let mut reached = Vec::new();
        for id in hub.recipients(recipients) {
            if hub.connections.get(&id).is_some_and(|connection| connection.outbox.send(outbound.clone())) {
                reached.push(id);
            } else {
                // The queue is full or gone. With its sender the connection loses the way back into the hub.
                hub.connections.remove(&id);
            }
        }
        reached
    }

    pub(crate) fn has_connection(&self, hub: &str, connection: &str) -> bool {
        self.read(hub, |hub| hub.connections.contains_key(connection))
    }

    pub(crate) fn has_user(&self, hub: &str, user: &str) -> bool {
        self.read(hub, |hub| hub.users.contains_key(user))
    }

    pub(crate) fn has_group(&self, hub: &str, group: &str) -> bool {
        self.read(hub, |hub| hub.groups.contains_key(group))
    }

    /// Whether a user is in a group, with a connection or by a membership that waits for one.
    pub(crate) fn is_user_in_group(&self, hub: &str, user: &str, group: &str) -> bool {
        let now = self.clock.unix_seconds();
        self.read(hub, |hub| {
            let waits = hub.user_groups.get(user).is_some_and(|groups| groups.active(now).iter().any(|it| it == group));
            waits || hub.members(group).any(|member| member.user_id.as_deref() == Some(user))
        })
    }

    pub(crate) fn group_members(&self, hub: &str, group: &str) -> Vec<Member> {
        self.read(hub, |hub| hub.members(group).collect())
    }

    pub(crate) fn add_connection_to_group(&self, hub: &str, connection: &str, group: &str) -> bool {
        self.write(hub, |hub| {
            let exists = hub.connections.contains_key(connection);
            if exists {
                hub.groups.entry(group.to_owned()).or_default().insert(connection.to_owned());
            }
            exists
        })
    }

    pub(crate) fn remove_connection_from_group(&self, hub: &str, connection: &str, group: &str) -> bool {
        self.write(hub, |hub| {
            remove_one(&mut hub.groups, group, connection);
            hub.connections.contains_key(connection)
        })
    }

    pub(crate) fn remove_connection_from_all_groups(&self, hub: &str, connection: &str) -> bool {
        self.write(hub, |hub| {
            remove_everywhere(&mut hub.groups, connection);
            hub.connections.contains_key(connection)
        })
    }

    pub(crate) fn add_user_to_group(&self, hub: &str, user: &str, group: &str, membership: Membership) {
        let mut state = self.state();
        let hub = state.entry(hub.to_owned()).or_default();
        if let Membership::Until(time) = membership {
            hub.user_groups.entry(user.to_owned()).or_default().add(group, time);
        }
        let connections = hub.users.get(user).cloned().unwrap_or_default();
        if !connections.is_empty() {
            hub.groups.entry(group.to_owned()).or_default().extend(connections);
        }
    }

    pub(crate) fn remove_user_from_group(&self, hub: &str, user: &str, group: &str) {
        self.write(hub, |hub| {
            if let Some(groups) = hub.user_groups.get_mut(user) {
                groups.remove(group);
            }
            for connection in hub.users.get(user).cloned().unwrap_or_default() {
                remove_one(&mut hub.groups, group, &connection);
            }
            true
        });
    }

    pub(crate) fn remove_user_from_all_groups(&self, hub: &str, user: &str) {
        self.write(hub, |hub| {
            if let Some(groups) = hub.user_groups.get_mut(user) {
                groups.clear();
            }
            for connection in hub.users.get(user).cloned().unwrap_or_default() {
                remove_everywhere(&mut hub.groups, &connection);
            }
            true
        });
    }

    /// The ids of all connections of a hub.
    pub(crate) fn connections(&self, hub: &str) -> Vec<Member> {
        self.read(hub, |hub| hub.connections.keys().filter_map(|id| hub.member(id)).collect())
    }

    /// What a session waits for beside its messages.
    pub(crate) fn breaks(&self) -> Breaks {
        Breaks(self.breaks.subscribe())
    }

    /// Breaks all connections, also those that are not in a hub yet or do not read.
    pub(crate) fn break_everyone(&self) {
        self.breaks.send_replace(());
        for hub in self.state().values_mut() {
            // A full queue ends with what is in it.
            hub.connections.retain(|_, connection| connection.outbox.send(Outbound::Drop));
        }
    }

    /// Takes all connections out of the hubs, which ends them, and gives all invocations up.
    pub(crate) fn close(&self) {
        self.state().clear();
        self.invocations().waiting.clear();
    }

    /// Calls a method on a client. `None` if there is no such connection.
    ///
    /// The receiver fails if the connection ends before it has answered.
    pub(crate) fn invoke(
        &self,
        hub: &str,
        connection: &str,
        frames: impl FnOnce(&str) -> Frames,
    ) -> Option<(String, oneshot::Receiver<InvocationResult>)> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut invocations = self.invocations();
            invocations.next += 1;
            let id = format!("s{}", invocations.next);
            invocations.waiting.insert((connection.to_owned(), id.clone()), sender);
            id
        };
        let outbound = Outbound::Frames(Arc::new(frames(&id)));
        if self.send(hub, Recipients::Connection(connection), &outbound).is_empty() {
            self.drop_invocation(connection, &id);
            return None;
        }
        Some((id, receiver))
    }

    pub(crate) fn complete_invocation(&self, connection: &str, id: &str, result: InvocationResult) {
        let waiting = self.invocations().waiting.remove(&(connection.to_owned(), id.to_owned()));
        if let Some(waiting) = waiting {
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(result);
        }
    }

    pub(crate) fn drop_invocation(&self, connection: &str, id: &str) {
        self.invocations().waiting.remove(&(connection.to_owned(), id.to_owned()));
    }

    fn read<T: Default>(&self, hub: &str, look: impl FnOnce(&Hub) -> T) -> T {
        self.state().get(hub).map(look).unwrap_or_default()
    }

    fn write(&self, hub: &str, change: impl FnOnce(&mut Hub) -> bool) -> bool {
        self.state().get_mut(hub).is_some_and(change)
    }

    fn state(&self) -> MutexGuard<'_, HashMap<String, Hub>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn invocations(&self) -> MutexGuard<'_, Invocations> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    fn recipients(&self, recipients: Recipients<'_>) -> Vec<String> {
        let without = |ids: Option<&BTreeSet<String>>, excluded: &[String]| {
            ids.into_iter().flatten().filter(|id| !excluded.contains(id)).cloned().collect()
        };
        match recipients {
            Recipients::All { excluded } => {
                self.connections.keys().filter(|id| !excluded.contains(id)).cloned().collect()
            }
            Recipients::Group { group, excluded } => without(self.groups.get(group), excluded),
            Recipients::User { user, excluded } => without(self.users.get(user), excluded),
            Recipients::Connection(id) => self.connections.keys().filter(|present| *present == id).cloned().collect(),
        }
    }

    fn members<'a>(&'a self, group: &str) -> impl Iterator<Item = Member> + use<'a> {
        self.groups.get(group).into_iter().flatten().filter_map(|id| self.member(id))
    }

    fn member(&self, id: &str) -> Option<Member> {
        let connection = self.connections.get(id)?;
        Some(Member { connection_id: id.to_owned(), user_id: connection.user.clone() })
    }
}

fn remove_one(sets: &mut HashMap<String, BTreeSet<String>>, name: &str, connection: &str) {
    if let Some(set) = sets.get_mut(name) {
        set.remove(connection);
        if set.is_empty() {
            sets.remove(name);
        }
    }
}

fn remove_everywhere(sets: &mut HashMap<String, BTreeSet<String>>, connection: &str) {
    sets.retain(|_, set| {
        set.remove(connection);
        !set.is_empty()
    });
}

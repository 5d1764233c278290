//! The groups that a user is in, for the connections that the user has and will have.

use std::collections::VecDeque;

/// How long a user is in a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Membership {
    /// Only the connections of now.
    Current,
    /// Until a time, in seconds since 1970-01-01T00:00:00Z.
    Until(u64),
}

/// The memberships of one user that outlast connections, the latest last. Only 100 are kept.
#[derive(Debug, Default)]
pub(super) struct UserGroups(VecDeque<(String, u64)>);

impl UserGroups {
    pub(super) fn add(&mut self, group: &str, until: u64) {
        self.remove(group);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((group.to_owned(), until));
    }

    pub(super) fn remove(&mut self, group: &str) {
        self.0.retain(|(present, _)| present != group);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn active(&self, now: u64) -> Vec<String> {
        self.0.iter().filter(|(_, until)| *until > now).map(|(group, _)| group.clone()).collect()
    }
}

/// REST API description 2024-12-01, "Add a user to the target group".
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_memberships_stay_until_their_time() {
        let mut groups = UserGroups::default();
        for number in 0..101_u64 {
            groups.add(&number.to_string(), 1000 + number);
        }
        let active = groups.active(1000);
        assert_eq!((active.len(), active.contains(&"0".to_owned())), (100, false));
        assert_eq!(groups.active(1099), ["100"]);
        groups.remove("100");
        assert!(groups.active(1099).is_empty());
    }
}

//! The events between the first load of a service's keys and a request.

use std::sync::Arc;

use mock_entra::MockEntra;
use signalr_upstream_auth::keys::{RemoteKeys, RemoteKeysBuilder};
use signalr_upstream_auth::{Policy, RejectionKind as K};

use crate::entry::Sent;

/// A service with a mock of its own.
pub struct Scenario {
    pub entra: Arc<MockEntra>,
    pub policy: Policy,
    /// What its keys differ in from those of the defaults, the cooldown of 30 seconds among them.
    pub configure: fn(RemoteKeysBuilder) -> RemoteKeysBuilder,
    pub steps: Vec<Step>,
}

/// Something that is done to a mock or to keys.
type Event = dyn Fn(&MockEntra, &RemoteKeys);

pub enum Step {
    /// Something that nobody sent.
    Happens(Box<Event>),
    /// The shortest cooldown passes.
    CoolDown,
    /// The keys are read anew, with this success.
    Refresh(bool),
    /// Requests, each after the answer to the one before, and how all of them are answered.
    InTurn(Vec<Sent>, Option<K>),
    /// Requests all at once, and how all of them are answered.
    AtOnce(Vec<Sent>, Option<K>),
    /// A request that is left waiting for a fetch.
    Left(Sent),
}

impl Scenario {
    pub fn new(entra: Arc<MockEntra>) -> Self {
        Self { policy: entra.policy(), entra, configure: |keys| keys, steps: Vec::new() }
    }

    pub fn configure(&mut self, configure: fn(RemoteKeysBuilder) -> RemoteKeysBuilder) {
        self.configure = configure;
    }

    pub fn happens(&mut self, what: impl Fn(&MockEntra, &RemoteKeys) + 'static) {
        self.steps.push(Step::Happens(Box::new(what)));
    }

    pub fn cools_down(&mut self) {
        self.steps.push(Step::CoolDown);
    }

    pub fn refresh(&mut self, is_good: bool) {
        self.steps.push(Step::Refresh(is_good));
    }

    pub fn in_turn(&mut self, sent: impl IntoIterator<Item = Sent>, kind: Option<K>) {
        self.steps.push(Step::InTurn(sent.into_iter().collect(), kind));
    }

    pub fn at_once(&mut self, sent: impl IntoIterator<Item = Sent>, kind: Option<K>) {
        self.steps.push(Step::AtOnce(sent.into_iter().collect(), kind));
    }

    pub fn left(&mut self, sent: Sent) {
        self.steps.push(Step::Left(sent));
    }

    /// Every request before the one that counts.
    pub fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.steps.iter().flat_map(|step| match step {
            Step::Happens(_) | Step::CoolDown | Step::Refresh(_) => &[],
            Step::InTurn(sent, _) | Step::AtOnce(sent, _) => &sent[..],
            Step::Left(sent) => std::slice::from_ref(sent),
        })
    }
}

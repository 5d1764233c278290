//! A case of the table, and how it runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use signalr_serverless::{Error, HubClient, NegotiateOptions, ServiceClient};

use crate::clock::TestClock;
use crate::credential::TestCredential;
use crate::harness::Harness;
use crate::service::Faulty;

/// Everything that a case can touch.
#[derive(Clone, Debug)]
pub(super) struct Bed {
    pub(super) service: Arc<dyn Faulty>,
    pub(super) credential: Arc<TestCredential>,
    pub(super) clock: Arc<TestClock>,
    pub(super) client: ServiceClient,
    pub(super) chat: HubClient,
}

/// What was done and how it ended.
#[derive(Debug, Default)]
pub(super) struct Done {
    messages: usize,
    /// Calls other than messages that failed.
    failed: usize,
    error: Option<Error>,
    /// The case has checked a bound instead.
    leaves_requests_out: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) fault: &'static str,
    pub(super) act: &'static str,
    pub(super) build: fn() -> Harness,
    pub(super) run: fn(Bed) -> BoxFuture<'static, Done>,
    pub(super) expected: Outcome,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    /// Messages that nobody got, and other calls that failed.
    pub(super) lost: usize,
    pub(super) twice: usize,
    pub(super) requests: usize,
    /// The kind of the last error.
    pub(super) error: Option<&'static str>,
}

impl Outcome {
    pub(super) fn row(&self, case: &Case) -> String {
        let Self { lost, twice, requests, error } = self;
        format!("| {} | {} | {lost} | {twice} | {requests} | {} |", case.fault, case.act, error.unwrap_or("none"))
    }
}

/// A case on a runtime of its own, in paused time.
pub(super) fn run(case: &Case) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let Harness { clock, service, credential, client, chat } = (case.build)();
        let service: Arc<dyn Faulty> = service;
        let bed = Bed { service: Arc::clone(&service), credential, clock, client, chat };
        let done = (case.run)(bed).await;
        let delivered = service.delivered();
        let mut distinct = delivered.clone();
        distinct.sort_unstable();
        distinct.dedup();
        Outcome {
            lost: done.messages - distinct.len() + done.failed,
            twice: delivered.len() - distinct.len(),
            requests: if done.leaves_requests_out { 0 } else { service.requests() },
            error: done.error.map(|error| error.kind().as_str()),
        }
    })
}

impl Bed {
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Sends one message, different from all others.
    pub(super) async fn send(&self, done: &mut Done) {
        done.messages += 1;
        if let Err(error) = self.chat.send_to_all("newMessage", &(done.messages,)).await {
            done.error = Some(error);
        }
    }

    pub(super) async fn negotiate(&self, done: &mut Done) {
        let outcome = self.chat.negotiate(NegotiateOptions::default().user_id("anna")).await;
        done.count(outcome.map(drop));
    }

    /// Negotiates once a minute.
    pub(super) async fn negotiate_for(&self, minutes: u32, done: &mut Done) {
        for _ in 0..minutes {
            self.pass(Duration::from_secs(60)).await;
            self.negotiate(done).await;
        }
    }
}

impl Done {
    /// Messages that the service has got beside those of [`Bed::send`].
    pub(super) fn messages_delivered_elsewhere(&mut self, messages: usize) {
        self.messages += messages;
    }

    pub(super) fn leave_requests_out(&mut self) {
        self.leaves_requests_out = true;
    }

    pub(super) fn count(&mut self, outcome: Result<(), Error>) {
        if let Err(error) = outcome {
            self.failed += 1;
            self.error = Some(error);
        }
    }
}

/// `case!("fault", "what is done", lost, requests, error, |bed, done| …)`.
macro_rules! case {
    ($fault:literal, $act:literal, $lost:literal, $requests:literal, $error:expr, |$bed:ident, $done:ident| $run:expr) => {
        case!(crate::harness::Harness::new, $fault, $act, $lost, $requests, $error, |$bed, $done| $run)
    };
    ($build:expr, $fault:literal, $act:literal, $lost:literal, $requests:literal, $error:expr, |$bed:ident, $done:ident| $run:expr) => {
        $crate::faults::table::Case {
            fault: $fault,
            act: $act,
            build: $build,
            run: |$bed| {
                Box::pin(async move {
                    let mut $done = $crate::faults::table::Done::default();
                    $run;
                    $done
                })
            },
            expected: $crate::faults::table::Outcome { lost: $lost, twice: 0, requests: $requests, error: $error },
        }
    };
}

pub(super) use case;

//! A case of the table, and how it runs.

use std::fmt;
use std::ops::RangeInclusive;
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
}

#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) fault: &'static str,
    pub(super) act: &'static str,
    pub(super) build: fn() -> Harness,
    pub(super) run: fn(Bed) -> BoxFuture<'static, Done>,
    pub(super) expected: Expected,
}

/// What must come of a case. No message may arrive twice, whatever the case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Expected {
    pub(super) lost: usize,
    pub(super) requests: Requests,
    pub(super) error: Option<&'static str>,
}

/// How many requests may reach the service. Where jitter decides, that is a range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Requests {
    least: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    /// Messages that nobody got, and other calls that failed.
    pub(super) lost: usize,
    pub(super) twice: usize,
    /// Those of the health checks included.
    pub(super) requests: usize,
    /// The kind of the last error.
    pub(super) error: Option<&'static str>,
}

impl Outcome {
    pub(super) fn row(&self, case: &Case) -> String {
        let Self { lost, twice, requests, error } = self;
        let bound = case.expected.requests;
        // The same figure in every run.
        let requests = if bound.contains(*requests) { bound.to_string() } else { requests.to_string() };
        format!("| {} | {} | {lost} | {twice} | {requests} | {} |", case.fault, case.act, error.unwrap_or("none"))
    }
}

impl Expected {
    pub(super) fn is_met_by(&self, outcome: &Outcome) -> bool {
        let Outcome { lost, twice, requests, error } = *outcome;
        (lost, twice, error) == (self.lost, 0, self.error) && self.requests.contains(requests)
    }
}

impl Requests {
    fn contains(self, requests: usize) -> bool {
        (self.least..=self.most).contains(&requests)
    }
}

impl From<usize> for Requests {
    fn from(requests: usize) -> Self {
        Self { least: requests, most: requests }
    }
}

impl From<RangeInclusive<usize>> for Requests {
    fn from(requests: RangeInclusive<usize>) -> Self {
        let (least, most) = requests.into_inner();
        Self { least, most }
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, most } = self;
        if least == most { write!(f, "{least}") } else { write!(f, "{least} to {most}") }
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
            requests: service.requests(),
            error: done.error.map(|error| error.kind().as_str()),
        }
    })
}

impl Bed {
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Sends one message, different from all others. Each endpoint has clients of its own, who are to get it once.
    pub(super) async fn send(&self, done: &mut Done) {
        done.messages += self.client.status().len();
        if let Err(error) = self.chat.send_to_all("newMessage", &(done.messages,)).await {
            done.error = Some(error);
        }
    }

    pub(super) async fn negotiate(&self, done: &mut Done) {
        let outcome = self.chat.negotiate(NegotiateOptions::default().user_id("anna")).await;
        done.count(outcome.map(drop));
    }

    /// Negotiates while nobody can connect to a host. A client that is sent there all the same is lost.
    pub(super) async fn negotiate_without(&self, dead: &str, done: &mut Done) {
        match self.chat.negotiate(NegotiateOptions::default().user_id("anna")).await {
            Ok(response) => done.failed += usize::from(response.url().contains(dead)),
            Err(error) => done.count(Err(error)),
        }
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

    pub(super) fn count(&mut self, outcome: Result<(), Error>) {
        if let Err(error) = outcome {
            self.failed += 1;
            self.error = Some(error);
        }
    }
}

/// `case!("fault", "what is done", lost, requests, error, |bed, done| …)`. Requests are a number, or a range.
macro_rules! case {
    ($fault:literal, $act:literal, $lost:literal, $requests:expr, $error:expr, |$bed:ident, $done:ident| $run:expr) => {
        case!(crate::harness::Harness::new, $fault, $act, $lost, $requests, $error, |$bed, $done| $run)
    };
    ($build:expr, $fault:literal, $act:literal, $lost:literal, $requests:expr, $error:expr, |$bed:ident, $done:ident| $run:expr) => {
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
            expected: $crate::faults::table::Expected {
                lost: $lost,
                requests: $crate::faults::table::Requests::from($requests),
                error: $error,
            },
        }
    };
}

pub(super) use case;

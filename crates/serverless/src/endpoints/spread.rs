//! One call at every endpoint.

use std::sync::Arc;

use futures_util::future::join_all;

use super::live::LiveEndpoint;
use crate::error::{EndpointError, Error, ErrorKind, Result};
use crate::rest::{Answer, Call};

/// What came of a call at each endpoint, in their order. Never empty.
pub(crate) struct Reports(Vec<(Arc<str>, Result<Answer>)>);

/// Makes the call at all endpoints at once.
pub(crate) async fn at_each(endpoints: &[Arc<LiveEndpoint>], call: &Call) -> Reports {
    let report = async |endpoint: &LiveEndpoint| (Arc::clone(endpoint.label()), endpoint.caller.call(call).await);
    Reports(match endpoints {
        // The usual number, without a list of futures.
        [endpoint] => vec![report(endpoint).await],
        endpoints => join_all(endpoints.iter().map(|endpoint| report(endpoint))).await,
    })
}

impl Reports {
    /// Success only where every endpoint reports one.
    pub(crate) fn all(self) -> Result<()> {
        self.settle(|_| false)
    }

    /// The same for what lives at one endpoint only: the others may say that it does not exist there.
    pub(crate) fn one(self) -> Result<()> {
        let has_success = self.0.iter().any(|(_, report)| report.is_ok());
        self.settle(|error| has_success && error.kind() == ErrorKind::NotFound && error.service_code().is_some())
    }

    /// The answer of the endpoint where it lives.
    pub(crate) fn first(mut self) -> Result<Answer> {
        match self.0.iter().position(|(_, report)| report.is_ok()) {
            Some(index) => self.0.swap_remove(index).1,
            None => Err(self.settle(|_| false).err().unwrap_or_else(nowhere)),
        }
    }

    /// Whether it exists anywhere. A no counts only where every endpoint says so.
    pub(crate) fn exists(self) -> Result<bool> {
        if self.0.iter().any(|(_, report)| matches!(report, Ok(answer) if !answer.is_absent())) {
            return Ok(true);
        }
        self.settle(|_| false).map(|()| false)
    }

    fn settle(self, is_fine: impl Fn(&Error) -> bool) -> Result<()> {
        let is_failure = |report: &Result<Answer>| report.as_ref().is_err_and(|error| !is_fine(error));
        let failures = self.0.iter().filter(|(_, report)| is_failure(report)).count();
        let total = self.0.len();
        if failures == 0 {
            return Ok(());
        }
        let mut reports = self.0.into_iter();
        if total == 1 {
            return reports.next().map_or_else(|| Err(nowhere()), |(_, report)| report.map(|_| ()));
        }
        let mut first = None;
        let endpoints: Vec<_> = reports
            .map(|(endpoint, report)| {
                let error = report.err().filter(|error| !is_fine(error));
                if first.is_none() {
                    first.clone_from(&error);
                }
                EndpointError::new(endpoint, error)
            })
            .collect();
        let names: Vec<_> =
            endpoints.iter().filter(|endpoint| endpoint.error().is_some()).map(EndpointError::endpoint).collect();
        let text = format!("the call failed at {failures} of {total} endpoints: {}", names.join(", "));
        let first = first.unwrap_or_else(nowhere);
        Err(Error::new(first.kind(), text)
            .with_retry_after(first.retry_after())
            .with_endpoints(endpoints)
            .with_error(first))
    }
}

fn nowhere() -> Error {
    Error::new(ErrorKind::Unavailable, "there is no endpoint")
}

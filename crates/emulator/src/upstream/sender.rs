//! Requests to an upstream, with their repetitions.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};

use super::outcome::Attempt;

/// Sends upstream calls.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: reqwest::Client,
    retry_delays: Vec<Duration>,
    timeout: Duration,
}

impl Sender {
    /// Trusts the operating system's authorities and these.
    pub(crate) fn new(
        authorities: Vec<reqwest::Certificate>,
        retry_delays: Vec<Duration>,
        timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_merge(authorities)
            .build()?;
        Ok(Self { client, retry_delays, timeout })
    }

    /// Sends a call, and again after a failed connection, 408 or 5xx. Returns what came last and the status of each
    /// attempt.
    pub(super) async fn send(&self, request: &Request<Bytes>) -> (Attempt, Vec<Option<u16>>) {
        let mut attempts = Vec::new();
        let sending = async {
            let mut delays = self.retry_delays.iter();
            loop {
                // One that time cuts off is an attempt, too.
                attempts.push(None);
                let received = self.attempt(request).await;
                if let (Attempt::Answer { status, .. }, Some(last)) = (&received, attempts.last_mut()) {
                    *last = Some(status.as_u16());
                }
                match delays.next() {
                    Some(delay) if is_worth_repeating(&received) => tokio::time::sleep(*delay).await,
                    _ => return received,
                }
            }
        };
        let received = tokio::time::timeout(self.timeout, sending).await.unwrap_or(Attempt::Nothing);
        (received, attempts)
    }

    async fn attempt(&self, request: &Request<Bytes>) -> Attempt {
        let Ok(request) = reqwest::Request::try_from(request.clone()) else { return Attempt::Nothing };
        let Ok(mut answer) = self.client.execute(request).await else { return Attempt::Nothing };
        let status = answer.status();
        let mut body = BytesMut::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Attempt::Answer { status, body: body.freeze() },
                Err(_) => return Attempt::Nothing,
            }
            if body.len() > LONGEST_ANSWER {
                return Attempt::TooLong;
            }
        }
    }
}

fn is_worth_repeating(received: &Attempt) -> bool {
    match received {
        Attempt::Answer { status, .. } => *status == StatusCode::REQUEST_TIMEOUT || status.is_server_error(),
        Attempt::TooLong => false,
        Attempt::Nothing => true,
    }
}

const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

//! A credential that does what a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{RawResponse, StatusCode};
use azure_core::time::OffsetDateTime;

use crate::clock::TestClock;

/// What the credential does when it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    /// A new token that is valid for so long.
    Fresh(Duration),
    /// The token that it gave last, as a credential with a cache does.
    Same,
    /// A token that ended a second ago.
    Expired,
    /// The identity endpoint does not answer now.
    Down,
    /// The identity endpoint answers 429 with a `Retry-After` of so many seconds.
    Busy(u64),
    /// The identity endpoint never answers.
    Hangs,
    /// The identity does not exist.
    NotSetUp,
    /// It panics.
    Panics,
}

#[derive(Debug)]
pub(crate) struct TestCredential {
    clock: Arc<TestClock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    script: VecDeque<Token>,
    otherwise: Token,
    asked: usize,
    issued: usize,
    last: Option<AccessToken>,
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

impl TestCredential {
    pub(crate) fn new(clock: Arc<TestClock>) -> Self {
        let otherwise = Token::Fresh(HOUR);
        let state = State { script: VecDeque::new(), otherwise, asked: 0, issued: 0, last: None };
        Self { clock, state: Mutex::new(state) }
    }

    /// What happens next, once each.
    pub(crate) fn next(&self, tokens: impl IntoIterator<Item = Token>) {
        self.state.lock().unwrap().script.extend(tokens);
    }

    /// What happens from then on.
    pub(crate) fn then(&self, token: Token) {
        self.state.lock().unwrap().otherwise = token;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

/// What a token of this number reads.
pub(crate) fn token_text(number: usize) -> String {
    format!("entra-token-{number}")
}

#[async_trait::async_trait]
impl TokenCredential for TestCredential {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://signalr.azure.com/.default"]);
        let token = {
            let mut state = self.state.lock().unwrap();
            state.asked += 1;
            state.script.pop_front().unwrap_or_else(|| state.otherwise.clone())
        };
        let expires = |seconds: i64| OffsetDateTime::from_unix_timestamp(self.clock.seconds() + seconds).unwrap();
        match token {
            Token::Fresh(lifetime) => {
                let mut state = self.state.lock().unwrap();
                state.issued += 1;
                let seconds = i64::try_from(lifetime.as_secs()).unwrap();
                let token = AccessToken::new(token_text(state.issued), expires(seconds));
                state.last = Some(token.clone());
                Ok(token)
            }
            Token::Same => Ok(self.state.lock().unwrap().last.clone().unwrap()),
            Token::Expired => Ok(AccessToken::new("entra-token-0", expires(-1))),
            Token::Down => Err(azure_core::Error::with_message(ErrorKind::Io, "identity endpoint: connection reset")),
            Token::Busy(seconds) => {
                let mut headers = Headers::new();
                headers.insert("retry-after", seconds.to_string());
                let answer = RawResponse::from_bytes(StatusCode::TooManyRequests, headers, "");
                let (status, raw_response) = (answer.status(), Some(Box::new(answer)));
                let kind = ErrorKind::HttpResponse { status, error_code: None, raw_response };
                Err(azure_core::Error::with_message(kind, "identity endpoint: too many requests"))
            }
            Token::Hangs => std::future::pending().await,
            Token::NotSetUp => {
                Err(azure_core::Error::with_message(ErrorKind::Credential, "no managed identity is assigned"))
            }
            Token::Panics => panic!("while it held entra-token-0"),
        }
    }
}

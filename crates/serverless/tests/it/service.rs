//! A service in the same process, behind the seam of `azure_core`'s HTTP client: it checks tokens, mints keys, takes
//! messages, and has every fault that a test asks for. It shares no code with the library.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, HttpClient, Method, Request};
use bytes::Bytes;
use futures_util::stream;

/// What a fault concerns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum On {
    Key,
    Health,
    /// Everything else.
    Data,
}

/// What the service does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    Normal,
    /// An answer that is not carried out.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The same, after it was carried out.
    Delivers(u16),
    /// No connection.
    NoConnection,
    /// The connection breaks before the request has arrived, which the client cannot know.
    BreaksBefore,
    /// It breaks after the request was carried out.
    BreaksAfter,
    /// It breaks within the answer's body, after the request was carried out.
    BreaksWithin,
    /// The answer comes after so long.
    Slow(Duration),
    Hangs,
    /// A success whose body has no end.
    Endless,
}

impl Reaction {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    pub(crate) fn retry_after(status: u16, seconds: u64) -> Self {
        Self::Answer(status, vec![("retry-after", seconds.to_string())], String::new())
    }

    pub(crate) fn code(status: u16, code: &str) -> Self {
        Self::Answer(status, vec![("x-ms-error-code", code.to_owned())], String::new())
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self::Answer(status, Vec::new(), text.to_owned())
    }
}

/// A request that arrived, or would have.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) url: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) on: On,
}

#[derive(Debug, Default)]
pub(crate) struct TestService {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    scripts: Vec<(On, VecDeque<Reaction>)>,
    otherwise: Vec<(On, Reaction)>,
    seen: Vec<Seen>,
    delivered: Vec<String>,
    keys: usize,
    rejected: Vec<String>,
    /// Hosts that nobody can connect to.
    dead: Vec<String>,
}

/// What a fault table needs of a service, so that it runs against any that can be told to fail.
pub(crate) trait Faulty: std::fmt::Debug + Send + Sync {
    /// What happens next, once each.
    fn next(&self, on: On, reactions: Vec<Reaction>);
    /// What happens from then on.
    fn then(&self, on: On, reaction: Reaction);
    /// Rejects this Entra token with 401 from now on.
    fn reject(&self, token: String);
    /// No connection to this host from now on, whatever for.
    fn kill(&self, host: &str);
    /// Takes that back.
    fn revive(&self, host: &str);
    /// How many requests have reached the service, those of the health checks included.
    fn requests(&self) -> usize;
    /// Host and body of each message that clients have got.
    fn delivered(&self) -> Vec<String>;
}

impl Faulty for TestService {
    fn next(&self, on: On, reactions: Vec<Reaction>) {
        Self::next(self, on, reactions);
    }

    fn then(&self, on: On, reaction: Reaction) {
        Self::then(self, on, reaction);
    }

    fn reject(&self, token: String) {
        Self::reject(self, token);
    }

    fn kill(&self, host: &str) {
        self.state.lock().unwrap().dead.push(host.to_owned());
    }

    fn revive(&self, host: &str) {
        self.state.lock().unwrap().dead.retain(|dead| dead != host);
    }

    fn requests(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }

    fn delivered(&self) -> Vec<String> {
        self.state.lock().unwrap().delivered.clone()
    }
}

/// The text of the key of this number.
pub(crate) fn key_text(number: usize) -> String {
    format!("temporary-key-{number}-of-the-service")
}

impl TestService {
    /// What happens next, once each.
    pub(crate) fn next(&self, on: On, reactions: impl IntoIterator<Item = Reaction>) {
        let mut state = self.state.lock().unwrap();
        match state.scripts.iter_mut().find(|(known, _)| *known == on) {
            Some((_, script)) => script.extend(reactions),
            None => state.scripts.push((on, reactions.into_iter().collect())),
        }
    }

    /// What happens from then on.
    pub(crate) fn then(&self, on: On, reaction: Reaction) {
        let mut state = self.state.lock().unwrap();
        state.otherwise.retain(|(known, _)| *known != on);
        state.otherwise.push((on, reaction));
    }

    /// Rejects this Entra token with 401 from now on.
    pub(crate) fn reject(&self, token: String) {
        self.state.lock().unwrap().rejected.push(token);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn requests(&self, on: On) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|seen| seen.on == on).count()
    }

    pub(crate) fn keys(&self) -> usize {
        self.state.lock().unwrap().keys
    }

    fn reaction(&self, on: On, host: &str) -> Reaction {
        let mut state = self.state.lock().unwrap();
        if state.dead.iter().any(|dead| dead == host) {
            return Reaction::NoConnection;
        }
        let next = state.scripts.iter_mut().find(|(known, _)| *known == on).and_then(|(_, script)| script.pop_front());
        let otherwise = || state.otherwise.iter().find(|(known, _)| *known == on).map(|(_, reaction)| reaction.clone());
        next.or_else(otherwise).unwrap_or(Reaction::Normal)
    }

    /// Does what the request asks for.
    fn carry_out(&self, seen: &Seen) -> AsyncRawResponse {
        let mut state = self.state.lock().unwrap();
        let path = seen.url.split('?').next().unwrap();
        if seen.on == On::Health {
            assert_eq!(seen.authorization, None, "the health endpoint needs no token");
            return answer(200, &[], String::new());
        }
        let token = seen.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer "));
        if token.is_none_or(|token| token.is_empty() || state.rejected.iter().any(|rejected| rejected == token)) {
            return answer(401, &[], String::new());
        }
        if seen.on == On::Key {
            state.keys += 1;
            let number = state.keys;
            let body = format!(r#"{{"AccessKey":"{}","KeyId":"kid-{number}"}}"#, key_text(number));
            return answer(200, &[], body);
        }
        let text = format!("{} {}", seen.host, String::from_utf8_lossy(&seen.body));
        match (seen.method, path.rsplit('/').next().unwrap()) {
            (Method::Post, ":send") => {
                state.delivered.push(text);
                answer(202, &[], String::new())
            }
            (Method::Post, ":invoke") => {
                state.delivered.push(text);
                answer(200, &[], String::from(r#"{"result":{"sum":3},"protocol":"json"}"#))
            }
            (Method::Post, ":generateToken") => answer(200, &[], String::from(r#"{"token":"minted-by-the-service"}"#)),
            (Method::Post, ":closeConnections") => answer(204, &[], String::new()),
            (Method::Get, "connections") => {
                answer(200, &[], String::from(r#"{"value":[{"connectionId":"c1","userId":"anna"}]}"#))
            }
            _ => answer(200, &[], String::new()),
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: String) -> AsyncRawResponse {
    let mut map = Headers::new();
    for (name, value) in headers {
        map.insert(*name, value.clone());
    }
    AsyncRawResponse::from_bytes(status.into(), map, Bytes::from(body))
}

fn broken(kind: ErrorKind) -> azure_core::Error {
    azure_core::Error::with_message(kind, "as the test wants it")
}

#[async_trait::async_trait]
impl HttpClient for TestService {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let header = |name: &'static str| request.headers().get_optional_string(&HeaderName::from_static(name));
        let host = request.url().host_str().unwrap();
        let on = match request.url().path() {
            path if path.ends_with("/api/v1/auth/accessKey") => On::Key,
            path if path.ends_with("/api/health") => On::Health,
            _ => On::Data,
        };
        let seen = Seen {
            method: request.method(),
            host: host.to_owned(),
            url: request.url().to_string(),
            authorization: header("authorization"),
            content_type: header("content-type"),
            body: Bytes::from(request.body()),
            on,
        };
        let reaction = self.reaction(on, host);
        if !matches!(reaction, Reaction::NoConnection) {
            self.state.lock().unwrap().seen.push(seen.clone());
        }
        match reaction {
            Reaction::Normal => Ok(self.carry_out(&seen)),
            Reaction::Answer(status, headers, body) => Ok(answer(status, &headers, body)),
            Reaction::Delivers(status) => {
                self.carry_out(&seen);
                Ok(answer(status, &[], String::new()))
            }
            Reaction::NoConnection => Err(broken(ErrorKind::Connection)),
            Reaction::BreaksBefore => Err(broken(ErrorKind::Io)),
            Reaction::BreaksAfter => {
                self.carry_out(&seen);
                Err(broken(ErrorKind::Io))
            }
            Reaction::BreaksWithin => {
                self.carry_out(&seen);
                let body = stream::iter([Ok(Bytes::from_static(b"{")), Err(broken(ErrorKind::Io))]);
                Ok(AsyncRawResponse::new(200_u16.into(), Headers::new(), Box::pin(body)))
            }
            Reaction::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(self.carry_out(&seen))
            }
            Reaction::Hangs => std::future::pending().await,
            Reaction::Endless => {
                self.carry_out(&seen);
                let body = stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 4096])));
                Ok(AsyncRawResponse::new(200_u16.into(), Headers::new(), Box::pin(body)))
            }
        }
    }
}

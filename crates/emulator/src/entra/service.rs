//! The endpoints of Entra as a handler of requests.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::directory::Entra;
use super::documents::document;
use crate::events::{EmulatorEvent, Events};
use crate::faults::{Faults, exchange};
use crate::log::{LoggedRequest, RequestLog, redact};
use crate::net::{ConnectionControl, Handler, Reaction, Tasks};
use crate::operation::Operation;
use crate::web::{Answer, PathRules, Query, Segments, empty};

/// Answers at the authority's port and at the identity endpoints' port.
pub(crate) struct EntraService {
    pub(crate) entra: Arc<Entra>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) events: Arc<Events>,
    /// The connections to the mock.
    pub(crate) documents: Tasks,
}

/// In the extensions of an answer that a fault of the mock has swallowed.
#[derive(Clone, Copy)]
struct Swallowed;

impl Handler for EntraService {
    async fn handle(self: Arc<Self>, request: Request<Incoming>, connection: ConnectionControl) -> Reaction {
        let uri = request.uri().clone();
        let method = request.method().clone();
        let rules = PathRules { fold_dot_segments: true, decode_slash: true };
        let segments = Segments::read(uri.path(), rules);
        let operation = operation(&method, &segments.as_ref().map(Segments::as_strs).unwrap_or_default());
        let this = Arc::clone(&self);
        let process = {
            let uri = uri.clone();
            move |parts: Parts, body: Bytes| async move {
                let path = segments.as_ref().map(Segments::as_strs).unwrap_or_default();
                let query = Query::read(uri.query().unwrap_or_default());
                this.process(operation, &path, &query, &parts, &body).await
            }
        };
        let fault = self.faults.take(operation);
        let mut exchange = exchange(fault, connection.clone(), request, LARGEST_BODY, process).await;
        if matches!(&exchange.reaction, Reaction::Answer(answer) if answer.extensions().get::<Swallowed>().is_some()) {
            connection.reset_at_end();
            exchange.reaction = Reaction::Close;
        }
        let status = exchange.status();
        let entry = LoggedRequest {
            time: self.entra.clock().unix_seconds(),
            operation,
            method,
            target: redact(&uri.to_string()),
            hub: None,
            caller: None,
            content_type: None,
            // Bodies carry secrets and assertions.
            body: Bytes::new(),
            processed: exchange.note.as_ref().is_some_and(Option::is_none),
            status,
            error_code: None,
            rejection: exchange.note.flatten(),
            reached: 0,
            delivered_to: Vec::new().into(),
        };
        self.events.publish(EmulatorEvent::request(&entry));
        self.log.add(entry);
        exchange.reaction
    }

    fn resets_connections(&self) -> bool {
        false
    }

    async fn end(&self) {
        self.documents.end().await;
    }
}

impl EntraService {
    async fn process(
        &self,
        operation: Operation,
        path: &[&str],
        query: &Query,
        parts: &Parts,
        body: &[u8],
    ) -> (Answer, Option<String>) {
        match operation {
            Operation::Token => {
                let form = Query::read(&String::from_utf8_lossy(body));
                self.entra.token(path.first().copied().unwrap_or_default(), &form)
            }
            Operation::IdentityEndpoint => self.entra.app_service(&parts.headers, query),
            Operation::Imds => self.entra.imds(&parts.headers, query),
            // The content of documents names the mock's own address.
            _ => match document(self.entra.mock(), &self.documents, parts).await {
                Ok(answer) => (answer, None),
                Err(_) => {
                    let mut answer = empty(StatusCode::INTERNAL_SERVER_ERROR);
                    answer.extensions_mut().insert(Swallowed);
                    (answer, Some("a fault of the mock ended the connection".to_owned()))
                }
            },
        }
    }
}

fn operation(method: &Method, path: &[&str]) -> Operation {
    match (method, path) {
        (&Method::POST, [_, "oauth2", "v2.0", "token"]) => Operation::Token,
        (&Method::GET, ["msi", "token"]) => Operation::IdentityEndpoint,
        (&Method::GET, ["metadata", "identity", "oauth2", "token"]) => Operation::Imds,
        _ => Operation::Unknown,
    }
}

const LARGEST_BODY: usize = 64 * 1024;

//! The endpoints of Entra as a handler of requests.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::directory::Entra;
use crate::events::{EmulatorEvent, Events};
use crate::faults::{Faults, exchange};
use crate::log::{LoggedRequest, RequestLog, redact};
use crate::mock::TokenVersion;
use crate::net::{ConnectionControl, Handler, Reaction};
use crate::operation::Operation;
use crate::web::{Answer, PathRules, Query, Segments, empty, full};

/// Answers at the authority's port and at the identity endpoints' port.
pub(crate) struct EntraService {
    pub(crate) entra: Arc<Entra>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) events: Arc<Events>,
}

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
                this.process(operation, &path, &query, &parts, &body)
            }
        };
        let fault = self.faults.take(operation);
        let exchange = exchange(fault, connection, request, LARGEST_BODY, process).await;
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
}

impl EntraService {
    fn process(
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
            _ => (self.document(&parts.method, path), None),
        }
    }

    /// The documents that clients of the authority's address may ask for. Their content names the mock's own address.
    fn document(&self, method: &Method, path: &[&str]) -> Answer {
        let mock = self.entra.mock();
        let known = |tenant: &str| tenant.parse() == Ok(mock.tenant());
        let text = match path {
            [tenant, "v2.0", ".well-known", "openid-configuration"] if known(tenant) => {
                mock.discovery_document(TokenVersion::V2)
            }
            [tenant, ".well-known", "openid-configuration"] if known(tenant) => {
                mock.discovery_document(TokenVersion::V1)
            }
            [tenant, "discovery", "v2.0", "keys"] if known(tenant) => mock.key_document(TokenVersion::V2),
            [tenant, "discovery", "keys"] if known(tenant) => mock.key_document(TokenVersion::V1),
            _ => return empty(StatusCode::NOT_FOUND),
        };
        if method == Method::GET {
            full(StatusCode::OK, "application/json; charset=utf-8", text)
        } else {
            empty(StatusCode::METHOD_NOT_ALLOWED)
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

//! The service's ports: which request goes to which room, and what the log says of it.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use hyper::body::Incoming;

use crate::client::{ClientNote, ClientRoom, ClientTarget};
use crate::data_plane::{DataPlane, Note, Route};
use crate::events::{EmulatorEvent, Events};
use crate::faults::{Faults, exchange};
use crate::log::{LoggedRequest, RequestLog, redact};
use crate::net::{ConnectionControl, Handler, Reaction};
use crate::operation::Operation;
use crate::web::{Answer, PathRules, Segments, empty};

/// Answers at one port of the service.
pub(crate) struct Service {
    pub(crate) data_plane: Arc<DataPlane>,
    pub(crate) clients: Arc<ClientRoom>,
    pub(crate) events: Arc<Events>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) log: Arc<RequestLog>,
    /// Whether this port serves the REST API.
    pub(crate) serves_data_plane: bool,
}

/// What a path leads to.
enum Target {
    DataPlane(Route),
    Client(ClientTarget),
    Unknown,
}

impl Target {
    fn operation(&self) -> Operation {
        match self {
            Self::DataPlane(route) => route.operation,
            Self::Client(target) => target.operation(),
            Self::Unknown => Operation::Unknown,
        }
    }
}

impl Handler for Service {
    async fn handle(self: Arc<Self>, request: Request<Incoming>, connection: ConnectionControl) -> Reaction {
        let target = self.target(&request);
        let operation = target.operation();
        let method = request.method().clone();
        let raw_target = redact(&request.uri().to_string());
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());

        let this = Arc::clone(&self);
        let process = move |parts: Parts, body: Bytes| async move { this.process(&target, parts, body).await };
        let exchange = exchange(self.faults.take(operation), connection, request, LARGEST_BODY, process).await;

        let status = exchange.status();
        let mut note = exchange.note.unwrap_or_default();
        if exchange.too_long {
            note.rejection = Some("the body is longer than 1 MB".to_owned());
        }
        let entry = LoggedRequest {
            time: self.data_plane.clock.unix_seconds(),
            operation,
            method,
            target: raw_target,
            hub: note.hub,
            caller: note.caller,
            content_type,
            body: exchange.body,
            processed: note.processed,
            status,
            error_code: note.error_code,
            rejection: note.rejection,
            reached: note.delivered_to.len(),
            delivered_to: note.delivered_to.into(),
        };
        self.events.publish(EmulatorEvent::request(&entry));
        self.log.add(entry);
        exchange.reaction
    }

    fn resets_connections(&self) -> bool {
        self.faults.resets_connections()
    }
}

impl Service {
    fn target<B>(&self, request: &Request<B>) -> Target {
        let assumptions = &self.data_plane.assumptions;
        let rules =
            PathRules { fold_dot_segments: assumptions.fold_dot_segments, decode_slash: assumptions.decode_slash };
        let Some(segments) = Segments::read(request.uri().path(), rules) else { return Target::Unknown };
        if let Some(target) = ClientTarget::read(request.method(), &segments.as_strs()) {
            return Target::Client(target);
        }
        let route = Route::read(request.method(), &segments.as_strs()).filter(|_| self.serves_data_plane);
        route.map_or(Target::Unknown, Target::DataPlane)
    }

    async fn process(&self, target: &Target, mut parts: Parts, body: Bytes) -> (Answer, Note) {
        match target {
            Target::DataPlane(route) => self.data_plane.answer(route, &parts, body).await,
            Target::Client(target) => {
                let (answer, ClientNote { hub, rejection }) = self.clients.answer(*target, &mut parts);
                let processed = rejection.is_none();
                (answer, Note { hub, rejection, processed, ..Note::default() })
            }
            Target::Unknown => {
                let rejection = Some("no operation has this method and path".to_owned());
                (empty(http::StatusCode::NOT_FOUND), Note { rejection, ..Note::default() })
            }
        }
    }
}

/// "1 MB" in Microsoft's page on the REST API.
const LARGEST_BODY: usize = 1024 * 1024;

//! The `X-ASRS-*` headers of one call as a value: hub, event, connection and user.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use crate::upstream::call::client_query::ClientQuery;
use crate::upstream::call::headers;
use crate::upstream::call::signature::Signatures;
use crate::upstream::call::user_claims::UserClaims;
use crate::upstream::error::{Error, ErrorKind};

/// The `X-ASRS-*` headers of a call: hub, event, connection and user. Cheap to clone.
///
/// # Which values to trust
///
/// Until the token of the request is verified, all of these values are untrusted: anybody can write the headers.
/// Afterwards the *service* vouches for them, but it only passes some of them on from the *client*:
///
/// | Value | Who chose it |
/// |---|---|
/// | [`connection_id`](Self::connection_id) | the service; the client knows it |
/// | [`hub`](Self::hub) | the service, from the client's token |
/// | [`event`](Self::event): connected or disconnected | the service |
/// | [`event`](Self::event): the name of a message | **the client** |
/// | [`user_id`](Self::user_id), [`user_claims`](Self::user_claims) | whoever minted the client's token: your `negotiate` endpoint. Read the warning at [`UserClaims`] |
/// | [`client_query`](Self::client_query) | **the client** |
/// | [`signatures`](Self::signatures) | the service; whoever sees one can replay it |
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use signalr_upstream_auth::upstream::{Context, Event};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-asrs-connection-id", HeaderValue::from_static("Xk2"));
/// headers.insert("x-asrs-hub", HeaderValue::from_static("chat"));
/// headers.insert("x-asrs-category", HeaderValue::from_static("messages"));
/// headers.insert("x-asrs-event", HeaderValue::from_static("SendToAll"));
/// headers.insert("x-asrs-user-id", HeaderValue::from_static("alice"));
///
/// let context = Context::from_headers(&headers)?;
/// assert_eq!(context.hub(), "chat");
/// assert_eq!(context.event(), &Event::Message("SendToAll".into()));
/// assert_eq!(context.user_id(), Some("alice"));
///
/// headers.remove("x-asrs-hub");
/// let error = Context::from_headers(&headers).unwrap_err();
/// assert_eq!(error.header().unwrap(), "x-asrs-hub");
/// assert_eq!(error.status(), 400);
/// # Ok::<(), signalr_upstream_auth::upstream::Error>(())
/// ```
#[derive(Clone)]
pub struct Context {
    inner: Arc<ContextFields>,
}

struct ContextFields {
    connection_id: String,
    hub: String,
    event: Event,
    user_id: Option<String>,
    user_claims: UserClaims,
    client_query: ClientQuery,
    signatures: Signatures,
}

impl Context {
    /// Parses the headers. Values are UTF-8.
    ///
    /// # Errors
    ///
    /// Each error names its header:
    /// [`MissingHeader`](ErrorKind::MissingHeader) if the connection id, hub, category or event is missing;
    /// [`InvalidHeader`](ErrorKind::InvalidHeader) if one of these is empty, or any of the headers is not UTF-8;
    /// [`RepeatedHeader`](ErrorKind::RepeatedHeader) if a header other than the claims and the signature has several
    /// lines; [`UnknownEvent`](ErrorKind::UnknownEvent) if the category is unknown, or the event is unknown in the
    /// category `connections`.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let inner = ContextFields {
            connection_id: headers::required(headers, &headers::CONNECTION_ID)?.to_owned(),
            hub: headers::required(headers, &headers::HUB)?.to_owned(),
            event: Event::from_headers(headers)?,
            user_id: headers::optional(headers, &headers::USER_ID)?.filter(|id| !id.is_empty()).map(str::to_owned),
            user_claims: UserClaims::from_headers(headers)?,
            client_query: ClientQuery::from_headers(headers)?,
            signatures: Signatures::from_headers(headers)?,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The connection id, as the service's REST API accepts it.
    #[must_use]
    pub fn connection_id(&self) -> &str {
        &self.inner.connection_id
    }

    /// The name of the hub, as sent: SDKs write it in lower case.
    #[must_use]
    pub fn hub(&self) -> &str {
        &self.inner.hub
    }

    /// The event that caused the call.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.inner.event
    }

    /// The user behind the connection. `None` for an anonymous one: the header is missing or empty.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.inner.user_id.as_deref()
    }

    /// The claims of the user, in order and with repetitions.
    #[must_use]
    pub fn user_claims(&self) -> &UserClaims {
        &self.inner.user_claims
    }

    /// The query string with which the client connected.
    #[must_use]
    pub fn client_query(&self) -> &ClientQuery {
        &self.inner.client_query
    }

    /// The signatures of the connection id, for [`SignatureCheck::matches`](crate::upstream::SignatureCheck::matches).
    #[must_use]
    pub fn signatures(&self) -> &Signatures {
        &self.inner.signatures
    }
}

/// Hides the values of claims, of the client's query and of signatures.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ContextFields { connection_id, hub, event, user_id, user_claims, client_query, signatures } = &*self.inner;
        f.debug_struct("Context")
            .field("connection_id", connection_id)
            .field("hub", hub)
            .field("event", event)
            .field("user_id", user_id)
            .field("user_claims", user_claims)
            .field("client_query", client_query)
            .field("signatures", signatures)
            .finish()
    }
}

/// The event that caused a call: category and event in one value.
///
/// The service raises no event before a connection exists, so an upstream cannot reject one. Reject clients in your
/// `negotiate` endpoint.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The client has finished the handshake (category `connections`).
    Connected,
    /// The connection is closed (category `connections`). The event may come late, or not at all after a crash.
    Disconnected,
    /// The client called the method of this name (category `messages`). The client chooses the name.
    Message(String),
}

impl Event {
    /// Matches category and event without regard to ASCII case, as Microsoft's Azure Functions trigger does.
    fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let category = headers::required(headers, &headers::CATEGORY)?;
        let name = headers::required(headers, &headers::EVENT)?;
        if category.eq_ignore_ascii_case(MESSAGES) {
            Ok(Self::Message(name.to_owned()))
        } else if !category.eq_ignore_ascii_case(CONNECTIONS) {
            Err(Error::of_header(ErrorKind::UnknownEvent, &headers::CATEGORY))
        } else if name.eq_ignore_ascii_case(CONNECTED) {
            Ok(Self::Connected)
        } else if name.eq_ignore_ascii_case(DISCONNECTED) {
            Ok(Self::Disconnected)
        } else {
            Err(Error::of_header(ErrorKind::UnknownEvent, &headers::EVENT))
        }
    }

    /// The category, as in `{category}` of the upstream's URL template: `connections` or `messages`.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Connected | Self::Disconnected => CONNECTIONS,
            Self::Message(_) => MESSAGES,
        }
    }

    /// The name, as in `{event}` of the upstream's URL template: `connected`, `disconnected` or the name of the
    /// method.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Connected => CONNECTED,
            Self::Disconnected => DISCONNECTED,
            Self::Message(target) => target,
        }
    }
}

const CONNECTIONS: &str = "connections";
const MESSAGES: &str = "messages";
const CONNECTED: &str = "connected";
const DISCONNECTED: &str = "disconnected";

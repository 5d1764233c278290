//! The operations of one hub.

mod close;
mod existence;
mod groups;
mod pager;
mod send;

use std::fmt;
use std::sync::Arc;

use azure_core::http::Method;

pub use close::{CloseConnection, CloseConnections};
pub use groups::AddUserToGroup;
pub use pager::{GroupConnection, GroupConnections};
pub use send::SendRequest;

use crate::client_token::NegotiateOptions;
use crate::endpoints::{Destination, Reports, at_each};
use crate::error::{Error, Result};
use crate::instruments;
use crate::negotiate::{NegotiateResponse, Places, negotiate};
use crate::operation::Operation;
use crate::options::ClientTokens;
use crate::rest::{Call, Segment, hub_call};
use crate::shared::Shared;

/// One hub of the service. Cloning is cheap.
///
/// Each operation names its method and its path below `/api/hubs/{hub}/`, where `{hub}` is the hub's name. To each path
/// `?api-version=2024-12-01` is added.
///
/// Ids of users, groups and connections may hold any character. Empty ones, `.` and `..` are
/// [`ErrorKind::InvalidId`](crate::ErrorKind::InvalidId); nothing is sent then. With several endpoints each call goes to
/// all of them, and the error names those that failed.
///
/// A call takes at most 30 s and four tries. A message is sent again only when the service cannot have taken it: after a
/// connection that did not come about, 429, 502 and 503. Everything else is repeated also after 408, 500, 504 and a
/// broken connection, since a second time changes nothing.
///
/// The errors of a call are [`RoleMissing`](crate::ErrorKind::RoleMissing),
/// [`Unauthorized`](crate::ErrorKind::Unauthorized), [`NotFound`](crate::ErrorKind::NotFound),
/// [`BodyTooLarge`](crate::ErrorKind::BodyTooLarge), [`Throttled`](crate::ErrorKind::Throttled),
/// [`Unavailable`](crate::ErrorKind::Unavailable), [`Credential`](crate::ErrorKind::Credential),
/// [`Rejected`](crate::ErrorKind::Rejected) and [`InvalidAnswer`](crate::ErrorKind::InvalidAnswer).
///
/// ```
/// use signalr_serverless::{ErrorKind, HubClient};
///
/// /// Tells a group of a new price; the connection that changed it knows already.
/// async fn announce(shop: &HubClient, price: u32, changed_by: &str) -> signalr_serverless::Result<()> {
///     shop.add_user_to_group("anna", "buyers").await?;
///     let sent = shop.send_to_group("buyers", "priceChanged", &(price,)).excluded([changed_by]).await;
///     if let Err(error) = &sent
///         && matches!(error.kind(), ErrorKind::RoleMissing { .. })
///     {
///         eprintln!("no try will help: {error}");
///     }
///     sent
/// }
/// ```
#[derive(Clone)]
pub struct HubClient {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
}

/// What stays the same for all calls of a hub.
#[derive(Debug)]
struct Hub {
    /// Checked and in lower case.
    name: String,
    /// One for each endpoint, in their order.
    destinations: Vec<Destination>,
}

impl HubClient {
    /// `name` is checked and in lower case.
    pub(crate) fn new(shared: Arc<Shared>, name: String) -> Self {
        let destinations = shared.endpoints.iter().map(|endpoint| endpoint.destination(&name)).collect();
        Self { shared, hub: Arc::new(Hub { name, destinations }) }
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.hub.name
    }

    /// What a client's `negotiate` is answered.
    ///
    /// Role: *SignalR App Server* with [`ClientTokens::TemporaryKey`], *SignalR REST API Owner* with
    /// [`ClientTokens::Service`]. Source:
    /// [Client negotiation](https://learn.microsoft.com/azure/azure-signalr/signalr-concept-client-negotiation).
    ///
    /// With a temporary key at hand this makes no call. The first negotiation waits for the key, at most 5 s for all
    /// endpoints together, and 1,024 may wait at once.
    ///
    /// # Errors
    ///
    /// [`RoleMissing`](crate::ErrorKind::RoleMissing) if the service answered 403 to the call for the key or the token;
    /// [`KeyUnavailable`](crate::ErrorKind::KeyUnavailable) if there is no key for any other reason;
    /// [`TokenTooLong`](crate::ErrorKind::TokenTooLong) beyond 4,096 characters;
    /// [`InvalidId`](crate::ErrorKind::InvalidId) for a user that could not be addressed;
    /// [`InvalidOptions`](crate::ErrorKind::InvalidOptions), also for claims with [`ClientTokens::Service`]; and with
    /// that choice, the errors of a call.
    pub async fn negotiate(&self, options: NegotiateOptions) -> Result<NegotiateResponse> {
        self.shared.health_check.keep_running();
        let result = self.negotiated(&options).await;
        instruments::negotiated(result.as_ref().err().map(Error::kind));
        result
    }

    async fn negotiated(&self, options: &NegotiateOptions) -> Result<NegotiateResponse> {
        if self.shared.client_tokens == ClientTokens::Service {
            // Before an endpoint is chosen: the options are wrong at each.
            options.check_for_service()?;
        }
        let Hub { name, destinations } = &*self.hub;
        let places = Places { hub: name, endpoints: &self.shared.endpoints, destinations };
        negotiate(places, self.shared.router.as_deref(), options).await
    }

    fn call(&self, operation: Operation, method: Method, segments: &[Segment<'_>]) -> Call {
        hub_call(operation, method, self.name(), segments)
    }

    async fn at_each(&self, call: &Call) -> Reports {
        self.shared.health_check.keep_running();
        at_each(&self.shared.endpoints, call).await
    }
}

impl fmt::Debug for HubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClient").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Whether what a call names lives at one endpoint only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lives {
    Anywhere,
    AtOne,
}

/// A call that has all its parts, or the fault of one of them.
#[derive(Debug)]
struct Prepared {
    hub: HubClient,
    call: Result<Call>,
    lives: Lives,
}

impl Prepared {
    /// Changes the call if it has no fault yet.
    fn change(mut self, change: impl FnOnce(&mut Call) -> Result<()>) -> Self {
        self.call = self.call.and_then(|mut call| change(&mut call).map(|()| call));
        self
    }

    fn exclude(self, connections: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.change(|call| {
            for connection in connections {
                let connection = connection.as_ref();
                crate::ids::check("excluded connection id", connection)?;
                call.query("excluded", connection);
            }
            Ok(())
        })
    }

    async fn run(self) -> Result<()> {
        let reports = self.hub.at_each(&self.call?).await;
        match self.lives {
            Lives::Anywhere => reports.all(),
            Lives::AtOne => reports.one(),
        }
    }
}

//! What an app says of a client that it hands over to the service.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::ids;

/// What `negotiate` puts into a client token.
///
/// `Debug` shows neither the user nor the values of claims.
///
/// ```
/// use std::time::Duration;
///
/// use signalr_serverless::NegotiateOptions;
///
/// let options = NegotiateOptions::default()
///     .user_id("anna")
///     .claim("plan", "gold")
///     .lifetime(Duration::from_secs(600))
///     .close_on_authentication_expiry(true);
/// assert!(!format!("{options:?}").contains("anna"));
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct NegotiateOptions {
    user_id: Option<String>,
    /// In the order in which their names came first.
    claims: Vec<(String, Vec<String>)>,
    lifetime: Duration,
    close_on_authentication_expiry: bool,
    detailed_errors: bool,
}

impl Default for NegotiateOptions {
    fn default() -> Self {
        Self {
            user_id: None,
            claims: Vec::new(),
            lifetime: DEFAULT_LIFETIME,
            close_on_authentication_expiry: false,
            detailed_errors: false,
        }
    }
}

impl NegotiateOptions {
    /// The user whom the client belongs to. Take it from your app's own authentication, never from the client.
    ///
    /// Without one the service takes the claim `nameid` for the user, else the first `sub`. With neither the connection
    /// belongs to nobody. An empty id, `.` and `..` are rejected: no message could be sent to such a user.
    #[must_use]
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// Adds a claim, which reaches your upstream with each call of the client.
    ///
    /// Claims of the same name become a list. Names that the service uses itself (`aud`, `exp`, `iat`, `nbf`, `iss`,
    /// `actort`, `acr`, `azp`, `c_hash`, `jti`, `nonce`, all that begin with `asrs.`, and every `sub` after the first)
    /// travel as `asrs.u.<name>`, and the service takes that prefix off again.
    ///
    /// `nameid` and the first `sub` keep their names. Pass them only from a source that may say who the user is, or set
    /// [`user_id`](Self::user_id).
    #[must_use]
    pub fn claim(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.claim_values(name, [value])
    }

    /// Adds several claims of the same name. Without any value,
    /// [`negotiate`](crate::HubClient::negotiate) fails with
    /// [`InvalidOptions`](crate::ErrorKind::InvalidOptions): the claim would silently be missing.
    #[must_use]
    pub fn claim_values(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let name = name.into();
        let values = values.into_iter().map(Into::into);
        match self.claims.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(values),
            None => self.claims.push((name, values.collect())),
        }
        self
    }

    /// How long the token is valid, in whole seconds; one hour unless you say otherwise.
    ///
    /// A token signed with a temporary key never outlives the key, which is 35 to 90 minutes away. With
    /// [`ClientTokens::Service`](crate::ClientTokens::Service) the lifetime is cut to whole minutes.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Has the service close the connection when the token expires. Without this, an open WebSocket outlives its
    /// token. The client may connect again.
    #[must_use]
    pub fn close_on_authentication_expiry(mut self, close: bool) -> Self {
        self.close_on_authentication_expiry = close;
        self
    }

    /// Has the service send the text of errors to the client, for development.
    #[must_use]
    pub fn detailed_errors(mut self, detailed: bool) -> Self {
        self.detailed_errors = detailed;
        self
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    pub(crate) fn claims(&self) -> &[(String, Vec<String>)] {
        &self.claims
    }

    pub(crate) fn valid_for(&self) -> Duration {
        self.lifetime
    }

    pub(crate) fn closes_on_expiry(&self) -> bool {
        self.close_on_authentication_expiry
    }

    pub(crate) fn has_detailed_errors(&self) -> bool {
        self.detailed_errors
    }

    /// Rules that hold for both kinds of client tokens.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(user) = &self.user_id {
            ids::check("user id", user)?;
        }
        if self.lifetime < Duration::from_secs(1) {
            return Err(invalid("lifetime must be at least 1 second"));
        }
        if self.claims.iter().any(|(name, _)| name.is_empty()) {
            return Err(invalid("a claim has no name"));
        }
        if let Some((name, _)) = self.claims.iter().find(|(_, values)| values.is_empty()) {
            let text = format!("the claim {name:?} has no value; leave it out, or pass one");
            return Err(Error::new(ErrorKind::InvalidOptions, text));
        }
        Ok(())
    }

    /// The same for tokens that the service mints, and the lifetime in minutes.
    pub(crate) fn check_for_service(&self) -> Result<u64> {
        self.check()?;
        let unsupported = if !self.claims.is_empty() {
            Some("claims")
        } else if self.close_on_authentication_expiry {
            Some("close_on_authentication_expiry")
        } else if self.detailed_errors {
            Some("detailed_errors")
        } else {
            None
        };
        if let Some(option) = unsupported {
            return Err(Error::new(
                ErrorKind::InvalidOptions,
                format!("{option}: a token that the service mints cannot carry it; use ClientTokens::TemporaryKey"),
            ));
        }
        let minutes = self.lifetime.as_secs() / 60;
        if minutes == 0 {
            return Err(invalid("lifetime must be at least 1 minute with ClientTokens::Service"));
        }
        Ok(minutes)
    }
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOptions, text)
}

impl fmt::Debug for NegotiateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegotiateOptions")
            .field("has_user_id", &self.user_id.is_some())
            .field("claims", &self.claims.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("lifetime", &self.lifetime)
            .field("close_on_authentication_expiry", &self.close_on_authentication_expiry)
            .field("detailed_errors", &self.detailed_errors)
            .finish()
    }
}

const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);

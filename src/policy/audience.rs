//! For which audiences a token may be issued.

use std::fmt;
use std::slice;
use std::str::FromStr;

use super::first_party::{EXCHANGE, foreign_service};
use super::list;
use crate::error::{ConfigError, quoted};
use crate::ids::ClientId;
use crate::token::version::TokenVersion;

/// The accepted audiences, at least one: client ids and App ID URIs of your app registration.
///
/// A token's `aud` (RFC 7519 section 4.1.3) must match one of them:
///
/// | configured | `aud` of a v1 token | `aud` of a v2 token |
/// |---|---|---|
/// | client id `C` | `C` or `api://C` | `C` |
/// | App ID URI `U` | `U` | `U` |
///
/// GUIDs are compared without regard to case, everything else byte for byte. A URI may differ by one trailing
/// slash, since a v1 token repeats the text in the upstream's settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audiences(Vec<Audience>);

impl Audiences {
    /// The audiences of a list.
    ///
    /// ```
    /// use signalr_upstream_auth::{Audience, Audiences, ClientId};
    ///
    /// let client_id: ClientId = "33333333-dddd-4eee-8fff-444444444444".parse()?;
    /// let audiences = Audiences::new([Audience::try_from(client_id)?, "api://signalr".parse()?])?;
    /// assert_eq!(audiences.iter().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Names `audiences` when the list is empty.
    pub fn new(audiences: impl IntoIterator<Item = Audience>) -> Result<Self, ConfigError> {
        list::not_empty(FIELD, MISSING, audiences).map(Self)
    }

    /// Reads client ids (GUIDs in any case) and App ID URIs. Items are trimmed and empty ones ignored.
    ///
    /// # Errors
    ///
    /// Names `audiences`, once for each item that is not an [`Audience`], or when no item is left.
    pub fn parse<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        list::parse(FIELD, MISSING, items, Audience::parse).map(Self)
    }

    /// The audiences, in the order in which they were given.
    pub fn iter(&self) -> slice::Iter<'_, Audience> {
        self.0.iter()
    }

    /// Whether a token of this version may have this audience. This says nothing about a token: anyone can write
    /// one that names any audience.
    #[must_use]
    pub fn accepts(&self, audience: &str, version: TokenVersion) -> bool {
        self.0.iter().any(|allowed| allowed.accepts(audience, version))
    }

    /// The configured client ids.
    pub(crate) fn client_ids(&self) -> impl Iterator<Item = ClientId> {
        self.0.iter().filter_map(Audience::client_id)
    }

    /// The configured App ID URIs.
    pub(crate) fn uris(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Audience::app_id_uri)
    }
}

impl<'a> IntoIterator for &'a Audiences {
    type Item = &'a Audience;
    type IntoIter = slice::Iter<'a, Audience>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One audience: a client id or an App ID URI of your app registration.
///
/// The audience of one of Microsoft's own services is an error, such as Graph, Azure management, the token exchange of
/// federated credentials, the data planes of Azure, or SignalR itself. Every identity can get a token for one of these,
/// it was not issued for you, and whoever sees it can use it there (RFC 9700 section 2.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audience(Form);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Form {
    ClientId(ClientId),
    Uri(String),
}

impl Audience {
    /// The client id, if it is one.
    #[must_use]
    pub fn client_id(&self) -> Option<ClientId> {
        match &self.0 {
            Form::ClientId(client) => Some(*client),
            Form::Uri(_) => None,
        }
    }

    /// The App ID URI, if it is one.
    #[must_use]
    pub fn app_id_uri(&self) -> Option<&str> {
        match &self.0 {
            Form::ClientId(_) => None,
            Form::Uri(uri) => Some(uri),
        }
    }

    fn parse(item: &str) -> Result<Self, String> {
        if let Some(service) = foreign_service(item) {
            let danger =
                if service == EXCHANGE { ", and whoever sees it gets tokens of other applications for it" } else { "" };
            return Err(format!(
                "{} is the audience of {service}; a token for it was not issued for you{danger}. \
                 Write the client id or the App ID URI of your own app registration",
                quoted(item)
            ));
        }
        if let Ok(client) = item.parse() {
            return Ok(Self(Form::ClientId(client)));
        }
        if item.ends_with("/.default") {
            return Err(format!("{} is a scope; write it without `/.default`", quoted(item)));
        }
        let is_uri = item.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                && !rest.trim_start_matches('/').is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"*,;\"<>\\^`{|}".contains(&byte))
        });
        if is_uri && !item.to_ascii_lowercase().starts_with("spn:") {
            Ok(Self(Form::Uri(item.to_owned())))
        } else {
            Err(format!(
                "{} is neither a client id (a GUID without braces) nor an App ID URI like api://…",
                quoted(item)
            ))
        }
    }

    fn accepts(&self, audience: &str, version: TokenVersion) -> bool {
        match &self.0 {
            Form::ClientId(client) => {
                let guid = match version {
                    TokenVersion::V1 => {
                        audience.strip_prefix("api://").map_or(audience, |uri| uri.strip_suffix('/').unwrap_or(uri))
                    }
                    TokenVersion::V2 => audience,
                };
                guid.parse() == Ok(*client)
            }
            Form::Uri(uri) => {
                uri == audience || uri.strip_suffix('/') == Some(audience) || audience.strip_suffix('/') == Some(uri)
            }
        }
    }
}

impl FromStr for Audience {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text).map_err(|problem| ConfigError::new(FIELD, problem))
    }
}

impl TryFrom<ClientId> for Audience {
    type Error = ConfigError;

    fn try_from(client: ClientId) -> Result<Self, ConfigError> {
        client.to_string().parse()
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::ClientId(client) => client.fmt(f),
            Form::Uri(uri) => f.write_str(uri),
        }
    }
}

const FIELD: &str = "audiences";
const MISSING: &str = "write the client id or the App ID URI that the upstream's settings have as the audience: \
                       the portal's App registrations, your app, Overview, Application (client) ID";

#[cfg(test)]
mod tests {
    use TokenVersion::{V1, V2};

    use super::*;

    const CLIENT: &str = "33333333-dddd-4eee-8fff-444444444444";

    fn accepts(configured: &str, audience: &str) -> (bool, bool) {
        let audiences = Audiences::parse([configured]).unwrap();
        (audiences.accepts(audience, V1), audiences.accepts(audience, V2))
    }

    #[test]
    fn client_id_accepts_itself_and_its_uri_in_v1() {
        assert_eq!(accepts(CLIENT, CLIENT), (true, true));
        assert_eq!(accepts(&CLIENT.to_uppercase(), CLIENT), (true, true));
        assert_eq!(accepts(CLIENT, &CLIENT.to_uppercase()), (true, true));
        assert_eq!(accepts(CLIENT, &format!("api://{CLIENT}")), (true, false));
        assert_eq!(accepts(CLIENT, &format!("api://{CLIENT}/")), (true, false));
        for other in [
            format!("API://{CLIENT}"),
            format!("api://{CLIENT}//"),
            format!("{CLIENT}/"),
            format!("spn:{CLIENT}"),
            format!("api://x/{CLIENT}"),
            "44444444-dddd-4eee-8fff-444444444444".to_owned(),
            String::new(),
        ] {
            assert_eq!(accepts(CLIENT, &other), (false, false), "{other}");
        }
    }

    #[test]
    fn uri_accepts_one_trailing_slash_more_or_less() {
        for (configured, audience, accepted) in [
            ("api://signalr", "api://signalr", true),
            ("api://signalr", "api://signalr/", true),
            ("api://signalr/", "api://signalr", true),
            ("https://contoso.com/up", "https://contoso.com/up/", true),
            ("api://signalr", "api://signalr//", false),
            ("api://signalr", "API://signalr", false),
            ("api://signalr", "api://SignalR", false),
            ("api://signalr", "api://signalr/x", false),
            ("api://signalr", "api://signal", false),
            ("api://33333333-dddd-4eee-8fff-444444444444", CLIENT, false),
        ] {
            assert_eq!(accepts(configured, audience), (accepted, accepted), "{configured} {audience}");
        }
    }

    #[test]
    fn rejects_what_is_neither_a_guid_nor_a_uri() {
        for item in [
            "signalr",
            "{33333333-dddd-4eee-8fff-444444444444}",
            "*",
            "https://*",
            "api:",
            "api://",
            "a b://c",
            "spn:x",
            "SPN:x",
            "api://x/.default",
            "api://x,y",
        ] {
            assert!(Audiences::parse([item]).is_err(), "{item}");
        }
        assert_eq!(Audiences::parse(["", "x", "*"]).unwrap_err().faults().count(), 2);
        assert!(Audiences::parse(Vec::<String>::new()).unwrap_err().to_string().contains("audiences"));
    }

    #[test]
    fn tells_client_ids_and_uris_apart() {
        let audiences = Audiences::parse([CLIENT, "api://one", "https://two.example"]).unwrap();
        assert_eq!(audiences.client_ids().map(|id| id.to_string()).collect::<Vec<_>>(), [CLIENT]);
        assert_eq!(audiences.uris().collect::<Vec<_>>(), ["api://one", "https://two.example"]);
        let shown: Vec<_> = (&audiences).into_iter().map(ToString::to_string).collect();
        assert_eq!(shown, [CLIENT, "api://one", "https://two.example"]);
    }

    #[test]
    fn typed_and_text_constructors_agree() {
        let client: ClientId = CLIENT.parse().unwrap();
        let typed = Audiences::new([Audience::try_from(client).unwrap(), "api://one".parse().unwrap()]);
        assert_eq!(typed, Audiences::parse([CLIENT, " api://one "]));
        assert_eq!(Audiences::new([]), Audiences::parse([""]));
        let graph: ClientId = "00000003-0000-0000-c000-000000000000".parse().unwrap();
        assert_eq!(Audience::try_from(graph).unwrap_err(), Audiences::parse([graph.to_string()]).unwrap_err());
        assert!("".parse::<Audience>().unwrap_err().to_string().starts_with("audiences: an empty value is neither"));
    }
}

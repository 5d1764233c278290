//! For whom a token must have been issued.

use crate::error::ConfigError;
use crate::ids::ClientId;
use crate::token::version::TokenVersion;

/// The audiences that are accepted, at least one: client ids and App ID URIs of your app registration.
///
/// What is configured decides what a token's `aud` may be (RFC 7519 section 4.1.3):
///
/// | configured | `aud` of a v1 token | `aud` of a v2 token |
/// |---|---|---|
/// | client id `C` | `C` or `api://C` | `C` |
/// | App ID URI `U` | `U` | `U` |
///
/// GUIDs are compared without regard to case, everything else byte for byte. A URI may differ by one
/// trailing slash, since a v1 token repeats the spelling in the upstream's settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audiences(Vec<Audience>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Audience {
    ClientId(ClientId),
    Uri(String),
}

impl Audiences {
    /// Reads client ids (GUIDs in any case) and App ID URIs. Items are trimmed, empty ones ignored.
    ///
    /// # Errors
    ///
    /// Names `audiences`, once for each item that is neither, or that is the audience of a service of
    /// Microsoft's: Graph, Azure management, Key Vault, Storage, SignalR itself. A token for one of these was not
    /// meant for you. Also when none is left.
    pub fn parse<I>(items: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        super::list::parse(FIELD, MISSING, items, Audience::parse).map(Self)
    }

    /// Whether a token of this version may name this audience. This says nothing of a token: whoever
    /// writes one may name any audience.
    #[must_use]
    pub fn accepts(&self, audience: &str, version: TokenVersion) -> bool {
        self.0.iter().any(|allowed| allowed.accepts(audience, version))
    }
}

impl Audiences {
    /// The configured client ids.
    pub(crate) fn client_ids(&self) -> impl Iterator<Item = ClientId> {
        self.0.iter().filter_map(|audience| match audience {
            Audience::ClientId(client) => Some(*client),
            Audience::Uri(_) => None,
        })
    }

    /// The configured App ID URIs.
    pub(crate) fn uris(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|audience| match audience {
            Audience::Uri(uri) => Some(uri.as_str()),
            Audience::ClientId(_) => None,
        })
    }
}

impl Audience {
    fn parse(item: &str) -> Result<Self, String> {
        if let Some(service) = foreign_service(item) {
            return Err(format!(
                "`{}` is the audience of {service}; a token for it was not issued for you. \
                 Write the client id or the App ID URI of your own app registration",
                item.escape_debug()
            ));
        }
        if let Ok(client) = item.parse() {
            return Ok(Self::ClientId(client));
        }
        if item.ends_with("/.default") {
            return Err(format!("`{}` is a scope; write it without `/.default`", item.escape_debug()));
        }
        let is_uri = item.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                && !rest.trim_start_matches('/').is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"*,;\"<>\\^`{|}".contains(&byte))
        });
        if is_uri && !item.to_ascii_lowercase().starts_with("spn:") {
            Ok(Self::Uri(item.to_owned()))
        } else {
            Err(format!(
                "`{}` is neither a client id (a GUID without braces) nor an App ID URI like api://…",
                item.escape_debug()
            ))
        }
    }

    fn accepts(&self, audience: &str, version: TokenVersion) -> bool {
        match self {
            Self::ClientId(client) => {
                let guid = match version {
                    TokenVersion::V1 => {
                        audience.strip_prefix("api://").map_or(audience, |uri| uri.strip_suffix('/').unwrap_or(uri))
                    }
                    TokenVersion::V2 => audience,
                };
                guid.parse() == Ok(*client)
            }
            Self::Uri(uri) => {
                uri == audience || uri.strip_suffix('/') == Some(audience) || audience.strip_suffix('/') == Some(uri)
            }
        }
    }
}

/// Whether an audience is that of Microsoft Graph, which SignalR asks for when no resource is set.
pub(crate) fn is_graph(audience: &str) -> bool {
    foreign_service(audience) == Some(GRAPH)
}

/// The service of Microsoft's that an audience belongs to.
pub(crate) fn foreign_service(audience: &str) -> Option<&'static str> {
    let audience = audience.to_ascii_lowercase();
    let (scheme, rest) = audience.split_once("://").unwrap_or(("", &audience));
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if let Some((_, service)) = FOREIGN_APPS.iter().find(|(foreign, _)| host == *foreign) {
        return Some(service);
    }
    if !matches!(scheme, "https" | "http") {
        return None;
    }
    FOREIGN_HOSTS
        .iter()
        .find(|(foreign, _)| host == *foreign || host.strip_suffix(foreign).is_some_and(|sub| sub.ends_with('.')))
        .map(|(_, service)| *service)
}

const FIELD: &str = "audiences";
const MISSING: &str = "write the client id or the App ID URI that stands in the upstream's settings as the audience: \
                       the portal's App registrations, your app, Overview, Application (client) ID";

const GRAPH: &str = "Microsoft Graph";

const FOREIGN_APPS: &[(&str, &str)] = &[
    ("00000003-0000-0000-c000-000000000000", GRAPH),
    ("00000002-0000-0000-c000-000000000000", "Azure AD Graph"),
    ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "Azure management"),
    ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault"),
    ("e406a681-f3d4-42a8-90b6-c2b029497af1", "Azure Storage"),
];

const FOREIGN_HOSTS: &[(&str, &str)] = &[
    ("graph.microsoft.com", GRAPH),
    ("graph.microsoft.us", GRAPH),
    ("dod-graph.microsoft.us", GRAPH),
    ("microsoftgraph.chinacloudapi.cn", GRAPH),
    ("graph.windows.net", "Azure AD Graph"),
    ("graph.chinacloudapi.cn", "Azure AD Graph"),
    ("management.azure.com", "Azure management"),
    ("management.core.windows.net", "Azure management"),
    ("management.usgovcloudapi.net", "Azure management"),
    ("management.core.usgovcloudapi.net", "Azure management"),
    ("management.chinacloudapi.cn", "Azure management"),
    ("management.core.chinacloudapi.cn", "Azure management"),
    ("storage.azure.com", "Azure Storage"),
    ("vault.azure.net", "Azure Key Vault"),
    ("vault.usgovcloudapi.net", "Azure Key Vault"),
    ("vault.azure.cn", "Azure Key Vault"),
    ("signalr.azure.com", "Azure SignalR Service itself"),
    ("signalr.azure.us", "Azure SignalR Service itself"),
    ("signalr.azure.cn", "Azure SignalR Service itself"),
    ("service.signalr.net", "Azure SignalR Service itself"),
    ("signalr.net", "Azure SignalR Service itself"),
];

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
    fn a_client_id_accepts_itself_and_in_v1_its_own_uri() {
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
    fn a_uri_accepts_itself_with_one_slash_more_or_less() {
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
    fn audiences_of_microsofts_own_services_are_rejected_with_the_reason() {
        for (item, service) in [
            ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
            ("00000003-0000-0000-C000-000000000000", "Microsoft Graph"),
            ("api://00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
            ("00000002-0000-0000-c000-000000000000", "Azure AD Graph"),
            ("797F4846-ba00-4fd7-ba43-dac1f8f63013", "Azure management"),
            ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Key Vault"),
            ("api://e406a681-f3d4-42a8-90b6-c2b029497af1", "Storage"),
            ("https://contoso.storage.azure.com", "Storage"),
            ("https://graph.microsoft.com", "Microsoft Graph"),
            ("https://graph.microsoft.com/", "Microsoft Graph"),
            ("https://GRAPH.microsoft.com/.default", "Microsoft Graph"),
            ("https://management.azure.com/", "Azure management"),
            ("https://management.core.windows.net/", "Azure management"),
            ("https://vault.azure.net", "Key Vault"),
            ("https://contoso.vault.azure.net", "Key Vault"),
            ("https://signalr.azure.com", "SignalR"),
            ("https://contoso.service.signalr.net", "SignalR"),
            ("https://contoso.service.signalr.net:443/x", "SignalR"),
        ] {
            let error = Audiences::parse([item]).unwrap_err().to_string();
            assert!(error.starts_with("audiences: ") && error.contains(service), "{item}: {error}");
        }
        assert!(Audiences::parse(["https://notgraph.microsoft.com.contoso.com"]).is_ok());
        assert!(Audiences::parse(["api://vault.azure.net.contoso"]).is_ok());
    }

    #[test]
    fn what_is_neither_a_guid_nor_a_uri_is_rejected() {
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
    fn graph_is_known_by_its_audience() {
        for audience in
            ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com/", "https://graph.microsoft.com"]
        {
            assert!(is_graph(audience), "{audience}");
        }
        assert!(!is_graph(CLIENT) && !is_graph("https://vault.azure.net"));
    }

    #[test]
    fn client_ids_and_uris_are_told_apart() {
        let id = "11111111-aaaa-4bbb-8ccc-222222222222";
        let audiences = Audiences::parse([id, "api://one", "https://two.example"]).unwrap();
        assert_eq!(audiences.client_ids().map(|id| id.to_string()).collect::<Vec<_>>(), [id]);
        assert_eq!(audiences.uris().collect::<Vec<_>>(), ["api://one", "https://two.example"]);
    }
}

//! Upstream settings: which events go to which address.

use std::fmt;

use http::Uri;

use super::shown::shown;

/// One item of the upstream settings. The first item whose patterns match an event gets it.
///
/// A pattern is `*`, one name, or several names separated by commas; blanks around them do not count, case does.
///
/// Source: Microsoft's page "Upstream endpoints"; the comparison is that of Microsoft's emulator.
#[derive(Clone)]
#[must_use = "a template does nothing until it is given to the builder"]
pub struct UpstreamTemplate {
    url: String,
    hub: String,
    category: String,
    event: String,
    resource: Option<String>,
}

/// An address that no upstream can have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{url:?} is no upstream address: use http or https, a host without placeholders, and {{hub}}, {{category}}, {{event}} behind it"
)]
#[non_exhaustive]
pub struct InvalidTemplate {
    /// The address as you gave it.
    pub url: String,
}

impl UpstreamTemplate {
    /// An item for all events without authentication. `{hub}`, `{category}` and `{event}` in path and query of the
    /// address are replaced, percent-encoded.
    pub fn new(url: &str) -> Self {
        let any = || "*".to_owned();
        Self { url: url.to_owned(), hub: any(), category: any(), event: any(), resource: None }
    }

    /// The hubs.
    pub fn hub(mut self, pattern: &str) -> Self {
        self.hub = pattern.to_owned();
        self
    }

    /// The categories, `connections` and `messages`.
    pub fn category(mut self, pattern: &str) -> Self {
        self.category = pattern.to_owned();
        self
    }

    /// The events: `connected`, `disconnected`, names of methods.
    pub fn event(mut self, pattern: &str) -> Self {
        self.event = pattern.to_owned();
        self
    }

    /// Authenticates with a token of the resource's managed identity for this audience (`auth.managedIdentity.resource`).
    pub fn managed_identity(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether an event makes an address that HTTP can carry. A client may choose an event of any length.
    pub(super) fn fits(&self, event: &str) -> bool {
        let places = self.url.matches("{event}").count();
        // Percent-encoding makes three characters of a byte at most; hub and category are short.
        let longest = self.url.len().saturating_add(event.len().saturating_mul(3).saturating_mul(places));
        longest.saturating_add(LONGEST_HUB) < LONGEST_ADDRESS
    }

    pub(super) fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    pub(super) fn matches(&self, hub: &str, category: &str, event: &str) -> bool {
        matches(&self.hub, hub) && matches(&self.category, category) && matches(&self.event, event)
    }

    /// Checks that every event makes an absolute address of it.
    pub(crate) fn check(&self) -> Result<(), InvalidTemplate> {
        let filled = self.url.replace("{hub}", "a").replace("{category}", "a").replace("{event}", "a");
        let uri = filled.parse::<Uri>().ok();
        let scheme_fits = uri.as_ref().and_then(Uri::scheme_str).is_some_and(|it| matches!(it, "http" | "https"));
        // The filled address has a host as long as the written one only if no placeholder stands there.
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        if scheme_fits && !host.is_empty() && !host.contains('{') && !filled.contains(['{', '}']) {
            return Ok(());
        }
        Err(InvalidTemplate { url: self.url.clone() })
    }
}

impl fmt::Debug for UpstreamTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, hub, category, event, resource } = self;
        f.debug_struct("UpstreamTemplate")
            .field("url", &shown(url))
            .field("hub", hub)
            .field("category", category)
            .field("event", event)
            .field("resource", resource)
            .finish()
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.split(',').map(str::trim).any(|item| item == "*" || item == name)
}

/// The crate `http` takes 65,534 bytes.
const LONGEST_ADDRESS: usize = 65_000;
/// Two names of 128 characters, each percent-encoded, in a few places.
const LONGEST_HUB: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_lists_of_names() {
        let template = UpstreamTemplate::new("http://a.test/").hub("chat, shop").category("messages").event("*");
        assert!(template.matches("shop", "messages", "anything"));
        for (hub, category) in [("Chat", "messages"), ("other", "messages"), ("chat", "connections")] {
            assert!(!template.matches(hub, category, "x"), "{hub} {category}");
        }
        assert!(!UpstreamTemplate::new("http://a.test/").event("").matches("chat", "messages", "x"));
    }

    #[test]
    fn addresses_are_absolute_and_their_host_is_fixed() {
        for url in ["http://127.0.0.1:3000/upstream/{hub}/{category}/{event}", "https://a.test?e={event}&code=x"] {
            assert_eq!(UpstreamTemplate::new(url).check(), Ok(()), "{url}");
        }
        for url in
            ["", "/upstream", "ftp://a.test/", "https://{hub}.test/", "https://a.test/{user}", "https://a.test/ x"]
        {
            assert!(UpstreamTemplate::new(url).check().is_err(), "{url}");
        }
    }
}

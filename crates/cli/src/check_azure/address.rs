//! The address of an upstream template: its scheme, its secrets, and its references to Key Vault.
//!
//! Azure SignalR Service, "Upstream endpoints", "Key Vault secret reference in URL template settings": the service
//! replaces `{@Microsoft.KeyVault(SecretUri=…)}` by the secret, which it reads with the resource's identity.

use super::node::is_expression;

/// An address, taken apart.
pub(crate) struct Address<'a> {
    text: &'a str,
    /// The parts between references to Key Vault, and the references.
    parts: Vec<Part<'a>>,
}

enum Part<'a> {
    Literal(&'a str),
    /// The `SecretUri` of a reference.
    Secret(&'a str),
}

impl<'a> Address<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = find(rest, REFERENCE) {
            let after = &rest[start + REFERENCE.len()..];
            let Some((secret, behind)) = after.split_once(")}") else { break };
            parts.extend([Part::Literal(&rest[..start]), Part::Secret(secret.trim())]);
            rest = behind;
        }
        parts.push(Part::Literal(rest));
        Self { text, parts }
    }

    /// Whether an address that begins so may be meant. A secret may begin with anything.
    pub(crate) fn may_begin_with(&self, prefix: &str) -> bool {
        let before_secret = self.literals().next().unwrap_or_default();
        is_expression(self.text)
            || self.text.starts_with(prefix)
            || (self.has_secret() && prefix.starts_with(before_secret))
    }

    /// What is wrong with it, in words.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if is_expression(self.text) {
            return faults;
        }
        let scheme = self.text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("https") => {}
            Some("http") => faults.push("without TLS whoever reads the traffic has the token".to_owned()),
            // The secret has the scheme.
            _ if matches!(self.parts[..], [Part::Literal(""), Part::Secret(_), ..]) => {}
            _ => faults.push("it does not begin with https://, so it is no address that SignalR can call".to_owned()),
        }
        let host =
            self.text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
        if host.contains("{event}") {
            faults.push(
                "`{event}` stands in the host, so clients choose who gets the token; put it into the path".to_owned(),
            );
        }
        for secret in self.references().filter(|secret| !is_secret_uri(secret)) {
            faults.push(format!(
                "`{secret}` is no SecretUri; write https://VAULT.vault.azure.net/secrets/NAME, with the version if you want one"
            ));
        }
        if self.literals().any(|part| find(part, "@Microsoft.KeyVault").is_some()) {
            faults.push(
                "its reference to Key Vault is not read; SignalR's form is {@Microsoft.KeyVault(SecretUri=https://…)}, \
                 with the braces"
                    .to_owned(),
            );
        }
        faults
    }

    fn has_secret(&self) -> bool {
        self.references().next().is_some()
    }

    /// The URIs of the secrets that it takes from Key Vault, also those that are none.
    fn references(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(secret) => Some(*secret),
            Part::Literal(_) => None,
        })
    }

    /// The URIs of the secrets that it takes from Key Vault.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &'a str> {
        self.references().filter(|secret| is_secret_uri(secret))
    }

    fn literals(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(*text),
            Part::Secret(_) => None,
        })
    }

    /// Whether the query has a value in clear text that looks like a secret.
    pub(crate) fn has_code(&self) -> bool {
        let is_secret =
            |value: &str| !value.is_empty() && !is_placeholder(value) && find(value, "@Microsoft.KeyVault").is_none();
        self.query().any(|(name, value)| is_code(name) && is_secret(value))
    }

    /// The address for a report, without the values of its query: a function key may be among them.
    pub(crate) fn shown(&self) -> String {
        if is_expression(self.text) {
            return self.text.to_owned();
        }
        let Some((path, _)) = self.split_query() else { return self.text.to_owned() };
        let query = self.query().map(|(name, value)| match value {
            "" => name.to_owned(),
            value if is_placeholder(value) => format!("{name}={value}"),
            _ => format!("{name}=…"),
        });
        format!("{path}?{}", query.collect::<Vec<_>>().join("&"))
    }

    fn split_query(&self) -> Option<(&'a str, &'a str)> {
        // The SecretUri of a reference has no query.
        self.text.split_once('?')
    }

    fn query(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let query = self.split_query().map_or("", |(_, query)| query);
        query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

/// A placeholder or a reference to Key Vault stands there alone.
fn is_placeholder(value: &str) -> bool {
    value.starts_with('{') && value.ends_with('}')
}

fn is_code(name: &str) -> bool {
    ["code", "key", "apikey", "api-key", "api_key", "secret", "sig", "token"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// `https://VAULT.HOST/secrets/NAME` or the same with a version.
fn is_secret_uri(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("https://") else { return false };
    let parts: Vec<_> = rest.trim_end_matches('/').split('/').collect();
    matches!(parts[..], [host, "secrets", name] | [host, "secrets", name, _] if host.contains('.') && !name.is_empty())
}

/// Where a text begins, whatever its case.
fn find(text: &str, part: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(&part.to_ascii_lowercase())
}

const REFERENCE: &str = "{@Microsoft.KeyVault(SecretUri=";

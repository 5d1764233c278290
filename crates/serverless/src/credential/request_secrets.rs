//! What a request to Entra or to an identity endpoint proves itself with.
//!
//! A proxy or a gateway may repeat the request in its error. The error goes into the app's log, so the secrets are
//! taken out of it before anybody reads it.

use azure_core::http::{Body, Request};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::error::without_tokens;
use crate::headers;

/// The secrets of one request, each as it is and as a form encodes it. Erased when dropped.
pub(super) struct RequestSecrets(Vec<Zeroizing<String>>);

impl RequestSecrets {
    pub(super) fn of(request: &Request) -> Self {
        let mut secrets = Vec::new();
        if let Body::Bytes(form) = request.body() {
            for (name, value) in form_urlencoded::parse(form) {
                if FORM_SECRETS.contains(&&*name) {
                    secrets.push(Zeroizing::new(value.into_owned()));
                }
            }
        }
        secrets.extend(headers::optional(request.headers(), HEADER_SECRET).map(Zeroizing::new));
        secrets.retain(|secret| !secret.is_empty());
        let encoded = |secret: &Zeroizing<String>| {
            Zeroizing::new(form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>())
        };
        let encoded: Vec<_> = secrets.iter().map(encoded).collect();
        secrets.extend(encoded);
        Self(secrets)
    }

    /// The text without these secrets, without whatever stands behind their names, and without tokens.
    pub(super) fn removed_from(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        without_tokens(&without_named_values(&text)).into_owned()
    }
}

/// The text without the values of the names that carry secrets: an echo may be cut off, or encoded in another way.
fn without_named_values(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = end_of_name(rest) {
        let (before, value) = rest.split_at(end);
        kept.push_str(before);
        rest = value;
        if let Some(separator) = separator(rest) {
            let (separator, value) = rest.split_at(separator);
            kept.push_str(separator);
            let end = value.find(is_after_value).unwrap_or(value.len());
            if end > 0 && !value.starts_with(HIDDEN) {
                kept.push_str(HIDDEN);
                rest = value.split_at(end).1;
            } else {
                rest = value;
            }
        }
    }
    kept + rest
}

/// Where the first name ends.
fn end_of_name(text: &str) -> Option<usize> {
    // Lower case in ASCII alone, so that positions stay.
    let lower = text.to_ascii_lowercase();
    let names = FORM_SECRETS.iter().chain([&HEADER_SECRET]);
    names.filter_map(|name| Some(lower.find(name)? + name.len())).min()
}

/// The length of what is between a name and its value: `=` or `:`, possibly encoded, with quotes and blanks around it.
fn separator(text: &str) -> Option<usize> {
    let is_padding = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\');
    let rest = text.trim_start_matches(is_padding);
    let lower = rest.get(..3).map(str::to_ascii_lowercase).unwrap_or_default();
    let rest = match lower.as_str() {
        "%3d" | "%3a" => rest.get(3..)?,
        _ => rest.strip_prefix(['=', ':'])?,
    };
    Some(text.len() - rest.trim_start_matches(is_padding).len())
}

fn is_after_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '&' | '"' | '\'' | '\\' | ',' | ';' | '<' | '}' | ']')
}

/// RFC 6749 section 2.3.1 and RFC 7521 section 4.2.
const FORM_SECRETS: [&str; 2] = ["client_secret", "client_assertion"];
/// App Service's proof that the request comes from the machine itself.
const HEADER_SECRET: &str = "x-identity-header";
const HIDDEN: &str = "(a secret)";

#[cfg(test)]
mod tests {
    use azure_core::http::{Method, Url};
    use proptest::prelude::*;

    use super::*;

    fn request(form: &[(&str, &str)], header: Option<&str>) -> Request {
        let mut request = Request::new(Url::parse("https://login.microsoftonline.com").unwrap(), Method::Post);
        request.set_body(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish());
        if let Some(value) = header {
            request.insert_header(HEADER_SECRET, value.to_owned());
        }
        request
    }

    #[test]
    fn hides_the_secrets_of_the_request_wherever_they_stand() {
        let secrets = RequestSecrets::of(&request(&[("client_id", "app"), ("client_secret", "Q~8 s")], Some("guid")));
        for (text, expected) in [
            ("rule 7 hit by Q~8 s", "rule 7 hit by (a secret)"),
            ("rule 7 hit by Q%7E8+s", "rule 7 hit by (a secret)"),
            ("a=b&client_secret=Q%7E8+s&client_id=app", "a=b&client_secret=(a secret)&client_id=app"),
            ("guid, app", "(a secret), app"),
        ] {
            assert_eq!(secrets.removed_from(text), expected);
        }
    }

    #[test]
    fn hides_what_stands_behind_the_names_of_secrets() {
        let secrets = RequestSecrets::of(&request(&[], None));
        for (text, expected) in [
            ("client_secret=cut", "client_secret=(a secret)"),
            ("CLIENT_SECRET%3dcut off", "CLIENT_SECRET%3d(a secret) off"),
            ("Client_Assertion: cut\nx", "Client_Assertion: (a secret)\nx"),
            (r#"{\"client_secret\":\"cut\"}"#, r#"{\"client_secret\":\"(a secret)\"}"#),
            ("X-Identity-Header: 'cut'", "X-Identity-Header: '(a secret)'"),
            ("client_secret=a&client_secret=b", "client_secret=(a secret)&client_secret=(a secret)"),
            ("client_secret=&ü", "client_secret=&ü"),
        ] {
            assert_eq!(secrets.removed_from(text), expected);
        }
    }

    #[test]
    fn keeps_what_entra_says_of_secrets() {
        let secrets = RequestSecrets::of(&request(&[], None));
        for text in [
            "AADSTS7000215: Invalid client secret provided. Ensure the secret is the client secret value, not its ID.",
            "AADSTS7000218: The request body must contain the parameter 'client_assertion' or 'client_secret'. Trace ID: 1",
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "",
        ] {
            assert_eq!(secrets.removed_from(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_shows_the_secret(before in "\\PC{0,12}", secret in "[a-z~&% ü]{8,16}", after in "\\PC{0,12}") {
            let secrets = RequestSecrets::of(&request(&[("client_assertion", &secret)], None));
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let told = secrets.removed_from(&format!("{before}{secret}{after} client_assertion={encoded}{after}"));
            prop_assert!(!told.contains(&secret) && !told.contains(&encoded), "{}", told);
        }
    }
}

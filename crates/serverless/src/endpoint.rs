//! One endpoint of the service as it was configured: where it is and how you authenticate to it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use azure_core::credentials::TokenCredential;
use url::Url;
use zeroize::Zeroizing;

/// One endpoint, as the settings or the code describe it. Its addresses have passed [`url_problem`].
#[derive(Clone, Debug)]
pub(crate) struct EndpointConfig {
    pub(crate) name: Option<String>,
    pub(crate) priority: Priority,
    /// `Endpoint` of a connection string, `serviceUri` of settings. The audience of client tokens.
    pub(crate) endpoint: Url,
    /// Where clients connect, if that is another address.
    pub(crate) client_endpoint: Option<Url>,
    /// Where this program sends its calls, if that is another address.
    pub(crate) server_endpoint: Option<Url>,
    pub(crate) auth: Auth,
}

/// Whether an endpoint takes clients as long as it is healthy, or only while no primary is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Priority {
    /// Takes clients while it is healthy.
    #[default]
    Primary,
    /// Takes clients while no primary is healthy.
    Secondary,
}

/// How calls to an endpoint authenticate.
#[derive(Clone)]
pub(crate) enum Auth {
    Entra(Arc<dyn TokenCredential>),
    AccessKey(AccessKey),
}

impl fmt::Debug for Auth {
    /// Without the credential: its `Debug` is another crate's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entra(_) => "Entra",
            Self::AccessKey(_) => "AccessKey",
        })
    }
}

/// An access key of the resource, as HMAC key. The text is erased as soon as this is built, and the HMAC key
/// when it is dropped.
#[derive(Clone)]
pub(crate) struct AccessKey {
    hmac: Arc<hmac::Key>,
    is_blank: bool,
}

impl AccessKey {
    /// The HMAC key is the UTF-8 text of the access key; it is not decoded from base64.
    pub(crate) fn new(text: impl Into<Zeroizing<String>>) -> Self {
        let text = text.into();
        Self { hmac: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())), is_blank: text.trim().is_empty() }
    }

    pub(crate) fn hmac(&self) -> &Arc<hmac::Key> {
        &self.hmac
    }

    /// Whether the text was empty or white space, which is no key of any resource.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_blank
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

/// What is wrong with an endpoint's address, as the rest of a sentence. `None` if nothing is.
///
/// Entra tokens are bearer tokens: they leave this machine over TLS only (RFC 6750 section 5.3). Access keys
/// stay here, so that a local emulator in another container works with them.
pub(crate) fn url_problem(url: &Url, auth: &Auth) -> Option<&'static str> {
    address_problem(url, matches!(auth, Auth::Entra(_)))
}

/// The same for settings, which are checked before a credential is built.
pub(crate) fn address_problem(url: &Url, is_entra: bool) -> Option<&'static str> {
    let is_plain = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return Some("must begin with https://"),
    };
    if url.host().is_none() {
        return Some("has no host; write https://<name>.service.signalr.net");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not contain a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("must not contain a query or a fragment");
    }
    (is_plain && is_entra && !is_loopback(url))
        .then_some("must begin with https://; http:// with Microsoft Entra is for this machine alone")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NoCredential;

    #[async_trait::async_trait]
    impl TokenCredential for NoCredential {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, "none"))
        }
    }

    fn problem(url: &str, auth: &Auth) -> Option<&'static str> {
        url_problem(&Url::parse(url).unwrap(), auth)
    }

    #[test]
    fn accepts_https_and_plain_http_on_this_machine() {
        let entra = Auth::Entra(Arc::new(NoCredential));
        for url in [
            "https://a.service.signalr.net",
            "https://a.service.signalr.net:8443/base",
            "http://127.0.0.1:80",
            "http://[::1]:1",
            "http://localhost:8888",
        ] {
            assert_eq!(problem(url, &entra), None, "{url}");
        }
    }

    #[test]
    fn rejects_plain_http_to_other_machines_with_entra_only() {
        assert!(problem("http://a.service.signalr.net", &Auth::Entra(Arc::new(NoCredential))).is_some());
        let key = Auth::AccessKey(AccessKey::new(String::from("k")));
        assert_eq!(problem("http://emulator:8888", &key), None);
    }

    #[test]
    fn rejects_addresses_with_other_parts() {
        let key = Auth::AccessKey(AccessKey::new(String::from("k")));
        for url in ["ftp://a", "https://u@a", "https://u:p@a", "https://a/?q", "https://a/#f"] {
            assert!(problem(url, &key).is_some(), "{url}");
        }
    }

    #[test]
    fn debug_hides_keys() {
        let key = AccessKey::new(String::from("secret"));
        assert_eq!(format!("{key:?} {:?}", Auth::AccessKey(key.clone())), "AccessKey AccessKey");
    }
}

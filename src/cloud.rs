//! The clouds of Entra: where each serves its documents and what its issuers look like.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{ConfigError, quoted};
use crate::ids::TenantId;

/// A national cloud of Entra, or a custom one. Cheap to clone. The default is [`Cloud::public`].
///
/// A cloud determines the login host, the hosts that its documents may name, the form of the issuer in v1 and v2
/// tokens, and the `cloud_instance_name` of its keys where that is confirmed.
///
/// `FromStr` reads `public`, `us-government` and `china`, as the setting `cloud` does. `Display` writes these names,
/// and `custom` for a custom cloud.
///
/// ```
/// use signalr_upstream_auth::Cloud;
///
/// assert_eq!("us-government".parse::<Cloud>()?, Cloud::us_government());
/// assert_eq!(Cloud::china().to_string(), "china");
/// # Ok::<(), signalr_upstream_auth::ConfigError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Cloud(Arc<Description>);

#[derive(Clone, Eq, PartialEq)]
struct Description {
    name: &'static str,
    login: Origin,
    /// The hosts a document may name, each with its port.
    document_hosts: Vec<Origin>,
    v1_issuer: IssuerForm,
    v2_issuer: IssuerForm,
    cloud_instance_name: Option<String>,
    /// Set for a custom cloud whose login host is a loopback address without TLS.
    is_plain_http: bool,
}

impl Cloud {
    /// The public cloud: `login.microsoftonline.com`, v1 issuers at `sts.windows.net`.
    #[must_use]
    pub fn public() -> Self {
        Self::national(
            "public",
            &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
            "https://sts.windows.net/",
            Some("microsoftonline.com"),
        )
    }

    /// Azure US Government: `login.microsoftonline.us`. Its v1 issuers look like those of the public cloud; only
    /// the `cloud_instance_name` of a key tells the two apart.
    #[must_use]
    pub fn us_government() -> Self {
        Self::national(
            "us-government",
            &["login.microsoftonline.us", "login.usgovcloudapi.net"],
            "https://sts.windows.net/",
            Some("microsoftonline.us"),
        )
    }

    /// Azure operated by 21Vianet in China: `login.partner.microsoftonline.cn`, v1 issuers at
    /// `sts.chinacloudapi.cn`. The `cloud_instance_name` of its keys is not confirmed, so none is required.
    #[must_use]
    pub fn china() -> Self {
        Self::national(
            "china",
            &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
            "https://sts.chinacloudapi.cn/",
            None,
        )
    }

    /// A custom cloud: an address such as `https://login.example.net`, and the issuers of v1 and v2 tokens, each
    /// with the placeholder `{tenantid}` exactly once.
    ///
    /// Plain `http` is accepted only for a loopback address. The key document may be on the same host and
    /// port; [`with_document_host`](Self::with_document_host) adds others.
    ///
    /// # Errors
    ///
    /// Names each argument that is wrong: `cloud.login`, `cloud.v1_issuer`, `cloud.v2_issuer`.
    pub fn custom(login: &str, v1_issuer: &str, v2_issuer: &str) -> Result<Self, ConfigError> {
        let login = custom_login(login);
        let v1_issuer = IssuerForm::parse("cloud.v1_issuer", v1_issuer);
        let v2_issuer = IssuerForm::parse("cloud.v2_issuer", v2_issuer);
        let errors = [login.as_ref().err(), v1_issuer.as_ref().err(), v2_issuer.as_ref().err()];
        let faults = errors.into_iter().flatten().flat_map(ConfigError::faults).cloned().collect();
        if let Some(error) = ConfigError::from_faults(faults) {
            return Err(error);
        }
        let url = login?;
        Ok(Self(Arc::new(Description {
            name: "custom",
            document_hosts: vec![url.origin.clone()],
            login: url.origin,
            v1_issuer: v1_issuer?,
            v2_issuer: v2_issuer?,
            cloud_instance_name: None,
            is_plain_http: url.is_plain_http,
        })))
    }

    /// Lets documents name another host, `keys.example.net` or `keys.example.net:8443`.
    ///
    /// # Errors
    ///
    /// Names `cloud.document_hosts` when the text is not a host. For a cloud with a login host of plain `http`, it
    /// must be a loopback address.
    pub fn with_document_host(mut self, host: &str) -> Result<Self, ConfigError> {
        let fault = |problem| ConfigError::new("cloud.document_hosts", format!("{} {problem}", quoted(host)));
        let origin = Origin::parse(host, self.0.is_plain_http)
            .ok_or_else(|| fault("is not a host; write one like keys.example.net"))?;
        if self.0.is_plain_http && !origin.is_loopback() {
            return Err(fault(
                "is not a loopback address, and a cloud with a login host of plain http accepts no other",
            ));
        }
        Arc::make_mut(&mut self.0).document_hosts.push(origin);
        Ok(self)
    }

    /// Requires a `cloud_instance_name`: where a discovery document or a key has one, it must be this. A blank
    /// name requires nothing, and a blank name in a document counts as none.
    #[must_use]
    pub fn with_cloud_instance_name(mut self, name: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).cloud_instance_name = Some(name.into()).filter(|name| !name.trim().is_empty());
        self
    }

    fn national(name: &'static str, hosts: &[&str], sts: &str, cloud_instance_name: Option<&str>) -> Self {
        let origin = |host: &&str| Origin { host: (*host).to_owned(), port: HTTPS_PORT };
        let login = hosts.first().map_or_else(|| unreachable!("each cloud has a login host"), origin);
        Self(Arc::new(Description {
            name,
            v1_issuer: IssuerForm { before: sts.to_owned(), after: "/".to_owned() },
            v2_issuer: IssuerForm { before: format!("https://{}/", login.host), after: "/v2.0".to_owned() },
            login,
            document_hosts: hosts.iter().map(origin).collect(),
            cloud_instance_name: cloud_instance_name.map(str::to_owned),
            is_plain_http: false,
        }))
    }

    /// The address of the tenant's v2 discovery document.
    #[cfg(feature = "remote")]
    pub(crate) fn discovery_url(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/v2.0/.well-known/openid-configuration", self.login())
    }

    /// The address that a document names, if it may name it: `https` (plain `http` only where the login host is served
    /// so), no user, no fragment, and one of this cloud's hosts on its own port.
    ///
    /// What is checked is what is fetched: the client's own parser reads the address, once. That parser mends what other
    /// parsers read as another address, so what it had to mend is no address here.
    #[cfg(feature = "remote")]
    pub(crate) fn document_url(&self, text: &str) -> Option<reqwest::Url> {
        let url = reqwest::Url::parse(text).ok()?;
        let is_plain_http = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return None,
        };
        let host = url.host_str()?.to_owned();
        let origin = Origin { host, port: url.port_or_known_default()? };
        let is_ours = (!is_plain_http || (self.0.is_plain_http && origin.is_loopback()))
            && self.0.document_hosts.contains(&origin);
        (is_ours && is_as_written(&url, text)).then_some(url)
    }

    #[cfg(feature = "remote")]
    pub(crate) fn is_plain_http(&self) -> bool {
        self.0.is_plain_http
    }

    /// The name of the cloud, as `Display` writes it.
    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    /// The host that serves the discovery documents.
    pub(crate) fn login_host(&self) -> &str {
        &self.0.login.host
    }

    pub(crate) fn cloud_instance_name(&self) -> Option<&str> {
        self.0.cloud_instance_name.as_deref()
    }

    pub(crate) fn v1_issuer(&self, tenant: &TenantId) -> String {
        self.0.v1_issuer.of(tenant)
    }

    pub(crate) fn v2_issuer(&self, tenant: &TenantId) -> String {
        self.0.v2_issuer.of(tenant)
    }
}

/// What a custom cloud is made of, as the settings write it.
#[cfg(feature = "remote")]
impl Cloud {
    /// The address of the login host.
    pub(crate) fn login(&self) -> String {
        let scheme = if self.0.is_plain_http { "http" } else { "https" };
        format!("{scheme}://{}", self.0.login.display(self.0.is_plain_http))
    }

    /// The forms of the v1 and the v2 issuer, with the placeholder for the tenant.
    pub(crate) fn issuer_forms(&self) -> [String; 2] {
        [&self.0.v1_issuer, &self.0.v2_issuer].map(|form| format!("{}{TENANT_PLACEHOLDER}{}", form.before, form.after))
    }

    /// The hosts that documents may name, without the login host.
    pub(crate) fn further_document_hosts(&self) -> Vec<String> {
        let hosts = self.0.document_hosts.iter().filter(|host| **host != self.0.login);
        hosts.map(|host| host.display(self.0.is_plain_http)).collect()
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self::public()
    }
}

impl FromStr for Cloud {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        [Self::public(), Self::us_government(), Self::china()]
            .into_iter()
            .find(|cloud| cloud.name() == name)
            .ok_or_else(|| {
                let problem = format!("{} is not a cloud; write public, us-government or china", quoted(name));
                ConfigError::new("cloud", problem)
            })
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cloud({}, {})", self.0.name, self.0.login.display(self.0.is_plain_http))
    }
}

/// Whether the text has the origin as the parser prints it, but for case and a default port, and nothing that parsers
/// drop or replace: white space, control characters, a backslash, a fragment, a user.
#[cfg(feature = "remote")]
fn is_as_written(url: &reqwest::Url, text: &str) -> bool {
    let origin = url.origin().ascii_serialization();
    let Some((start, rest)) = text.split_at_checked(origin.len()) else { return false };
    let default_port = if url.scheme() == "http" { ":80" } else { ":443" };
    let path = rest.strip_prefix(default_port).unwrap_or(rest);
    let is_dropped = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#');
    text.starts_with(url.scheme())
        && start.eq_ignore_ascii_case(&origin)
        && matches!(path.bytes().next(), None | Some(b'/' | b'?'))
        && !text.contains(is_dropped)
}

/// The address of a custom cloud's login host.
fn custom_login(login: &str) -> Result<LoginUrl, ConfigError> {
    let url = LoginUrl::parse(login.strip_suffix('/').unwrap_or(login))
        .ok_or_else(|| ConfigError::new("cloud.login", "write the address alone, like https://login.example.net"))?;
    if url.is_plain_http && !url.origin.is_loopback() {
        return Err(ConfigError::new("cloud.login", "plain http is accepted for a loopback address only; write https"));
    }
    Ok(url)
}

/// The form of an issuer: the tenant between two fixed texts.
#[derive(Clone, Debug, Eq, PartialEq)]
struct IssuerForm {
    before: String,
    after: String,
}

impl IssuerForm {
    fn parse(field: &'static str, text: &str) -> Result<Self, ConfigError> {
        match text.split_once(TENANT_PLACEHOLDER) {
            Some((before, after)) if !after.contains(TENANT_PLACEHOLDER) && before.contains("://") => {
                Ok(Self { before: before.to_owned(), after: after.to_owned() })
            }
            _ => Err(ConfigError::new(
                field,
                "write the issuer with `{tenantid}` in place of the tenant, like https://login.example.net/{tenantid}/v2.0",
            )),
        }
    }

    fn of(&self, tenant: &TenantId) -> String {
        format!("{}{tenant}{}", self.before, self.after)
    }
}

/// A host with its port.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    host: String,
    port: u16,
}

impl Origin {
    fn parse(text: &str, is_plain_http: bool) -> Option<Self> {
        let authority: http::uri::Authority = text.parse().ok()?;
        let (host, port) = match text.rsplit_once(':').filter(|_| !text.ends_with(']')) {
            Some((host, digits)) => {
                (host, Some(authority.port_u16().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?))
            }
            None => (text, None),
        };
        // `Authority` takes user info, an empty or overlong port and anything after a `]` in its stride.
        if host != authority.host() || !is_host(host) {
            return None;
        }
        let default = if is_plain_http { HTTP_PORT } else { HTTPS_PORT };
        Some(Self { host: host.to_ascii_lowercase(), port: port.unwrap_or(default) })
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn display(&self, is_plain_http: bool) -> String {
        let default = if is_plain_http { HTTP_PORT } else { HTTPS_PORT };
        if self.port == default { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// Whether this is one host to every reader. A name that ends in a number is an IPv4 address to some,
/// who know more ways to write one than the usual (`127.1`).
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => {
            let (_, last) = host.trim_end_matches('.').rsplit_once('.').unwrap_or(("", host));
            let is_number = last.starts_with(|first: char| first.is_ascii_digit());
            !host.is_empty() && !host.contains(['[', ']']) && (!is_number || host.parse::<Ipv4Addr>().is_ok())
        }
    }
}

/// The address of a login host: a scheme and a host with its port, no more.
struct LoginUrl {
    is_plain_http: bool,
    origin: Origin,
}

impl LoginUrl {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_plain_http = match scheme {
            "https" => false,
            "http" => true,
            _ => return None,
        };
        Some(Self { is_plain_http, origin: Origin::parse(authority, is_plain_http)? })
    }
}

/// Entra's placeholder for the tenant in issuers that serve several.
pub(crate) const TENANT_PLACEHOLDER: &str = "{tenantid}";

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";

    fn issuers(cloud: &Cloud) -> (String, String) {
        let tenant = TENANT.parse().unwrap();
        (cloud.v1_issuer(&tenant), cloud.v2_issuer(&tenant))
    }

    #[test]
    fn national_clouds_have_the_documented_issuers() {
        let both = |v1: &str, v2: &str| (v1.replace('T', TENANT), v2.replace('T', TENANT));
        assert_eq!(
            issuers(&Cloud::public()),
            both("https://sts.windows.net/T/", "https://login.microsoftonline.com/T/v2.0")
        );
        assert_eq!(
            issuers(&Cloud::us_government()),
            both("https://sts.windows.net/T/", "https://login.microsoftonline.us/T/v2.0")
        );
        assert_eq!(
            issuers(&Cloud::china()),
            both("https://sts.chinacloudapi.cn/T/", "https://login.partner.microsoftonline.cn/T/v2.0")
        );
    }

    #[cfg(feature = "remote")]
    #[test]
    fn documents_may_name_the_hosts_of_their_cloud_only() {
        let may_name = |cloud: &Cloud, url: &str| cloud.document_url(url).is_some();
        let cloud = Cloud::public();
        for url in [
            "https://login.microsoftonline.com/x/discovery/v2.0/keys",
            "https://LOGIN.microsoftonline.com/x?appid=1",
            "https://login.microsoftonline.com:443/x",
            "https://login.windows.net/common/discovery/keys",
            "https://login.microsoftonline.com",
        ] {
            assert!(may_name(&cloud, url), "{url}");
        }
        for url in [
            "http://login.microsoftonline.com/x",
            "https://login.microsoftonline.us/x",
            "https://login.microsoftonline.com.evil.example/x",
            "https://evil.example/login.microsoftonline.com",
            "https://login.microsoftonline.com@evil.example/x",
            "https://user@login.microsoftonline.com/x",
            "https://user:pw@login.microsoftonline.com/x",
            "https://login.microsoftonline.com:8443/x",
            "https://login.microsoftonline.com:/x",
            "https://login.microsoftonline.com/x#y",
            "https://login.microsoftonline.com\\@evil.example/x",
            "https://login.microsoftonline.com./x",
            "https:login.microsoftonline.com/x",
            "//login.microsoftonline.com/x",
            "ftp://login.microsoftonline.com/x",
            "https:///x",
            "https://",
            "",
            " https://login.microsoftonline.com/x",
            "HTTPS://login.microsoftonline.com/x",
            "https://login.microsoftonline.com/x ",
            "https://login.microsoftonline.com/\tx",
            "https://login.microsoft\nonline.com/x",
            "https:\\\\login.microsoftonline.com/x",
            "https://login.microsoftonline.com\u{3002}/x",
            "https://login%2emicrosoftonline.com/x",
            "https://\u{ff4c}ogin.microsoftonline.com/x",
        ] {
            assert!(!may_name(&cloud, url), "{url}");
        }
    }

    #[test]
    fn custom_cloud_accepts_plain_http_on_loopback_only() {
        let custom =
            |login: &str| Cloud::custom(login, "https://sts.example/{tenantid}/", "https://x.example/{tenantid}/v2.0");
        for login in [
            "https://login.example",
            "https://login.example:8443/",
            "http://127.0.0.1:1",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(custom(login).is_ok(), "{login}");
        }
        for login in [
            "http://login.example",
            "http://10.0.0.1",
            "login.example",
            "https://login.example/tenant",
            "https://login.example//",
            "https://login.example/#x",
            "https://login.example#x",
            "https://login.example?x",
            "https://login.example\\x",
            "https://login.example\\",
            "https://login example",
            "https://a@b",
            "https://[::1]login.example",
            "http://[::1].login.example:1",
            "http://[::1%25lo]:1",
            "https://a[b]",
            "https://127.1",
            "https://0x7f.1",
            "https://login.256",
            "https://1.2.3.4.",
            "",
        ] {
            let error = custom(login).unwrap_err();
            assert_eq!(error.faults().next().unwrap().field(), "cloud.login", "{login}");
        }
        let secure = custom("https://login.example").unwrap();
        assert!(secure.clone().with_document_host("a b").is_err() && secure.with_document_host("").is_err());
    }

    #[cfg(feature = "remote")]
    #[test]
    fn documents_may_name_the_hosts_of_a_custom_cloud_only() {
        let custom =
            |login: &str| Cloud::custom(login, "https://sts.example/{tenantid}/", "https://x.example/{tenantid}/v2.0");
        let may_name = |cloud: &Cloud, url: &str| cloud.document_url(url).is_some();
        let local = custom("http://127.0.0.1:8080").unwrap();
        assert!(may_name(&local, "http://127.0.0.1:8080/keys"));
        assert!(!may_name(&local, "http://127.0.0.1:8081/keys"));
        assert!(!may_name(&local, "http://10.0.0.1:8080/keys"));
        assert!(!may_name(&local, "http://127.1:8080/keys"));
        assert!(!may_name(&custom("http://[::1]:1").unwrap(), "http://[::1]x:1/keys"));
        assert!(may_name(&custom("http://[::1]:1").unwrap(), "http://[::1]:1/keys"));
        assert!(may_name(&local.with_document_host("localhost:9").unwrap(), "http://localhost:9/keys"));
        let secure = custom("https://login.example").unwrap();
        assert!(!may_name(&secure, "http://login.example/keys"));
        let secure = secure.with_document_host("keys.example").unwrap();
        assert!(may_name(&secure, "https://keys.example/keys") && !may_name(&secure, "http://keys.example/keys"));
        // Plain http needs a login host that is served so, even on loopback; and such a cloud has no other hosts.
        assert!(!may_name(&custom("https://127.0.0.1:1").unwrap(), "http://127.0.0.1:1/keys"));
        assert!(custom("http://127.0.0.1:8080").unwrap().with_document_host("keys.example").is_err());
    }

    #[test]
    fn custom_cloud_names_every_fault_at_once() {
        let error = Cloud::custom("login.example", "https://sts.example/", "{tenantid}").unwrap_err();
        let fields: Vec<_> = error.faults().map(|fault| fault.field().to_owned()).collect();
        assert_eq!(fields, ["cloud.login", "cloud.v1_issuer", "cloud.v2_issuer"]);
    }

    #[test]
    fn issuer_form_has_the_tenant_exactly_once() {
        for issuer in ["https://sts.example/", "{tenantid}", "https://a/{tenantid}/{tenantid}", ""] {
            assert!(Cloud::custom("https://login.example", issuer, "https://a/{tenantid}").is_err(), "{issuer}");
            assert!(Cloud::custom("https://login.example", "https://a/{tenantid}", issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn prints_name_and_login_host() {
        let issuer = "https://sts.example/{tenantid}/";
        let custom = |login: &str| Cloud::custom(login, issuer, issuer).unwrap();
        for (cloud, name, host, shown) in [
            (Cloud::public(), "public", "login.microsoftonline.com", "Cloud(public, login.microsoftonline.com)"),
            (custom("https://a.example"), "custom", "a.example", "Cloud(custom, a.example)"),
            (custom("https://a.example:8443"), "custom", "a.example", "Cloud(custom, a.example:8443)"),
            (custom("http://127.0.0.1:80"), "custom", "127.0.0.1", "Cloud(custom, 127.0.0.1)"),
            (custom("http://127.0.0.1:443"), "custom", "127.0.0.1", "Cloud(custom, 127.0.0.1:443)"),
        ] {
            assert_eq!((cloud.name(), cloud.login_host(), format!("{cloud:?}").as_str()), (name, host, shown));
        }
    }

    #[test]
    fn parses_the_names_that_it_displays() {
        for cloud in [Cloud::public(), Cloud::us_government(), Cloud::china()] {
            assert_eq!(cloud.to_string().parse(), Ok(cloud));
        }
        let custom = Cloud::custom("https://a.example", "https://a/{tenantid}", "https://a/{tenantid}").unwrap();
        assert_eq!(custom.to_string(), "custom");
        for (text, shown) in [("", "an empty value"), ("Public", "`Public`"), ("custom", "`custom`"), ("a\n", "`a\\n`")]
        {
            let expected = format!("cloud: {shown} is not a cloud; write public, us-government or china");
            assert_eq!(text.parse::<Cloud>().unwrap_err().to_string(), expected);
        }
    }

    #[cfg(feature = "remote")]
    #[test]
    fn only_a_loopback_cloud_is_plain_http() {
        let issuer = "https://sts.example/{tenantid}/";
        assert!(Cloud::custom("http://127.0.0.1:1", issuer, issuer).unwrap().is_plain_http());
        assert!(!Cloud::custom("https://127.0.0.1:1", issuer, issuer).unwrap().is_plain_http());
        assert!(!Cloud::public().is_plain_http());
    }
}

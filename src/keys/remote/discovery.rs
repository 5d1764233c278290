//! The discovery document (OpenID Connect Discovery 1.0 section 3) of one tenant, as far as keys need it.

use std::borrow::Cow;

use reqwest::Url;
use serde::de::MapAccess;

use crate::cloud::Cloud;
use crate::error::KeyError;
use crate::ids::TenantId;
use crate::json::{self, Known, Members, Text, read_into, read_text};

/// Where a tenant's keys are, and in which cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Discovery {
    pub(crate) jwks_uri: Url,
    pub(crate) cloud_instance_name: Option<String>,
}

impl Discovery {
    /// Reads a document and checks it.
    ///
    /// Entra's issuer is not the address of the document, so section 4.3 of the specification cannot be
    /// applied as it is. Instead the issuer must be the one of cloud and tenant, and the keys must be
    /// on a host of that cloud. A `cloud_instance_name` of another cloud is rejected where the cloud's own is known.
    pub(crate) fn from_json(document: &[u8], cloud: &Cloud, tenant: &TenantId) -> Result<Self, KeyError> {
        let document: DiscoveryDocument<'_> = json::object(document)
            .map_err(|_| KeyError::malformed("the discovery document is not a JSON object of the expected form"))?;
        if document.issuer.as_deref() != Some(&*cloud.v2_issuer(tenant)) {
            return Err(KeyError::malformed("the discovery document names another issuer"));
        }
        let cloud_instance_name = document.cloud_instance_name.flatten().map(|Text(name)| name);
        let cloud_instance_name = cloud_instance_name.filter(|name| !name.trim().is_empty());
        if let (Some(name), Some(expected)) = (&cloud_instance_name, cloud.cloud_instance_name())
            && name != expected
        {
            return Err(KeyError::malformed("the discovery document names another cloud"));
        }
        let jwks_uri =
            document.jwks_uri.ok_or_else(|| KeyError::malformed("the discovery document has no `jwks_uri`"))?;
        if jwks_uri.len() > MAX_JWKS_URI {
            return Err(KeyError::malformed(
                "the discovery document names a key document with an address of over 2 KiB",
            ));
        }
        let jwks_uri = cloud
            .document_url(&jwks_uri)
            .ok_or_else(|| KeyError::malformed("the discovery document names a key document outside its cloud"))?;
        Ok(Self { jwks_uri, cloud_instance_name: cloud_instance_name.map(Cow::into_owned) })
    }
}

/// Entra's have about 100 bytes. A longer one would be sent with every fetch until discovery names another.
const MAX_JWKS_URI: usize = 2048;

#[derive(Debug, Default)]
struct DiscoveryDocument<'de> {
    issuer: Option<Cow<'de, str>>,
    jwks_uri: Option<Cow<'de, str>>,
    /// Not given is sometimes written `null`.
    cloud_instance_name: Option<Option<Text<'de>>>,
}

impl<'de> Members<'de> for DiscoveryDocument<'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        match name {
            "issuer" => read_text(&mut self.issuer, map),
            "jwks_uri" => read_text(&mut self.jwks_uri, map),
            "cloud_instance_name" => read_into(&mut self.cloud_instance_name, map),
            _ => Ok(Known::No),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
    const ISSUER: &str = "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0";
    const KEYS: &str = "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/discovery/v2.0/keys";

    fn read(issuer: &str, keys: &str, more: &str) -> Result<Discovery, String> {
        let document = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"{more}}}"#);
        Discovery::from_json(document.as_bytes(), &Cloud::public(), &TENANT.parse().unwrap())
            .map_err(|error| std::error::Error::source(&error).unwrap().to_string())
    }

    #[test]
    fn accepts_document_of_the_tenant() {
        let found =
            read(ISSUER, KEYS, r#","cloud_instance_name":"microsoftonline.com","tenant_region_scope":null"#).unwrap();
        assert_eq!(found.jwks_uri.as_str(), KEYS);
        assert_eq!(found.cloud_instance_name.as_deref(), Some("microsoftonline.com"));
        assert_eq!(read(ISSUER, KEYS, "").unwrap().cloud_instance_name, None);
        assert_eq!(read(ISSUER, KEYS, r#","cloud_instance_name":null"#).unwrap().cloud_instance_name, None);
        assert_eq!(read(ISSUER, KEYS, r#","cloud_instance_name":" ""#).unwrap().cloud_instance_name, None);
    }

    #[test]
    fn rejects_another_issuer() {
        for issuer in [
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/",
            "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-333333333333/v2.0",
            "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0/",
            "",
        ] {
            assert!(read(issuer, KEYS, "").unwrap_err().contains("issuer"), "{issuer}");
        }
    }

    #[test]
    fn rejects_keys_elsewhere_and_another_cloud() {
        assert!(read(ISSUER, "https://evil.example/keys", "").unwrap_err().contains("outside"));
        assert!(read(ISSUER, "http://login.microsoftonline.com/keys", "").unwrap_err().contains("outside"));
        let foreign = r#","cloud_instance_name":"microsoftonline.us""#;
        assert!(read(ISSUER, KEYS, foreign).unwrap_err().contains("another cloud"));
    }

    #[test]
    fn rejects_key_address_of_over_2_kib() {
        let longest = format!("{KEYS}?a={}", "a".repeat(MAX_JWKS_URI - KEYS.len() - 3));
        assert_eq!((longest.len(), read(ISSUER, &longest, "").unwrap().jwks_uri.as_str()), (2048, &*longest));
        assert!(read(ISSUER, &format!("{longest}a"), "").unwrap_err().contains("2 KiB"));
    }

    #[test]
    fn rejects_key_address_that_the_client_cannot_parse() {
        let cloud = Cloud::public().with_document_host("xn--a.example").unwrap();
        let document = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://xn--a.example/keys"}}"#);
        let error = Discovery::from_json(document.as_bytes(), &cloud, &TENANT.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), crate::error::KeyErrorKind::Malformed);
    }

    #[test]
    fn rejects_what_is_no_document() {
        for document in ["", "[]", "{}", r#"{"issuer":1}"#, "<html>", r#"{"issuer":"a","issuer":"a"}"#] {
            assert!(Discovery::from_json(document.as_bytes(), &Cloud::public(), &TENANT.parse().unwrap()).is_err());
        }
    }
}

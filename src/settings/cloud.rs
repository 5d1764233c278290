//! The setting `cloud`: a name, or a map that describes a custom cloud.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::cloud::Cloud;
use crate::error::ConfigError;

/// A cloud as it was given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CloudChoice {
    /// By code.
    Built(Cloud),
    /// By a map.
    Custom(CustomCloud),
    /// By a name, which may be wrong.
    Named(String),
}

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CustomCloud {
    login: String,
    v1_issuer: String,
    v2_issuer: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    document_hosts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_instance_name: Option<String>,
}

impl Default for CloudChoice {
    fn default() -> Self {
        Self::Named(Cloud::public().name().to_owned())
    }
}

impl CloudChoice {
    /// The cloud, or all that is wrong with it.
    pub(super) fn build(&self) -> Result<Cloud, ConfigError> {
        match self {
            Self::Built(cloud) => Ok(cloud.clone()),
            Self::Custom(custom) => custom.build(),
            Self::Named(name) => name.parse(),
        }
    }
}

impl CustomCloud {
    fn build(&self) -> Result<Cloud, ConfigError> {
        let Self { login, v1_issuer, v2_issuer, document_hosts, cloud_instance_name } = self;
        let cloud = Cloud::custom(login.trim(), v1_issuer.trim(), v2_issuer.trim());
        let hosts = || document_hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty());
        // Whether a text is a host does not depend on the cloud, so every fault can be reported at once.
        let wrong_hosts = hosts().filter_map(|host| Cloud::public().with_document_host(host).err());
        let blank_name = cloud_instance_name.as_ref().filter(|name| name.trim().is_empty()).map(|_| {
            let problem = "the name is blank; write the `cloud_instance_name` of the keys, or leave it out";
            ConfigError::new("cloud.cloud_instance_name", problem)
        });
        let errors = cloud.clone().err().into_iter().chain(wrong_hosts).chain(blank_name);
        if let Some(error) = errors.reduce(ConfigError::join) {
            return Err(error);
        }
        let cloud = hosts().try_fold(cloud?, Cloud::with_document_host)?;
        Ok(match cloud_instance_name {
            Some(name) => cloud.with_cloud_instance_name(name.trim()),
            None => cloud,
        })
    }

    fn describing(cloud: &Cloud) -> Self {
        let [v1_issuer, v2_issuer] = cloud.issuer_forms();
        Self {
            login: cloud.login(),
            v1_issuer,
            v2_issuer,
            document_hosts: cloud.further_document_hosts(),
            cloud_instance_name: cloud.cloud_instance_name().map(str::to_owned),
        }
    }
}

impl<'de> Deserialize<'de> for CloudChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CloudVisitor)
    }
}

struct CloudVisitor;

impl<'de> Visitor<'de> for CloudVisitor {
    type Value = CloudChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`public`, `us-government`, `china` or a map with `login`, `v1_issuer` and `v2_issuer`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<CloudChoice, E> {
        Ok(CloudChoice::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CloudChoice, A::Error> {
        CustomCloud::deserialize(MapAccessDeserializer::new(map)).map(CloudChoice::Custom)
    }
}

impl Serialize for CloudChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // A national cloud that was changed in code has a name that no longer describes it.
            Self::Built(cloud) if cloud.name().parse().as_ref() == Ok(cloud) => serializer.serialize_str(cloud.name()),
            Self::Built(cloud) => CustomCloud::describing(cloud).serialize(serializer),
            Self::Custom(custom) => custom.serialize(serializer),
            Self::Named(name) => serializer.serialize_str(name),
        }
    }
}

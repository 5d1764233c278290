//! The cloud of a configuration: one of the known, or one that is described.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::environment::quoted;
use crate::cloud::Cloud;
use crate::error::ConfigError;

/// A cloud by its name, or one that is described.
#[derive(Clone, Debug)]
pub(super) enum CloudChoice {
    Named(String),
    Custom(CustomCloud),
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CustomCloud {
    login: String,
    v1_issuer: String,
    v2_issuer: String,
    document_hosts: Vec<String>,
    label: Option<String>,
}

impl Default for CloudChoice {
    fn default() -> Self {
        Self::Named(PUBLIC.to_owned())
    }
}

impl CloudChoice {
    pub(super) fn judge(&self) -> Result<Cloud, ConfigError> {
        match self {
            Self::Named(name) => match name.as_str() {
                PUBLIC => Ok(Cloud::public()),
                "us-government" => Ok(Cloud::us_government()),
                "china" => Ok(Cloud::china()),
                other => Err(ConfigError::new(
                    "cloud",
                    format!("{} is not a cloud; write public, us-government or china", quoted(other)),
                )),
            },
            Self::Custom(custom) => custom.judge(),
        }
    }
}

impl CustomCloud {
    fn judge(&self) -> Result<Cloud, ConfigError> {
        let cloud = Cloud::custom(self.login.trim(), self.v1_issuer.trim(), self.v2_issuer.trim());
        let hosts = || self.document_hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty());
        // Whether a text is a host is the same for every cloud.
        let odd_hosts = hosts().filter_map(|host| Cloud::public().with_document_host(host).err());
        let odd_label = self.label.as_ref().filter(|label| label.trim().is_empty()).map(|_| {
            ConfigError::new(
                "cloud.label",
                "the label is blank; write the `cloud_instance_name` of the keys, or nothing",
            )
        });
        if let Some(error) = cloud.clone().err().into_iter().chain(odd_hosts).chain(odd_label).reduce(ConfigError::join)
        {
            return Err(error);
        }
        let cloud = hosts().try_fold(cloud?, Cloud::with_document_host)?;
        Ok(match &self.label {
            Some(label) => cloud.with_cloud_instance_name(label.trim()),
            None => cloud,
        })
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

const PUBLIC: &str = "public";

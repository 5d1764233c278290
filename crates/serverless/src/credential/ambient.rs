//! The variables that Azure's hosts and tools set. Every Azure SDK reads them, whatever the prefix of your settings is.

/// The variables of the process, or of a test.
pub(crate) struct Ambient<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Ambient<'a> {
    pub(crate) const fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// A value that is more than white space, trimmed.
    pub(crate) fn get(&self, variable: &str) -> Option<String> {
        self.get_untrimmed(variable).map(|value| value.trim().to_owned())
    }

    /// The same to the letter, for secrets and paths.
    pub(crate) fn get_untrimmed(&self, variable: &str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.trim().is_empty())
    }
}

/// A variable of the process. One that is not UTF-8 counts as missing, as it does for `azure_identity`.
pub(crate) fn of_process(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

pub(crate) const TENANT_ID: &str = "AZURE_TENANT_ID";
pub(crate) const CLIENT_ID: &str = "AZURE_CLIENT_ID";
pub(crate) const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
pub(crate) const CLIENT_CERTIFICATE_PATH: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
pub(crate) const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// Limits the default chain of other SDKs.
pub(crate) const TOKEN_CREDENTIALS: &str = "AZURE_TOKEN_CREDENTIALS";
/// Entra's host, for a cloud that settings do not name. `azure_identity` reads it.
pub(crate) const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
#[cfg(feature = "identity")]
pub(crate) const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
#[cfg(feature = "identity")]
pub(crate) const IDENTITY_HEADER: &str = "IDENTITY_HEADER";
#[cfg(feature = "identity")]
/// Where IMDS is, if not at its usual address. .NET, Java and Python read it too.
pub(crate) const IMDS_AUTHORITY: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

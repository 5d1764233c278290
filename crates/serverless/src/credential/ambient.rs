//! The variables that Azure's hosts and tools set. Every Azure SDK reads them, whatever the prefix of your settings is.

use std::cell::RefCell;
use std::ffi::OsString;

/// The variables of the process, or of a test.
pub(crate) struct Ambient<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    /// Variables that were asked for and are not UTF-8.
    unreadable: RefCell<Vec<&'static str>>,
}

impl<'a> Ambient<'a> {
    pub(crate) const fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup, unreadable: RefCell::new(Vec::new()) }
    }

    /// A value that is more than white space, trimmed.
    pub(crate) fn get(&self, variable: &'static str) -> Option<String> {
        self.get_untrimmed(variable).map(|value| value.trim().to_owned())
    }

    /// The same to the letter, for secrets and paths.
    pub(crate) fn get_untrimmed(&self, variable: &'static str) -> Option<String> {
        match (self.lookup)(variable)?.into_string() {
            Ok(value) => Some(value).filter(|value| !value.trim().is_empty()),
            Err(_) => {
                let mut unreadable = self.unreadable.borrow_mut();
                if !unreadable.contains(&variable) {
                    unreadable.push(variable);
                }
                None
            }
        }
    }

    /// Whether the variable is there but was not UTF-8 when it was asked for.
    pub(crate) fn is_unreadable(&self, variable: &str) -> bool {
        self.unreadable.borrow().contains(&variable)
    }

    /// Every variable that was asked for and is not UTF-8. `azure_identity` takes such a one for missing, and a
    /// credential would then be somebody else's.
    pub(crate) fn into_unreadable(self) -> Vec<&'static str> {
        self.unreadable.into_inner()
    }
}

/// A variable of the process.
pub(crate) fn of_process(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
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

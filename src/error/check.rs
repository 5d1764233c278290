//! The checks, in their order.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares [`CheckName`] with the name of each check beside it.
macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        /// The checks of a request, in the order in which they run. The first that fails decides.
        ///
        /// `Display` and `Serialize` write [`as_str`](Self::as_str).
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum CheckName {
            $($(#[$doc])* $name,)+
        }

        impl CheckName {
            /// Every check, in order.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The check as one stable word or two, in snake case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

checks! {
    /// One `Authorization: Bearer` header with one token (RFC 6750 section 2.1), at most 16,384 bytes in all.
    Credentials = "credentials";
    /// Three segments of strict base64url, of which the first is a JSON object (RFC 7515 section 5.2).
    Form = "form";
    /// The JOSE header: `alg`, `kid`, `typ`, no extension, no name twice (RFC 7515 section 4).
    Header = "header";
    /// The claims set: a JSON object, the types of its members, no name twice (RFC 7519 sections 4 and 7.2).
    ClaimTypes = "claims";
    /// `ver`.
    Version = "version";
    /// `tid`.
    Tenant = "tenant";
    /// `iss`.
    Issuer = "issuer";
    /// `aud`.
    Audience = "audience";
    /// `exp`, `nbf` and `iat`.
    Times = "times";
    /// The key that the token names may sign for its tenant.
    Key = "key";
    /// The signature.
    Signature = "signature";
    /// The token was issued for an application: `oid`, `sub`, `scp`, `idtyp`.
    Application = "application";
    /// The caller is on the list.
    Caller = "caller";
    /// The caller has one of the required roles.
    Role = "role";
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for CheckName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_ordered_as_they_are_listed() {
        assert!(CheckName::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(serde_json::to_value(CheckName::ClaimTypes).unwrap(), CheckName::ClaimTypes.to_string());
    }
}

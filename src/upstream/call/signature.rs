//! `X-ASRS-Signature`: an HMAC of the connection id with an access key of the resource. Never a substitute for the
//! token.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::HeaderMap;

use crate::error::ConfigError;
use crate::upstream::call::headers;
use crate::upstream::error::{Error, ErrorKind};

/// The items of `X-ASRS-Signature`: `sha256=` and the HMAC-SHA-256 of the connection id in hexadecimal digits, one for
/// each access key of the resource.
///
/// `Debug` shows only their number. Whoever reads one can replay it for as long as the connection lives.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Signatures {
    /// `None` for a malformed item: it counts as an item, but matches no key.
    items: Vec<Option<[u8; 32]>>,
}

impl Signatures {
    /// Parses every `X-ASRS-Signature` line.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`](ErrorKind::InvalidHeader) if a line is not UTF-8.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let lines = headers::lines(headers, &headers::SIGNATURE).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::parse(lines))
    }

    /// Parses the values of the header, one string per line. Commas separate items, with or without spaces around
    /// them; digits are in either case. Every string can be parsed.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let items = lines.into_iter().flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty());
        Self { items: items.map(digest).collect() }
    }

    /// The number of items, malformed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item: the header is missing or empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signatures").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Checks `X-ASRS-Signature` with the access keys of the resource, **in addition to the token**.
///
/// <div class="warning">
///
/// **This check never replaces the token.** The signature is an HMAC of the connection id and of nothing else. It
/// stays the same for the whole life of the connection, and covers neither the method, the path, the hub, the event,
/// the user nor the body. Whoever sees one call, in a log or at a proxy, can forge every later call of that
/// connection. The client knows its connection id.
///
/// The access key is worth more than what it checks here: whoever has it can mint client tokens and call the REST API
/// of the resource. Disable access keys where you can. Then there is no signature to check, and the token is the only
/// proof.
///
/// </div>
///
/// Rules:
///
/// 1. A call passes if any item matches any key. The service sends two items, one for each access key.
/// 2. The HMAC key is the access key as the portal shows it, without decoding.
/// 3. All lines of the header and all items count, with digits in either case. A malformed item matches no key.
/// 4. Every item is compared with every key, in constant time.
/// 5. A call without a signature passes, since the service sends none when it has no keys. Call
///    [`required`](Self::required) to reject it. An empty header is no signature.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use signalr_upstream_auth::upstream::{ErrorKind, SignatureCheck};
///
/// let check = SignatureCheck::new(["primary-key-for-tests-only", "secondary-key-for-tests-only"])?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-asrs-connection-id", HeaderValue::from_static("conn-0001-abcDEF_xyz"));
/// assert!(check.check(&headers).is_ok());
/// assert_eq!(check.clone().required().check(&headers).unwrap_err().kind(), ErrorKind::MissingSignature);
///
/// headers.insert(
///     "x-asrs-signature",
///     HeaderValue::from_static("sha256=880f524ef3e7664b1e9dd81ac195da2c1c98423aea6a959694e3e4334d215653"),
/// );
/// assert!(check.required().check(&headers).is_ok());
/// # Ok::<(), signalr_upstream_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SignatureCheck {
    keys: Arc<[hmac::Key]>,
    required: bool,
}

impl SignatureCheck {
    /// Checks with these access keys, any number of them, in any order. An access key is the part after `AccessKey=`
    /// in a connection string.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no key, or if one is empty or contains white space, such as the line break at the
    /// end of a file. No access key contains white space, so no signature would ever match.
    pub fn new<I>(access_keys: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut keys = Vec::new();
        for key in access_keys {
            let key = key.as_ref();
            if key.is_empty() {
                return Err(ConfigError::new("access_keys", "an access key is empty; remove it or fill it in"));
            }
            if key.contains(char::is_whitespace) {
                return Err(ConfigError::new("access_keys", "an access key contains white space; remove it"));
            }
            keys.push(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
        }
        if keys.is_empty() {
            return Err(ConfigError::new(
                "access_keys",
                "no access key is given, so no signature can match; give at least one, or remove the check",
            ));
        }
        Ok(Self { keys: keys.into(), required: false })
    }

    /// Rejects calls without a signature as well.
    ///
    /// If the service stops sending signatures, for example because access keys are disabled, this rejects every call.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Checks the signature of a request.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`](ErrorKind::InvalidSignature) and
    /// [`MissingSignature`](ErrorKind::MissingSignature) (401);
    /// [`MissingHeader`](ErrorKind::MissingHeader), [`InvalidHeader`](ErrorKind::InvalidHeader) and
    /// [`RepeatedHeader`](ErrorKind::RepeatedHeader) (400) if the connection id or the signature is unreadable.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let signatures = Signatures::from_headers(headers)?;
        if signatures.is_empty() {
            return if self.required { Err(ErrorKind::MissingSignature.into()) } else { Ok(()) };
        }
        let connection_id = headers::required(headers, &headers::CONNECTION_ID)?;
        if self.matches(connection_id, &signatures) { Ok(()) } else { Err(ErrorKind::InvalidSignature.into()) }
    }

    /// Whether any of the items is the signature of this connection id with any of the keys.
    #[must_use]
    pub fn matches(&self, connection_id: &str, signatures: &Signatures) -> bool {
        self.keys.iter().fold(false, |found, key| {
            let expected = hmac::sign(key, connection_id.as_bytes());
            let matches = |item: &[u8; 32]| verify_slices_are_equal(expected.as_ref(), item).is_ok();
            // `|` instead of `||`: an early exit would reveal by its time which item matched.
            signatures.items.iter().flatten().fold(found, |found, item| found | matches(item))
        })
    }
}

/// Shows the number of keys and hides the keys.
impl fmt::Debug for SignatureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCheck")
            .field("keys", &self.keys.len())
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

fn digest(item: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = item.strip_prefix("sha256=")?.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            *byte = *byte << 4 | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_takes_exactly_64_digits_after_the_prefix() {
        let digits = "880f524ef3e7664b1e9dd81ac195da2c1c98423aea6a959694e3e4334d215653";
        let expected = digest(&format!("sha256={digits}")).unwrap();
        assert_eq!((expected[0], expected[31]), (0x88, 0x53));
        assert_eq!(digest(&format!("sha256={}", digits.to_uppercase())), Some(expected));
        for malformed in ["", "sha256=", digits, "sha1=88", &format!("SHA256={digits}"), &format!("sha256={digits}00")]
        {
            assert_eq!(digest(malformed), None, "{malformed}");
        }
        assert_eq!(digest(&format!("sha256=+{}", &digits[1..])), None);
        assert_eq!(digest(&format!("sha256=é{}", &digits[2..])), None);
    }

    #[test]
    fn debug_output_hides_keys_and_digests() {
        let check = SignatureCheck::new(["hush"]).unwrap();
        assert_eq!(format!("{check:?}"), "SignatureCheck { keys: 1, required: false, .. }");
        assert_eq!(format!("{:?}", Signatures::parse(["sha256=00,x"])), "Signatures { len: 2, .. }");
    }
}

//! `X-ASRS-Signature`: shows that the sender once knew an access key for this connection. Never a
//! substitute for the token.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::HeaderMap;

use crate::error::ConfigError;
use crate::upstream::call::headers;
use crate::upstream::error::{Error, ErrorKind};

/// The items of `X-ASRS-Signature`: `sha256=` and the HMAC-SHA-256 of the connection id in hexadecimal
/// digits, one for each access key of the resource.
///
/// `Debug` shows how many there are. Whoever reads one can repeat it for as long as the connection lives.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Signatures {
    /// `None` for an item of another form: it is there, but fits no key.
    items: Vec<Option<[u8; 32]>>,
}

impl Signatures {
    /// Reads every `X-ASRS-Signature` line.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`](ErrorKind::InvalidHeader) if a line is not UTF-8.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let lines = headers::lines(headers, &headers::SIGNATURE).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::parse(lines))
    }

    /// Reads the values of the header, one text per line: items are separated by commas, with or
    /// without spaces around them; digits are in either case. Every text can be read.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let items = lines.into_iter().flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty());
        Self { items: items.map(digest).collect() }
    }

    /// How many items there are, well-formed or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item: no header, or an empty one.
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
/// **This check never replaces the token.** The signature is an HMAC of the connection id and of
/// nothing else. It stays the same for the whole life of the connection and says nothing about the
/// method, the path, the hub, the event, the user or the body. Whoever sees one call, in a log or at a
/// proxy, can forge every later one of that connection, and the client knows its connection id.
///
/// The key is worth more than what it checks: with it anybody can mint client tokens and call the
/// REST API of the resource. Where access keys are disabled, as they should be, there is nothing to
/// check with, and the token is the only proof.
///
/// </div>
///
/// Rules:
///
/// 1. A call passes if any item fits any key. During the rotation of the keys the service sends two items.
/// 2. The HMAC's key is the text of the access key as the portal shows it, without decoding.
/// 3. All lines of the header and all items count, digits in either case. Items of another form fit no key.
/// 4. Digests are compared in constant time, every item with every key.
/// 5. A call without a signature passes, since the service sends none when it has no keys, unless
///    [`required`](Self::required) says otherwise. An empty header is no signature.
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
    /// Checks with these access keys, any number of them, in any order: the part after `AccessKey=`
    /// of a connection string.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no key, or if one is empty or holds white space, such as the line
    /// break at the end of a file: no access key does, and nothing would ever fit it.
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
                return Err(ConfigError::new("access_keys", "an access key holds white space; take it out"));
            }
            keys.push(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
        }
        if keys.is_empty() {
            return Err(ConfigError::new(
                "access_keys",
                "without a key no signature can be checked; give at least one, or leave the check out",
            ));
        }
        Ok(Self { keys: keys.into(), required: false })
    }

    /// Rejects calls without a signature, too.
    ///
    /// Everything is rejected from then on if the service stops sending signatures, for example when
    /// access keys are disabled.
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
    /// [`RepeatedHeader`](ErrorKind::RepeatedHeader) (400) if the connection id or the signature
    /// cannot be read.
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
            let fits = |item: &[u8; 32]| verify_slices_are_equal(expected.as_ref(), item).is_ok();
            // No early exit: `|`, not `||`.
            signatures.items.iter().flatten().fold(found, |found, item| found | fits(item))
        })
    }
}

/// Shows how many keys there are and nothing of them.
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
    fn only_64_digits_after_the_prefix_are_a_digest() {
        let digits = "880f524ef3e7664b1e9dd81ac195da2c1c98423aea6a959694e3e4334d215653";
        let good = digest(&format!("sha256={digits}")).unwrap();
        assert_eq!((good[0], good[31]), (0x88, 0x53));
        assert_eq!(digest(&format!("sha256={}", digits.to_uppercase())), Some(good));
        for bad in ["", "sha256=", digits, "sha1=88", &format!("SHA256={digits}"), &format!("sha256={digits}00")] {
            assert_eq!(digest(bad), None, "{bad}");
        }
        assert_eq!(digest(&format!("sha256=+{}", &digits[1..])), None);
        assert_eq!(digest(&format!("sha256=é{}", &digits[2..])), None);
    }

    #[test]
    fn keys_and_digests_do_not_show_in_debug_output() {
        let check = SignatureCheck::new(["hush"]).unwrap();
        assert_eq!(format!("{check:?}"), "SignatureCheck { keys: 1, required: false, .. }");
        assert_eq!(format!("{:?}", Signatures::parse(["sha256=00,x"])), "Signatures { len: 2, .. }");
    }
}

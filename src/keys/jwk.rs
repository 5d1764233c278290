//! One entry of a key document (JWK, RFC 7517 section 4), read member by member, so that no member hides another.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ids::KeyId;
use crate::json::Text;
use crate::signature::key::{KeyParts, VerificationKey};
use crate::signature::rs256::Rs256Key;

/// Why an entry is unusable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unusable {
    /// It cannot be read as a key.
    Malformed,
    /// It is a key, but not one that verifies RS256.
    NotForRs256,
    /// The `kid` names two different keys.
    Ambiguous,
    /// A document publishes the private half of the key.
    Compromised,
}

/// The members of an entry that matter, each as it is written: a member of the wrong type must not hide the others.
#[derive(Debug, Default)]
pub(crate) struct Jwk<'d> {
    /// In the order of [`PUBLIC`].
    public: [Option<&'d RawValue>; PUBLIC.len()],
    is_kid_repeated: bool,
    /// Whether a member that is read occurs twice.
    is_repeated: bool,
    /// Members with private material, in the order of [`PRIVATE`].
    private: [bool; PRIVATE.len()],
}

/// What tells whether an entry verifies RS256 (RFC 7517 section 4, RFC 7518 section 6.3.1), and two members of Entra.
const PUBLIC: [&str; 9] = ["kty", "kid", "use", "key_ops", "alg", "n", "e", "issuer", "cloud_instance_name"];

/// The private members of RSA, elliptic curve and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl<'d> Jwk<'d> {
    /// Reads an entry if it is an object. Whatever its members hold, it is read.
    pub(crate) fn parse(entry: &'d RawValue) -> Option<Self> {
        serde_json::from_str(entry.get()).ok()
    }

    /// A member that is there. `null` stands for one that is absent, as in the discovery document.
    fn public(&self, wanted: &str) -> Option<&'d RawValue> {
        let (_, value) = PUBLIC.iter().zip(self.public).find(|(name, _)| **name == wanted)?;
        value.filter(|value| value.get() != "null")
    }

    fn required(&self, name: &str) -> Result<Cow<'d, str>, Unusable> {
        text(self.public(name).ok_or(Unusable::Malformed)?)
    }

    fn optional(&self, name: &str) -> Result<Option<Cow<'d, str>>, Unusable> {
        self.public(name).map(text).transpose()
    }

    fn decoded(&self, name: &str) -> Result<Vec<u8>, Unusable> {
        URL_SAFE_NO_PAD.decode(&*self.required(name)?).map_err(|_| Unusable::Malformed)
    }

    /// The name by which tokens can refer to the entry.
    pub(crate) fn kid(&self) -> Option<KeyId> {
        let kid = self.required("kid").ok().filter(|_| !self.is_kid_repeated)?;
        KeyId::fits(&kid).then(|| KeyId::new(&kid))
    }

    /// The modulus of an RSA key, as far as it can be read.
    pub(crate) fn modulus(&self) -> Option<Vec<u8>> {
        self.decoded("n").ok()
    }

    /// What tells one key from another: the modulus; for a key of another kind its kind, which no modulus equals.
    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        let kind = self.required("kty").ok().filter(|_| !self.is_repeated)?;
        if kind == "RSA" { self.modulus() } else { Some(kind.into_owned().into()) }
    }

    /// Whether the entry publishes private material. The `k` of a symmetric key is the key itself, not its other half.
    pub(crate) fn is_compromised(&self) -> bool {
        let is_symmetric = self.required("kty").is_ok_and(|kind| kind == "oct");
        PRIVATE.iter().zip(self.private).any(|(name, is_there)| is_there && !(is_symmetric && *name == "k"))
    }

    /// The key, if the entry is usable. `cloud` is that of the document.
    pub(crate) fn classify(&self, id: &KeyId, cloud: Option<&str>) -> Result<VerificationKey, Unusable> {
        if self.is_compromised() {
            return Err(Unusable::Compromised);
        }
        if self.is_repeated {
            return Err(Unusable::Malformed);
        }
        if self.required("kty")? != "RSA" {
            return Err(Unusable::NotForRs256);
        }
        let (modulus, exponent) = (self.decoded("n")?, self.decoded("e")?);
        let issuer = self.optional("issuer")?;
        let cloud_instance_name = self.optional("cloud_instance_name")?;
        let is_for_signatures = self.optional("use")?.is_none_or(|usage| usage == "sig")
            && self.optional("alg")?.is_none_or(|alg| alg == "RS256")
            && self.may_verify()?;
        if !is_for_signatures || !is_acceptable_modulus(&modulus) || exponent != EXPONENT {
            return Err(Unusable::NotForRs256);
        }
        Ok(VerificationKey::new(KeyParts {
            rs256: Rs256Key::new(&modulus, &exponent).ok_or(Unusable::NotForRs256)?,
            id: id.clone(),
            modulus,
            issuer: issuer.as_deref().and_then(non_blank),
            cloud_instance_name: cloud_instance_name.as_deref().and_then(non_blank),
            document_cloud: cloud.and_then(non_blank),
        }))
    }

    /// `key_ops` (RFC 7517 section 4.3) is an array; what is no text in it is skipped.
    fn may_verify(&self) -> Result<bool, Unusable> {
        let Some(key_ops) = self.public("key_ops") else { return Ok(true) };
        let operations: Vec<&RawValue> = serde_json::from_str(key_ops.get()).map_err(|_| Unusable::Malformed)?;
        Ok(operations.into_iter().any(|operation| text(operation).is_ok_and(|operation| operation == "verify")))
    }
}

impl<'de> Deserialize<'de> for Jwk<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JwkVisitor;

        impl<'de> Visitor<'de> for JwkVisitor {
            type Value = Jwk<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Jwk<'de>, A::Error> {
                let mut jwk = Jwk::default();
                while let Some(name) = map.next_key::<MemberName>()? {
                    let value = map.next_value::<&RawValue>()?;
                    jwk.take(name, value);
                }
                Ok(jwk)
            }
        }

        // A derived struct would take an array for its members in their order.
        deserializer.deserialize_map(JwkVisitor)
    }
}

impl<'d> Jwk<'d> {
    fn take(&mut self, name: MemberName, value: &'d RawValue) {
        match name {
            MemberName::Public(place) => {
                let Some(member) = self.public.get_mut(place) else { return };
                if member.replace(value).is_some() {
                    self.is_repeated = true;
                    self.is_kid_repeated |= PUBLIC.get(place) == Some(&"kid");
                }
            }
            MemberName::Private(place) => {
                if let Some(is_there) = self.private.get_mut(place) {
                    *is_there |= !is_empty(value);
                }
            }
            MemberName::Other => {}
        }
    }
}

/// The name of a member, by its place in the lists. Half a surrogate pair is JSON (RFC 8259 section 8.2), but no name.
enum MemberName {
    Public(usize),
    Private(usize),
    Other,
}

impl<'de> Deserialize<'de> for MemberName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberNameVisitor;

        impl Visitor<'_> for MemberNameVisitor {
            type Value = MemberName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<MemberName, E> {
                let place = |names: &[&str]| names.iter().position(|known| known.as_bytes() == name);
                let private = || place(&PRIVATE).map(MemberName::Private);
                Ok(place(&PUBLIC).map(MemberName::Public).or_else(private).unwrap_or(MemberName::Other))
            }
        }

        deserializer.deserialize_bytes(MemberNameVisitor)
    }
}

fn text(member: &RawValue) -> Result<Cow<'_, str>, Unusable> {
    serde_json::from_str(member.get()).map(|Text(text)| text).map_err(|_| Unusable::Malformed)
}

/// Whether a private member publishes nothing: some writers have an empty one for each that a key lacks.
fn is_empty(member: &RawValue) -> bool {
    let is_empty_list = || serde_json::from_str::<Vec<&RawValue>>(member.get()).is_ok_and(|list| list.is_empty());
    matches!(member.get(), "null" | "\"\"") || is_empty_list()
}

/// An exact size means that the topmost bit is set, which also rules out a leading zero byte
/// (RFC 7518 section 6.3.1.1). No product of two odd primes is even.
fn is_acceptable_modulus(modulus: &[u8]) -> bool {
    Rs256Key::MODULUS_BYTES.contains(&modulus.len())
        && modulus.first().is_some_and(|first| first & 0x80 != 0)
        && modulus.last().is_some_and(|last| last & 1 == 1)
}

fn non_blank(text: &str) -> Option<Box<str>> {
    (!text.trim().is_empty()).then(|| text.into())
}

const EXPONENT: [u8; 3] = [1, 0, 1];

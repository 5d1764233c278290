//! The JOSE header of a token (RFC 7515 section 4), as far as it is read.

use std::borrow::Cow;

use serde::de::MapAccess;

use crate::error::RejectionKind;
use crate::ids::KeyId;
use crate::json::{Known, Members, read_text};

/// The members of the JOSE header that are read. All others, `jku`, `jwk`, `x5u`, `x5c`, `x5t` and
/// `x5t#S256` among them, are never looked at (RFC 8725 section 3.10).
#[derive(Debug, Default)]
pub(crate) struct JoseHeader<'t> {
    pub(crate) alg: Option<Cow<'t, str>>,
    pub(crate) kid: Option<Cow<'t, str>>,
    pub(crate) typ: Option<Cow<'t, str>>,
    pub(crate) has_nonce: bool,
    pub(crate) has_extension: bool,
}

impl<'t> Members<'t> for JoseHeader<'t> {
    fn read<A: MapAccess<'t>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        match name {
            "alg" => return read_text(&mut self.alg, map),
            "kid" => return read_text(&mut self.kid, map),
            "typ" => return read_text(&mut self.typ, map),
            "nonce" => self.has_nonce = true,
            "crit" | "b64" | "enc" | "zip" => self.has_extension = true,
            _ => {}
        }
        Ok(Known::No)
    }
}

impl JoseHeader<'_> {
    /// Checks `alg`, the extensions and `typ`, in this order.
    pub(crate) fn check(&self) -> Result<(), RejectionKind> {
        match self.alg.as_deref() {
            Some("RS256") => {}
            Some(_) => return Err(RejectionKind::AlgorithmNotAllowed),
            None => return Err(RejectionKind::MalformedHeader),
        }
        if self.has_extension {
            return Err(RejectionKind::CriticalHeader);
        }
        if !self.typ.as_deref().is_none_or(is_accepted_type) {
            return Err(RejectionKind::UnsupportedType);
        }
        Ok(())
    }

    /// The `kid`, which must be there.
    pub(crate) fn key_id(&self) -> Result<KeyId, RejectionKind> {
        match self.kid.as_deref() {
            None | Some("") => Err(RejectionKind::MissingKeyId),
            Some(key_id) if KeyId::fits(key_id) => Ok(KeyId::new(key_id)),
            Some(_) => Err(RejectionKind::MalformedHeader),
        }
    }
}

/// Entra writes `JWT`. `at+jwt` (RFC 9068 section 2.1) is accepted, too, in case Entra adopts it. The prefix
/// `application/` is optional (RFC 7515 section 4.1.9).
fn is_accepted_type(typ: &str) -> bool {
    let typ = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
}

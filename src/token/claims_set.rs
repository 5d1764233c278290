//! The JWT claims set (RFC 7519 section 4), as far as it is read.

use std::borrow::Cow;

use serde::de::{Error as _, MapAccess};

use crate::json::{Known, Members, Texts, read_into, read_text};

/// The claims that are read, with their JSON types checked and nothing else.
#[derive(Debug, Default)]
pub(crate) struct ClaimsSet<'t> {
    pub(crate) aud: Option<Texts<'t>>,
    pub(crate) iss: Option<Cow<'t, str>>,
    pub(crate) tid: Option<Cow<'t, str>>,
    pub(crate) ver: Option<Cow<'t, str>>,
    pub(crate) exp: Option<i64>,
    pub(crate) nbf: Option<i64>,
    pub(crate) iat: Option<i64>,
    pub(crate) oid: Option<Cow<'t, str>>,
    pub(crate) sub: Option<Cow<'t, str>>,
    pub(crate) appid: Option<Cow<'t, str>>,
    pub(crate) azp: Option<Cow<'t, str>>,
    pub(crate) idtyp: Option<Cow<'t, str>>,
    pub(crate) scp: Option<Cow<'t, str>>,
    pub(crate) roles: Option<Texts<'t>>,
    pub(crate) uti: Option<Cow<'t, str>>,
}

impl<'t> Members<'t> for ClaimsSet<'t> {
    fn read<A: MapAccess<'t>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        let text = match name {
            "iss" => &mut self.iss,
            "tid" => &mut self.tid,
            "ver" => &mut self.ver,
            "oid" => &mut self.oid,
            "sub" => &mut self.sub,
            "appid" => &mut self.appid,
            "azp" => &mut self.azp,
            "idtyp" => &mut self.idtyp,
            "scp" => &mut self.scp,
            "uti" => &mut self.uti,
            "aud" => return read_into(&mut self.aud, map),
            "roles" => return read_into(&mut self.roles, map),
            "exp" => return read_time(&mut self.exp, map),
            "nbf" => return read_time(&mut self.nbf, map),
            "iat" => return read_time(&mut self.iat, map),
            _ => return Ok(Known::No),
        };
        read_text(text, map)
    }

    fn is_look_alike(name: &str) -> bool {
        name != "tid" && name.eq_ignore_ascii_case("tid")
    }
}

/// Seconds since 1970 (RFC 7519 section 2), whole, not negative, in 63 bits.
fn read_time<'t, A: MapAccess<'t>>(member: &mut Option<i64>, map: &mut A) -> Result<Known, A::Error> {
    if member.is_some() {
        return Ok(Known::Again);
    }
    let seconds: u64 = map.next_value()?;
    *member = Some(i64::try_from(seconds).map_err(A::Error::custom)?);
    Ok(Known::Yes)
}

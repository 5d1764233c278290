//! Who calls, and whether they may.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::uri::Uri;

use super::call::DataPlane;
use super::permission::data_action;
use crate::auth::{Caller, Jwt, KeyKind, Rejection};
use crate::operation::Operation;

impl DataPlane {
    /// Finds out who calls. An access key signs with HS256 or HS512, Entra with RS256.
    pub(super) fn authenticate(&self, headers: &HeaderMap, uri: &Uri) -> Result<Caller, Rejection> {
        let token = bearer(headers)?;
        let jwt = Jwt::parse(token)?;
        if jwt.algorithm() == Some("RS256") {
            return self.entra.check(token, self.assumptions.clock_skew.as_secs());
        }
        let caller = match self.keys.signer(&jwt) {
            Some(KeyKind::Resource) => Caller::AccessKey,
            Some(KeyKind::Temporary { id }) => Caller::TemporaryKey { key_id: id },
            // The service's own key signs tokens of clients alone.
            Some(KeyKind::Service) | None => {
                return Err(Rejection::unauthorized("no access key that is alive signed the token"));
            }
        };
        jwt.check_lifetime(self.clock.unix_seconds(), self.assumptions.clock_skew.as_secs(), false)?;
        if !jwt.has_audience(|audience| self.is_address(audience, headers, uri)) {
            return Err(Rejection::unauthorized("the token's `aud` is not the address of the request"));
        }
        Ok(caller)
    }

    /// Checks the caller's roles.
    pub(super) fn authorize(&self, caller: &Caller, operation: Operation) -> Result<(), Rejection> {
        let Some(action) = data_action(operation) else { return Ok(()) };
        match caller {
            // Keys are not for getting keys.
            Caller::AccessKey | Caller::TemporaryKey { .. } if operation == Operation::AccessKey => {
                Err(Rejection::Forbidden("an access key does not get access keys".to_owned()))
            }
            Caller::AccessKey | Caller::TemporaryKey { .. } => Ok(()),
            Caller::Entra { object_id, .. } if self.roles.allow(object_id, action) => Ok(()),
            Caller::Entra { object_id, .. } => {
                Err(Rejection::Forbidden(format!("no role of {object_id} contains {action}")))
            }
        }
    }

    /// Whether an audience is the request's own address without its query, with or without a slash at the end.
    fn is_address(&self, audience: &str, headers: &HeaderMap, uri: &Uri) -> bool {
        let path = uri.path().trim_end_matches('/');
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let own = self.hosts.iter().map(String::as_str).chain([host]);
        let audience = audience.trim_end_matches('/');
        own.filter(|host| !host.is_empty()).any(|host| {
            ["https", "http"].iter().any(|scheme| {
                let origin = format!("{scheme}://{host}");
                audience.get(..origin.len()).is_some_and(|start| start.eq_ignore_ascii_case(&origin))
                    && audience.get(origin.len()..) == Some(path)
            })
        })
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Rejection> {
    let value = headers.get(AUTHORIZATION).ok_or_else(|| Rejection::unauthorized("no `Authorization`"))?;
    let text = value.to_str().map_err(|_| Rejection::unauthorized("`Authorization` is not ASCII"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Rejection::unauthorized("`Authorization` is not a bearer token"));
    }
    Ok(token.trim())
}

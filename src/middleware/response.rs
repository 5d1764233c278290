//! How a rejection is answered (RFC 6750 section 3).

use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response};

use crate::error::Rejection;

/// Makes the response to a rejected request.
///
/// Implemented for closures `Fn(&Rejection) -> Response<B>`. Whatever it returns, the layer puts the
/// [`Rejection`] into the response's extensions, and a status that is not 4xx or 5xx becomes
/// [`Rejection::status`].
///
/// [`rejection_headers`] gives the headers of the default response, to build upon:
///
/// ```
/// use axum::body::Body;
/// use http::Response;
/// use signalr_upstream_auth::{Rejection, UpstreamAuthLayer, rejection_headers};
/// # fn with_text(layer: UpstreamAuthLayer) {
///
/// let layer = layer.with_rejection_response(|rejection: &Rejection| {
///     let mut response = Response::new(Body::from(rejection.to_string()));
///     *response.status_mut() = rejection.status();
///     *response.headers_mut() = rejection_headers(rejection);
///     response
/// });
/// # axum::Router::<()>::new().layer(layer);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer rejections with a response whose body is `{B}`",
    note = "write the type of a closure's parameter: `|rejection: &Rejection| …`",
    note = "the default response needs a body that is `Default`"
)]
pub trait ResponseForRejection<B> {
    /// The response.
    fn response_for_rejection(&self, rejection: &Rejection) -> Response<B>;
}

impl<F, B> ResponseForRejection<B> for F
where
    F: Fn(&Rejection) -> Response<B>,
{
    fn response_for_rejection(&self, rejection: &Rejection) -> Response<B> {
        self(rejection)
    }
}

/// The default response: status, [`rejection_headers`] and an empty body.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultResponse;

impl<B: Default> ResponseForRejection<B> for DefaultResponse {
    fn response_for_rejection(&self, rejection: &Rejection) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = rejection.status();
        *response.headers_mut() = rejection_headers(rejection);
        response
    }
}

/// The headers of a rejection: `Cache-Control: no-store`; the challenge in `WWW-Authenticate`, one line
/// and the same for every request rejected for the same reason; `Retry-After` with a 503, which has no
/// challenge.
///
/// A request without a bearer token gets `Bearer realm="signalr-upstream"`; every other challenge has the parameters
/// `error` and `error_description` (RFC 6750 section 3).
#[must_use]
pub fn rejection_headers(rejection: &Rejection) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    if let Some(challenge) = rejection.kind().challenge() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = rejection.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RejectionKind;

    #[test]
    fn every_challenge_has_a_parameter_after_the_scheme() {
        // RFC 6750 section 3: "one or more auth-param values"; RFC 9110 section 11.2: token "=" ( token / quoted-string ).
        for kind in RejectionKind::ALL {
            let headers = rejection_headers(&Rejection::from(*kind));
            let Some(challenge) = headers.get(WWW_AUTHENTICATE) else { continue };
            let parameters = challenge.to_str().unwrap().strip_prefix("Bearer ").unwrap_or_default();
            let (name, value) = parameters.split_once('=').unwrap_or_else(|| panic!("{kind}: {challenge:?}"));
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{kind}: {name}");
            assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{kind}: {value}");
        }
    }

    #[test]
    fn every_kind_has_the_headers_of_its_class_and_no_body() {
        for kind in RejectionKind::ALL {
            let response: Response<String> = DefaultResponse.response_for_rejection(&Rejection::from(*kind));
            let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(text(CACHE_CONTROL).as_deref(), Some("no-store"));
            let challenge = match (response.status().as_u16(), kind.error_code()) {
                (503, None) => None,
                (401, None) => Some("Bearer realm=\"signalr-upstream\"".to_owned()),
                (_, Some(code)) => {
                    Some(format!("Bearer error=\"{code}\", error_description=\"{}\"", kind.description()))
                }
                (status, None) => panic!("{kind}: {status}"),
            };
            assert_eq!(text(WWW_AUTHENTICATE), challenge, "{kind}");
            assert_eq!(text(RETRY_AFTER).is_some(), challenge.is_none(), "{kind}");
            assert!(response.body().is_empty());
        }
    }
}

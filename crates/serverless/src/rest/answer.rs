//! What an answer means.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use zeroize::Zeroizing;

use super::call::Call;
use super::response::{Broken, Response};
use crate::error::{Error, ErrorKind, ServiceError};
use crate::operation::Operation;
use crate::role::Role;

/// An answer that was read as far as it is wanted. Its body may hold a secret: it is never printed, and this copy of
/// it is erased.
///
/// The buffers of the HTTP client and of TLS, from which it comes, cannot be erased from here. They are freed as they
/// are.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// The header `x-ms-error-code`.
    code: Option<String>,
    /// The header `Retry-After`, as it was sent.
    pub(crate) retry_after: Option<String>,
    /// What is wrong with the body of a success.
    pub(crate) body_problem: Option<BodyProblem>,
}

/// Why the body of a success was not read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyProblem {
    TooLarge,
    /// The connection broke.
    Broken,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("code", &self.code).finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads an answer. For an error and for a body that means nothing, what cannot be read quickly is left: the
    /// status has said what there is to say.
    pub(crate) async fn read(call: &Call, response: Response) -> Self {
        let Response { status, code, retry_after, mut body } = response;
        let wanted = call.wanted.filter(|_| status.is_success());
        let limit = wanted.unwrap_or(UNWANTED_MAX);
        let mut bytes = Zeroizing::new(Vec::new());
        let mut problem = None;
        let read = async {
            loop {
                let chunk = match body.chunk().await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(Broken) => {
                        problem = Some(BodyProblem::Broken);
                        break;
                    }
                };
                if bytes.len() + chunk.len() > limit {
                    problem = Some(BodyProblem::TooLarge);
                    break;
                }
                // Grown by hand, so that no copy of a secret is left behind.
                if bytes.len() + chunk.len() > bytes.capacity() {
                    let mut larger = Zeroizing::new(Vec::with_capacity((bytes.len() + chunk.len()).max(1024) * 2));
                    larger.extend_from_slice(&bytes);
                    bytes = larger;
                }
                bytes.extend_from_slice(&chunk);
            }
        };
        if wanted.is_some() {
            // The try as a whole has a limit.
            read.await;
        } else {
            let _ = tokio::time::timeout(UNWANTED_LIMIT, read).await;
        }
        Self { status, code, retry_after, body: bytes, body_problem: problem.filter(|_| wanted.is_some()) }
    }

    /// A 404 of the service's own: what the call names does not exist. Any other 404 may come from anybody.
    pub(crate) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.code.as_deref().is_some_and(|code| ABSENT_CODES.contains(&code))
    }

    /// The error that an answer is that is not a success.
    pub(crate) fn error(&self, operation: Operation, retry_after: Option<Duration>) -> Error {
        let status = self.status;
        let role = operation.role().unwrap_or(Role::ServiceOwner);
        let error = match status.as_u16() {
            401 => Error::new(
                ErrorKind::Unauthorized,
                "the service rejects the credentials; check the endpoint, the tenant and this machine's clock",
            ),
            403 => Error::new(
                ErrorKind::RoleMissing { role },
                format!(
                    "the service forbids {}: it needs the role \"{role}\" (or \"{}\"). A new role takes up to 30 minutes. If the role is there, check the network rules of the resource",
                    operation.as_str(),
                    Role::ServiceOwner
                ),
            ),
            404 if self.is_absent() => {
                Error::new(ErrorKind::NotFound, "what the call names does not exist at the service")
            }
            404 => Error::new(
                ErrorKind::NotFound,
                "the service does not know this address; the endpoint may be wrong, or a proxy answered in its place",
            ),
            413 => Error::new(ErrorKind::BodyTooLarge, "the service does not accept a body of this size"),
            429 => Error::new(ErrorKind::Throttled { retry_after }, "the service is throttling calls"),
            408 | 500..=599 => Error::new(ErrorKind::Unavailable, "the service cannot answer now"),
            300..=399 => Error::new(
                ErrorKind::InvalidAnswer,
                "the answer is a redirect, which the service does not send; check the endpoint and any proxy",
            ),
            400..=499 => Error::new(ErrorKind::Rejected, "the service rejects the request"),
            _ => Error::new(ErrorKind::InvalidAnswer, "the answer has a status that the service does not send"),
        };
        error.with_service(self.service_error()).with_retry_after(retry_after)
    }

    /// The error body is flat: `code` and `message`. Source: `ErrorDetail` of the API description.
    fn service_error(&self) -> ServiceError {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let parsed: Option<Value> = serde_json::from_str(text).ok();
        let member = |name| parsed.as_ref().and_then(|parsed| parsed.get(name)).and_then(Value::as_str);
        let message = match &parsed {
            Some(Value::Object(_)) => member("message"),
            // A page of a proxy says nothing, and a document that broke off may hold what is secret.
            _ => Some(text).filter(|text| !text.trim_start().starts_with(['<', '{', '['])),
        };
        let code = self.code.as_deref().filter(|code| !code.trim().is_empty()).or_else(|| member("code"));
        ServiceError::new(self.status, code, message)
    }
}

/// Source: `RestHubLifetimeManager.cs` and `Constants.cs` of
/// [Azure/azure-signalr](https://github.com/Azure/azure-signalr).
const ABSENT_CODES: [&str; 5] = [
    "Warning.Connection.NotExisted",
    "Warning.User.NotExisted",
    "Warning.Group.NotExisted",
    "Info.User.NotInGroup",
    "Error.Connection.NotExisted",
];

/// How much of a body is read that is not wanted, and for how long: enough for an error, and for the connection to
/// be used again.
const UNWANTED_MAX: usize = 64 * 1024;
const UNWANTED_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;
    use azure_core::http::{AsyncRawResponse, Method};
    use bytes::Bytes;

    use super::*;

    async fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let mut map = Headers::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let call = Call::fixed(Operation::SendToAll, Method::Post, "/");
        let response = AsyncRawResponse::from_bytes(status.into(), map, Bytes::from_static(body.as_bytes()));
        Answer::read(&call, response.into()).await
    }

    async fn kind(status: u16) -> ErrorKind {
        answer(status, &[], "").await.error(Operation::SendToAll, None).kind()
    }

    #[tokio::test]
    async fn each_status_has_its_kind() {
        assert_eq!(kind(400).await, ErrorKind::Rejected);
        assert_eq!(kind(401).await, ErrorKind::Unauthorized);
        assert_eq!(kind(403).await, ErrorKind::RoleMissing { role: Role::RestApiOwner });
        assert_eq!(kind(404).await, ErrorKind::NotFound);
        assert_eq!(kind(409).await, ErrorKind::Rejected);
        assert_eq!(kind(413).await, ErrorKind::BodyTooLarge);
        assert_eq!(kind(429).await, ErrorKind::Throttled { retry_after: None });
        for status in [408, 500, 501, 502, 503, 504, 599] {
            assert_eq!(kind(status).await, ErrorKind::Unavailable, "{status}");
        }
        for status in [101, 301, 302, 307, 308] {
            assert_eq!(kind(status).await, ErrorKind::InvalidAnswer, "{status}");
        }
    }

    #[tokio::test]
    async fn only_the_services_own_404_is_an_answer() {
        for code in ABSENT_CODES {
            assert!(answer(404, &[("x-ms-error-code", code)], "").await.is_absent(), "{code}");
        }
        assert!(!answer(404, &[], "").await.is_absent());
        assert!(!answer(404, &[("x-ms-error-code", "ResourceNotFound")], "").await.is_absent());
        assert!(!answer(400, &[("x-ms-error-code", "Warning.User.NotExisted")], "").await.is_absent());
    }

    #[tokio::test]
    async fn forbidden_names_the_role_and_the_delay() {
        let text = answer(403, &[], "").await.error(Operation::AccessKey, None).to_string();
        for part in ["SignalR App Server", "30 minutes", "network rules"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[tokio::test]
    async fn error_body_is_flat_json_or_text() {
        let service = |answer: Answer| answer.error(Operation::SendToAll, None).service().unwrap().clone();
        let flat = service(answer(400, &[], r#"{"code":"Bad","message":"no target","inner":null}"#).await);
        assert_eq!((flat.code(), flat.message()), (Some("Bad"), Some("no target")));
        let header = service(answer(400, &[("x-ms-error-code", "H")], r#"{"code":"Bad"}"#).await);
        assert_eq!((header.code(), header.message()), (Some("H"), None));
        let plain = service(answer(401, &[], "Invalid audience").await);
        assert_eq!((plain.code(), plain.message()), (None, Some("Invalid audience")));
        let page = service(answer(502, &[], "<html>gateway</html>").await);
        assert_eq!((page.code(), page.message()), (None, None));
        for broken in [r#"{"AccessKey":"hidden"#, r#"["hidden"]"#, r#"{"AccessKey":"hidden","message":7}"#] {
            assert_eq!(service(answer(500, &[], broken).await).message(), None, "{broken}");
        }
        let repeated = service(answer(400, &[], "got Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln").await);
        assert_eq!(repeated.message(), Some("got Bearer (a token)"));
        let empty = service(answer(401, &[], "").await);
        assert_eq!((empty.code(), empty.message()), (None, None));
    }
}

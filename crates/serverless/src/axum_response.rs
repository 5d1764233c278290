//! Answers for axum.

use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use crate::error::{Chain, Error, ErrorKind};
use crate::events;
use crate::negotiate::NegotiateResponse;

/// 200 with the JSON that the client expects, and `Cache-Control: no-store`: the token is a secret.
impl IntoResponse for NegotiateResponse {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self) {
            Ok(body) => {
                let headers = [
                    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
                ];
                (headers, body).into_response()
            }
            // Two texts always serialize.
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// A plain sentence and the status of [`Error::http_status`], with `Retry-After` for 503. The cause is logged, not sent.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.http_status();
        let cause = Chain(&self);
        if status.is_server_error() {
            tracing::error!(target: events::CALLS, { http.response.status_code = status.as_u16(), %cause }, "answered with an error");
        } else {
            tracing::debug!(target: events::CALLS, { http.response.status_code = status.as_u16(), %cause }, "answered with an error");
        }
        let mut response = (status, sentence(&self)).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, seconds(self.retry_after()).into());
        }
        response
    }
}

/// What a client of the app may know: neither the endpoint, nor what the service said.
fn sentence(error: &Error) -> String {
    match error.kind() {
        ErrorKind::RoleMissing { role } => {
            format!("This app may not use Azure SignalR Service: its identity needs the role \"{role}\".")
        }
        ErrorKind::InvalidId => String::from("The user id or group is not valid."),
        ErrorKind::InvalidName => String::from("The hub's name is not valid."),
        ErrorKind::TokenTooLong => String::from("The client's claims are too long for a token."),
        ErrorKind::BodyTooLarge => String::from("The message is too large."),
        ErrorKind::NotFound if error.service_code().is_some() => String::from("There is no such connection."),
        ErrorKind::InvalidArguments | ErrorKind::InvalidOptions => String::from("The call is not valid."),
        ErrorKind::KeyUnavailable | ErrorKind::Unavailable | ErrorKind::Throttled { .. } | ErrorKind::Credential => {
            String::from("Azure SignalR Service is not available now. Try again later.")
        }
        ErrorKind::Unauthorized
        | ErrorKind::NotFound
        | ErrorKind::Rejected
        | ErrorKind::InvalidAnswer
        | ErrorKind::Config => String::from("Azure SignalR Service rejects this app's calls."),
    }
}

/// Whole seconds, 1 to 30: what a client can be asked to wait.
fn seconds(wait: Option<Duration>) -> u64 {
    let wait = wait.unwrap_or(Duration::from_secs(1));
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).clamp(1, 30)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::ServiceError;
    use crate::role::Role;

    fn response(error: Error) -> (u16, Option<String>) {
        let response = error.into_response();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), retry_after)
    }

    #[test]
    fn unavailable_is_503_with_retry_after() {
        let after = |wait| Error::new(ErrorKind::KeyUnavailable, "").with_retry_after(wait);
        assert_eq!(response(after(None)), (503, Some("1".into())));
        assert_eq!(response(after(Some(Duration::from_millis(1500)))), (503, Some("2".into())));
        assert_eq!(response(after(Some(Duration::MAX))), (503, Some("30".into())));
    }

    #[test]
    fn missing_role_is_502_and_names_the_role_alone() {
        let error = Error::new(ErrorKind::RoleMissing { role: Role::AppServer }, "hidden")
            .with_service(ServiceError::new(StatusCode::FORBIDDEN, None, Some("hidden")))
            .with_endpoint(&Arc::from("hidden"));
        assert!(sentence(&error).contains("SignalR App Server") && !sentence(&error).contains("hidden"));
        assert_eq!(response(error), (502, None));
    }

    #[test]
    fn faults_of_the_caller_are_4xx() {
        for (kind, status) in [
            (ErrorKind::InvalidId, 400),
            (ErrorKind::InvalidName, 400),
            (ErrorKind::InvalidOptions, 400),
            (ErrorKind::InvalidArguments, 400),
            (ErrorKind::TokenTooLong, 413),
            (ErrorKind::BodyTooLarge, 413),
        ] {
            assert_eq!(response(Error::new(kind, "")), (status, None));
        }
    }
}

//! Errors as the REST API answers them.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;

use crate::auth::Rejection;
use crate::web::{Answer, empty, json as json_answer};

/// Why an operation fails.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// The `x-ms-error-code`, if the answer has one.
    code: Option<&'static str>,
    message: String,
    /// Whether the answer has a body. Those of 401 and 403 have none.
    silent: bool,
}

impl Problem {
    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: Some(code), message: message.into(), silent: false }
    }

    /// 404 with the service's code, which makes it an answer instead of a wrong address.
    pub(super) fn missing(code: &'static str, message: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: Some(code), message: message.to_owned(), silent: false }
    }

    pub(super) fn of_status(status: StatusCode, message: &str) -> Self {
        Self { status, code: None, message: message.to_owned(), silent: false }
    }

    /// Names the command of a transaction that it is about, from 0.
    pub(super) fn of_command(self, index: usize) -> Self {
        Self { message: format!("Command {index}: {}", self.message), ..self }
    }

    /// 404 without a code: no such path.
    pub(crate) fn no_such_path() -> Self {
        let message = "no operation has this method and path".to_owned();
        Self { status: StatusCode::NOT_FOUND, code: None, message, silent: true }
    }

    pub(crate) fn code(&self) -> Option<&'static str> {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn answer(&self) -> Answer {
        let mut answer = if self.silent {
            empty(self.status)
        } else {
            let body = json!({
                "code": self.code.unwrap_or("Request.Failed"),
                "message": self.message,
                "target": null,
                "details": [],
                "inner": null,
            });
            json_answer(self.status, &body)
        };
        if let Some(code) = self.code {
            answer.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(code));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let (status, message) = match rejection {
            Rejection::Unauthorized(reason) => (StatusCode::UNAUTHORIZED, reason),
            Rejection::Forbidden(reason) => (StatusCode::FORBIDDEN, reason),
        };
        Self { status, code: None, message, silent: true }
    }
}

const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

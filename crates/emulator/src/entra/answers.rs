//! The answers of token endpoints.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json};

use crate::web::{Answer, json as json_answer};

/// An error in the form of RFC 6749 section 5.2, with Entra's additions.
pub(super) struct TokenError {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    /// The number after `AADSTS`.
    pub(super) code: u32,
    pub(super) description: String,
}

impl TokenError {
    pub(super) fn bad_request(error: &'static str, code: u32, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, code, description: description.into() }
    }

    pub(super) fn invalid_client(code: u32, description: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", code, description: description.into() }
    }

    pub(super) fn answer(&self) -> Answer {
        let body = json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {}", self.code, self.description),
            "error_codes": [self.code],
        });
        no_store(self.status, &body)
    }
}

/// An answer that nobody may cache (RFC 6749 section 5.1).
pub(super) fn no_store(status: StatusCode, body: &Value) -> Answer {
    let mut answer = json_answer(status, body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

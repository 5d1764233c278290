//! What the service itself said of an error.

use std::error::Error;
use std::fmt;

use http::StatusCode;

use super::redaction::without_tokens;

/// The status of an answer that is not a success, with the service's own code and text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceError {
    status: StatusCode,
    code: Option<String>,
    message: Option<String>,
}

impl ServiceError {
    /// Code and text are cut to [`CODE_MAX`] and [`MESSAGE_MAX`] characters, without tokens and control characters.
    pub(crate) fn new(status: StatusCode, code: Option<&str>, message: Option<&str>) -> Self {
        let printable = |text: &str, longest: usize| {
            let text: String = without_tokens(text).chars().filter(|c| !c.is_control()).collect();
            let text: String = text.trim().chars().take(longest).collect();
            (!text.is_empty()).then_some(text)
        };
        Self {
            status,
            code: code.and_then(|code| printable(code, CODE_MAX)),
            message: message.and_then(|message| printable(message, MESSAGE_MAX)),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header `x-ms-error-code`, else `code` of the body, at most 128 characters.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// `message` of the body, else the body as text, at most 1,024 characters.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

impl Error for ServiceError {}

const CODE_MAX: usize = 128;
const MESSAGE_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_status_code_and_text() {
        let error = ServiceError::new(StatusCode::FORBIDDEN, Some("Forbidden"), Some("no\r\nrole "));
        assert_eq!(error.to_string(), "the service answered 403 Forbidden, Forbidden: norole");
        let bare = ServiceError::new(StatusCode::UNAUTHORIZED, Some(" "), None);
        assert_eq!(bare.to_string(), "the service answered 401 Unauthorized");
    }

    #[test]
    fn text_is_bounded() {
        let error = ServiceError::new(StatusCode::BAD_REQUEST, Some(&"c".repeat(9999)), Some(&"ü".repeat(9999)));
        assert_eq!((error.code().unwrap().chars().count(), error.message().unwrap().chars().count()), (128, 1024));
    }
}

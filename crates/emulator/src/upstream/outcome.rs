//! What an answer of an upstream means for the client that waits.

use bytes::Bytes;
use http::StatusCode;

/// What a client gets for an invocation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// The body of the answer, byte for byte.
    Verbatim(Bytes),
    /// A completion without a result.
    Void,
    /// A completion with an error.
    Error(String),
}

/// What the last attempt brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Attempt {
    Answer {
        status: StatusCode,
        body: Bytes,
    },
    /// An answer whose body is longer than the service takes.
    TooLong,
    /// No answer: the connection failed or time ran out.
    Nothing,
}

impl Attempt {
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Answer { status: StatusCode::OK, body } if !body.is_empty() => Reply::Verbatim(body),
            Self::Answer { status: StatusCode::OK | StatusCode::NO_CONTENT, .. } => Reply::Void,
            Self::Answer { status, .. } => failed(status.as_u16()),
            Self::TooLong => Reply::Error("Invocation failed, the upstream's answer is too long.".to_owned()),
            Self::Nothing => failed(500),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Answer { status, .. } if status.is_success())
    }
}

fn failed(status: u16) -> Reply {
    Reply::Error(format!("Invocation failed, status code {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static str) -> Reply {
        Attempt::Answer { status: StatusCode::from_u16(status).unwrap(), body: body.into() }.reply()
    }

    #[test]
    fn only_200_and_204_are_good() {
        assert_eq!(reply(200, "x"), Reply::Verbatim("x".into()));
        assert_eq!(reply(200, ""), Reply::Void);
        assert_eq!(reply(204, ""), Reply::Void);
        for status in [201, 202, 302, 400, 401, 404, 429, 503] {
            assert_eq!(reply(status, "x"), Reply::Error(format!("Invocation failed, status code {status}")));
        }
        assert_eq!(Attempt::Nothing.reply(), failed(500));
    }
}

//! Ids and names that become part of a path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::error::{Error, ErrorKind, Result};

/// An id that can stand in a path as one segment.
///
/// `.` and `..` cannot, not even encoded: URL parsers take `%2E%2E` for `..` and remove it with the segment before
/// (WHATWG URL, "double-dot URL path segment"), so that a message for the user `..` would reach everyone.
pub(crate) fn check(what: &'static str, id: &str) -> Result<()> {
    match id {
        "" => Err(invalid(format!("the {what} is empty"))),
        "." | ".." => Err(invalid(format!("the {what} is \"{id}\", which cannot be addressed"))),
        _ => Ok(()),
    }
}

/// A group's name: also at most 1,024 characters, and not blank.
pub(crate) fn check_group(name: &str) -> Result<()> {
    check("group", name)?;
    if name.trim().is_empty() {
        return Err(invalid("the group is blank"));
    }
    if name.chars().count() > GROUP_LENGTH_MAX {
        return Err(invalid(format!("the group has more than {GROUP_LENGTH_MAX} characters")));
    }
    Ok(())
}

/// A hub's name in lower case, as the service knows it.
pub(crate) fn hub(name: &str) -> Result<String> {
    let mut bytes = name.bytes();
    let is_valid = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_`,.[]".contains(&byte))
        && name.len() <= HUB_LENGTH_MAX;
    if !is_valid {
        return Err(Error::new(
            ErrorKind::InvalidName,
            format!(
                "the hub must begin with a letter and have at most {HUB_LENGTH_MAX} letters, digits or characters of _`,.[]"
            ),
        ));
    }
    Ok(name.to_ascii_lowercase())
}

/// One segment of a path, or one value of a query. Everything but RFC 3986's unreserved characters is encoded.
pub(crate) fn encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ENCODED)
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidId, text)
}

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const GROUP_LENGTH_MAX: usize = 1024;
const HUB_LENGTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_ids_that_change_the_path() {
        for id in ["", ".", ".."] {
            assert_eq!(check("user id", id).unwrap_err().kind(), ErrorKind::InvalidId, "{id:?}");
        }
        for id in ["...", "a..b", "%2e%2e", " ", "a/b"] {
            assert!(check("user id", id).is_ok(), "{id:?}");
        }
    }

    #[test]
    fn rejects_groups_outside_the_limits() {
        assert!(check_group(&"ü".repeat(1024)).is_ok());
        for group in ["", "..", " \t", &"g".repeat(1025)] {
            assert_eq!(check_group(group).unwrap_err().kind(), ErrorKind::InvalidId);
        }
    }

    #[test]
    fn hub_matches_the_pattern_and_becomes_lower_case() {
        assert_eq!(hub("Chat_1`,.[]").unwrap(), "chat_1`,.[]");
        assert_eq!(hub(&"h".repeat(128)).unwrap().len(), 128);
        for name in ["", "1chat", "_chat", "chat-room", "chat/room", "chät", "a b", &"h".repeat(129)] {
            assert_eq!(hub(name).unwrap_err().kind(), ErrorKind::InvalidName, "{name:?}");
        }
    }

    #[test]
    fn encodes_everything_but_unreserved_characters() {
        assert_eq!(encode("a/b%?#\\ü-._~").to_string(), "a%2Fb%25%3F%23%5C%C3%BC-._~");
    }
}

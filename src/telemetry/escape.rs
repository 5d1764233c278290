//! Text from outside for people to read: escaped, so that it can forge no log line, and cut.

/// Escapes line ends, terminal sequences and marks that change the writing direction, and cuts the result to at most
/// `max_bytes`. It never cuts an escape in two.
pub(crate) fn escape_and_cut(text: &str, max_bytes: usize) -> String {
    let mut escaped_text = String::new();
    for character in text.chars() {
        let escaped = character.escape_debug();
        if escaped_text.len() + escaped.clone().map(char::len_utf8).sum::<usize>() > max_bytes {
            break;
        }
        escaped_text.extend(escaped);
    }
    escaped_text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_forge_a_line() {
        assert_eq!(escape_and_cut("a\r\nb\u{1b}[31m\u{202e}\"ä", 64), "a\\r\\nb\\u{1b}[31m\\u{202e}\\\"ä");
    }

    #[test]
    fn cuts_to_the_limit_and_never_within_an_escape() {
        assert_eq!(escape_and_cut(&"x".repeat(100), 64).len(), 64);
        assert_eq!(escape_and_cut("ab\n", 3), "ab");
        assert_eq!(escape_and_cut("ab\n", 4), "ab\\n");
        assert_eq!(escape_and_cut("äää", 5), "ää");
        assert_eq!(escape_and_cut(&"\u{7}".repeat(1_000_000), 64).len() % "\\u{7}".len(), 0);
    }
}

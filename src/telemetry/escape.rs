//! Text from outside, made fit to be read by a person: escaped, and no longer than asked for.

/// As much of a text as fits into so many bytes once escaped. Line ends, terminal sequences and marks
/// that turn the writing direction come out as escapes; no escape is cut in two.
pub(crate) fn escape_and_cut(text: &str, max_bytes: usize) -> String {
    let mut excerpt = String::new();
    for character in text.chars() {
        let escaped = character.escape_debug();
        if excerpt.len() + escaped.clone().map(char::len_utf8).sum::<usize>() > max_bytes {
            break;
        }
        excerpt.extend(escaped);
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_comes_out_escaped() {
        assert_eq!(escape_and_cut("a\r\nb\u{1b}[31m\u{202e}\"ä", 64), "a\\r\\nb\\u{1b}[31m\\u{202e}\\\"ä");
    }

    #[test]
    fn no_more_bytes_than_asked_for_and_no_half_escape() {
        assert_eq!(escape_and_cut(&"x".repeat(100), 64).len(), 64);
        assert_eq!(escape_and_cut("ab\n", 3), "ab");
        assert_eq!(escape_and_cut("ab\n", 4), "ab\\n");
        assert_eq!(escape_and_cut("äää", 5), "ää");
        assert_eq!(escape_and_cut(&"\u{7}".repeat(1_000_000), 64).len() % "\\u{7}".len(), 0);
    }
}

//! Tokens in text that comes from others.

use std::borrow::Cow;

/// The text with every compact JWS in it (RFC 7515 section 7.1) replaced by [`HIDDEN`]. A proxy that repeats the
/// request in its error page would otherwise bring the caller's token into the app's log.
pub(crate) fn without_tokens(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = text;
    let mut looked_at = 0;
    while let Some(found) = rest.get(looked_at..).and_then(|text| text.find(START)) {
        let start = looked_at + found;
        let (before, token) = rest.split_at(start);
        let end = token.find(|c: char| !is_of_token(c)).unwrap_or(token.len());
        if end < SHORTEST {
            looked_at = start + START.len();
            continue;
        }
        kept.push_str(before);
        kept.push_str(HIDDEN);
        rest = token.get(end..).unwrap_or_default();
        looked_at = 0;
    }
    if kept.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(kept + rest) }
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `{"` and a letter in base64url: every JOSE header begins so.
const START: &str = "eyJ";
/// The part of the shortest JOSE header that has an `alg`.
const SHORTEST: usize = 16;
const HIDDEN: &str = "(a token)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_each_token_and_keeps_the_rest() {
        let token = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl-_";
        for (text, expected) in [
            (format!("got Bearer {token}, {token}"), "got Bearer (a token), (a token)"),
            (format!("token={token}&x=eyJ"), "token=(a token)&x=eyJ"),
            (token.to_owned(), "(a token)"),
            (token[..16].to_owned(), "(a token)"),
            (format!("eyJ {token}ü"), "eyJ (a token)ü"),
        ] {
            assert_eq!(without_tokens(&text), expected);
        }
    }

    #[test]
    fn leaves_other_text_as_it_is() {
        for text in
            ["", "AADSTS700016: not found", "0f8fad5b-d9cb-469f-a165-70867728950e", "eyJ", "eyJhbGciOiJ", "keyJoin"]
        {
            assert!(matches!(without_tokens(text), Cow::Borrowed(same) if same == text));
        }
    }
}

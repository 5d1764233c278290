//! Percent-decoding.

/// Decodes `%XX` once. `None` if the bytes are not UTF-8. A `%` without two hexadecimal digits stays as it is.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let bytes = percent_encoding::percent_decode_str(text);
    bytes.decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

//! Request paths, read from the bytes on the wire.
//!
//! No URL library touches a path here: each of them folds dot segments before anyone can see what a client sent.

use super::form::percent_decode;

/// How the service reads a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathRules {
    /// Removes `.` and `..` segments, also percent-encoded ones, after decoding.
    pub(crate) fold_dot_segments: bool,
    /// Decodes `%2F` within a segment to a slash. Otherwise it stays `%2F`.
    pub(crate) decode_slash: bool,
}

/// The segments of a path, each decoded exactly once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Segments(Vec<String>);

impl Segments {
    /// Reads the path of a request target. `None` if a segment is not UTF-8.
    pub(crate) fn read(raw: &str, rules: PathRules) -> Option<Self> {
        let mut segments: Vec<String> = Vec::new();
        for raw_segment in raw.strip_prefix('/').unwrap_or(raw).split('/') {
            let segment = decode(raw_segment, rules)?;
            match segment.as_str() {
                "." if rules.fold_dot_segments => (),
                ".." if rules.fold_dot_segments => {
                    segments.pop();
                }
                _ => segments.push(segment),
            }
        }
        Some(Self(segments))
    }

    pub(crate) fn as_strs(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

fn decode(raw: &str, rules: PathRules) -> Option<String> {
    if rules.decode_slash {
        return percent_decode(raw);
    }
    // `%252F` decodes to the text `%2F` as well; who keeps the slash encoded cannot tell the two apart.
    let kept = raw.replace("%2f", "%252F").replace("%2F", "%252F");
    percent_decode(&kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str, fold_dot_segments: bool, decode_slash: bool) -> Vec<String> {
        Segments::read(raw, PathRules { fold_dot_segments, decode_slash }).unwrap().0
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(read("/users/a%2Fb/%C3%BC%20x", true, true), ["users", "a/b", "ü x"]);
        assert_eq!(read("/users/%252E%252E/%2525", true, true), ["users", "%2E%2E", "%25"]);
        assert_eq!(read("/users/a%2fb", true, false), ["users", "a%2Fb"]);
        assert_eq!(read("/users/100%/%zz", true, true), ["users", "100%", "%zz"]);
    }

    #[test]
    fn dot_segments_fold_after_decoding() {
        for raw in ["/hubs/chat/users/../:send", "/hubs/chat/users/%2E%2e/:send", "/hubs/chat/users/x/.././../:send"] {
            assert_eq!(read(raw, true, true), ["hubs", "chat", ":send"], "{raw}");
        }
        assert_eq!(read("/users/../:send", false, true), ["users", "..", ":send"]);
        assert_eq!(read("/../../a", true, true), ["a"]);
    }

    #[test]
    fn segments_that_are_not_utf8_are_rejected() {
        assert!(Segments::read("/%FF", PathRules { fold_dot_segments: true, decode_slash: true }).is_none());
    }

    #[test]
    fn empty_segments_stay() {
        assert_eq!(read("/users//:send/", true, true), ["users", "", ":send", ""]);
    }
}

//! What is sent: method, path, query and body.
//!
//! Source: the API description `v20241201` in
//! [Azure/azure-signalr](https://github.com/Azure/azure-signalr/tree/dev/docs/swagger).

use std::fmt::Write as _;

use azure_core::http::Method;
use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::ids;
use crate::operation::Operation;

/// One call, the same for every endpoint. `Debug` hides its target, which names users, groups and connections.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// Path and query, encoded. Begins with `/api/`.
    pub(crate) target: String,
    pub(crate) body: Option<Body>,
    /// The largest body of a success that is read. `None` if the body means nothing.
    pub(crate) wanted: Option<usize>,
}

/// A body and its media type.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Bytes,
}

impl Body {
    /// Checks the size.
    pub(crate) fn new(content_type: &'static str, bytes: Bytes) -> Result<Self> {
        if bytes.len() > BODY_MAX {
            return Err(Error::new(
                ErrorKind::BodyTooLarge,
                format!("the message has {} bytes, more than the {BODY_MAX} that the service accepts", bytes.len()),
            ));
        }
        Ok(Self { content_type, bytes })
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("content_type", &self.content_type).field("length", &self.bytes.len()).finish()
    }
}

/// One segment of a path below the hub.
#[derive(Clone, Copy)]
pub(crate) enum Segment<'a> {
    Fixed(&'static str),
    /// Checked by [`ids`] before; encoded here.
    Id(&'a str),
}

/// A call below a hub, whose name is checked and in lower case.
pub(crate) fn hub_call(operation: Operation, method: Method, hub: &str, segments: &[Segment<'_>]) -> Call {
    let mut target = format!("/api/hubs/{}", ids::encode(hub));
    for segment in segments {
        target.push('/');
        match segment {
            Segment::Fixed(text) => target.push_str(text),
            Segment::Id(id) => target.extend(ids::encode(id)),
        }
    }
    target.push_str("?api-version=");
    target.push_str(API_VERSION);
    Call { operation, method, target, body: None, wanted: None }
}

impl Call {
    /// A call outside the hubs. `target` needs no encoding.
    pub(crate) fn fixed(operation: Operation, method: Method, target: &'static str) -> Self {
        Self { operation, method, target: target.to_owned(), body: None, wanted: None }
    }

    /// Adds a value to the query.
    pub(crate) fn query(&mut self, name: &'static str, value: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.target, "&{name}={}", ids::encode(value));
    }

    pub(crate) fn with_body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Reads the body of the answer, up to so many bytes.
    pub(crate) fn wants(mut self, limit: usize) -> Self {
        self.wanted = Some(limit);
        self
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let method = self.method.as_str();
        f.debug_struct("Call").field("operation", &self.operation).field("method", &method).finish_non_exhaustive()
    }
}

const API_VERSION: &str = "2024-12-01";

/// 1 MB. Source: [REST API](https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).
const BODY_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn target(ids: [&str; 2]) -> String {
        let segments = [Segment::Fixed("users"), Segment::Id(ids[0]), Segment::Fixed("groups"), Segment::Id(ids[1])];
        hub_call(Operation::UserInGroup, Method::Head, "chat", &segments).target
    }

    #[test]
    fn ids_are_one_encoded_segment_each() {
        assert_eq!(target(["a/b", "ü?#"]), "/api/hubs/chat/users/a%2Fb/groups/%C3%BC%3F%23?api-version=2024-12-01");
    }

    #[test]
    fn hub_is_encoded() {
        let call = hub_call(Operation::SendToAll, Method::Post, "a`[x]", &[Segment::Fixed(":send")]);
        assert_eq!(call.target, "/api/hubs/a%60%5Bx%5D/:send?api-version=2024-12-01");
    }

    #[test]
    fn query_values_repeat_and_are_encoded() {
        let mut call = hub_call(Operation::SendToAll, Method::Post, "chat", &[Segment::Fixed(":send")]);
        call.query("excluded", "a&b");
        call.query("excluded", "c d");
        assert_eq!(call.target, "/api/hubs/chat/:send?api-version=2024-12-01&excluded=a%26b&excluded=c%20d");
    }

    #[test]
    fn body_over_a_megabyte_is_rejected() {
        assert!(Body::new("application/json", vec![0; BODY_MAX].into()).is_ok());
        let error = Body::new("application/json", vec![0; BODY_MAX + 1].into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    }

    fn id() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{1,12}", "[./%\\\\]{1,6}", "(%2[eE]|\\.|/|%5c){1,4}", Just("\0\t\n".to_owned())]
    }

    proptest! {
        /// A URL parser that follows the WHATWG standard leaves the path as it was written: no segment goes, none
        /// comes, and each decodes to its id.
        #[test]
        fn no_id_changes_the_path(user in id(), group in id()) {
            prop_assume!(ids::check("user id", &user).is_ok() && ids::check_group(&group).is_ok());
            let target = target([&user, &group]);
            let url = Url::parse(&format!("https://a.service.signalr.net{target}")).unwrap();
            let (path, query) = target.split_once('?').unwrap();
            prop_assert_eq!((url.path(), url.query()), (path, Some(query)));
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 7);
            let decoded = |index: usize| percent_encoding::percent_decode_str(segments[index]).decode_utf8().unwrap();
            prop_assert_eq!((&*decoded(4), &*decoded(6)), (&*user, &*group));
        }
    }
}

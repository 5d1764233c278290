//! Arguments of a hub method, and the bodies that carry them.

mod message_pack;

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::rest::Body;

/// Arguments of a hub method that is called on clients: any reference to a `Serialize` that becomes a sequence, or a
/// [`Payload`].
///
/// A tuple is the natural form: `&("anna", "hello")` calls `newMessage(user, text)`, and `&("hello",)` a method with
/// one parameter.
pub trait Arguments: sealed::Sealed {
    #[doc(hidden)]
    fn into_body(self, target: &str) -> Result<RequestBody>;
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed {}

    /// What a call carries.
    #[derive(Debug)]
    #[expect(unnameable_types, reason = "only this crate builds and reads it")]
    pub struct RequestBody(pub(crate) crate::rest::Body);
}

pub(crate) use sealed::RequestBody;

impl<T: Serialize + ?Sized> sealed::Sealed for &T {}

impl<T: Serialize + ?Sized> Arguments for &T {
    fn into_body(self, target: &str) -> Result<RequestBody> {
        json(target, self).map(RequestBody)
    }
}

/// Arguments in an encoding of your choice.
///
/// ```no_run
/// # async fn send(chat: &signalr_serverless::HubClient) -> signalr_serverless::Result<()> {
/// use signalr_serverless::Payload;
///
/// chat.send_to_all("newMessage", Payload::both(&("anna", "hello"))).await
/// # }
/// ```
pub struct Payload<'a, T: ?Sized> {
    arguments: &'a T,
    encoding: Encoding,
}

/// Without the arguments: they are a message.
impl<T: ?Sized> fmt::Debug for Payload<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Json,
    Both,
}

impl<'a, T: Serialize + ?Sized> Payload<'a, T> {
    /// As JSON, which is what plain arguments become. The service converts it for clients of the MessagePack
    /// protocol.
    #[must_use]
    pub const fn json(arguments: &'a T) -> Self {
        Self { arguments, encoding: Encoding::Json }
    }

    /// As JSON and as MessagePack, ready for clients of both protocols: binary data, and the difference between
    /// integers and floats, reach those of MessagePack unchanged.
    #[must_use]
    pub const fn both(arguments: &'a T) -> Self {
        Self { arguments, encoding: Encoding::Both }
    }
}

impl<T: ?Sized> sealed::Sealed for Payload<'_, T> {}

impl<T: Serialize + ?Sized> Arguments for Payload<'_, T> {
    fn into_body(self, target: &str) -> Result<RequestBody> {
        match self.encoding {
            Encoding::Json => json(target, self.arguments),
            Encoding::Both => both(target, self.arguments),
        }
        .map(RequestBody)
    }
}

/// `{"target": …, "arguments": […]}`. Source: `PayloadMessage` of the API description.
fn json<T: Serialize + ?Sized>(target: &str, arguments: &T) -> Result<Body> {
    let (target, arguments) = json_parts(target, arguments)?;
    let body = [br#"{"target":"#, &*target, br#","arguments":"#, &*arguments, b"}"].concat();
    Body::new("application/json", body.into())
}

/// A MessagePack map from the name of each protocol to a message that is framed for it. Source:
/// `BinaryPayloadMessageContent.cs` of [Azure/azure-signalr](https://github.com/Azure/azure-signalr), and the
/// [hub protocol](https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md).
fn both<T: Serialize + ?Sized>(target: &str, arguments: &T) -> Result<Body> {
    let packed = message_pack::invocation(target, arguments)?;
    let (target, arguments) = json_parts(target, arguments)?;
    // 0x1E ends a message of the JSON protocol.
    let json = [br#"{"type":1,"target":"#, &*target, br#","arguments":"#, &*arguments, b"}\x1e"].concat();
    let body = message_pack::by_protocol(&[("json", &json), ("messagepack", &packed)])?;
    Body::new("application/octet-stream", Bytes::from(body))
}

fn json_parts<T: Serialize + ?Sized>(target: &str, arguments: &T) -> Result<(Vec<u8>, Vec<u8>)> {
    if target.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArguments, "the target, a method of the client, is empty"));
    }
    let to_json = |error: serde_json::Error| invalid(Cause::of(&error));
    let target = serde_json::to_vec(target).map_err(to_json)?;
    let arguments = serde_json::to_vec(arguments).map_err(to_json)?;
    if arguments.first() == Some(&b'[') { Ok((target, arguments)) } else { Err(no_sequence()) }
}

fn invalid(cause: Cause) -> Error {
    Error::new(ErrorKind::InvalidArguments, "the arguments do not serialize").with_cause(cause)
}

fn no_sequence() -> Error {
    Error::new(
        ErrorKind::InvalidArguments,
        "the arguments do not serialize to a sequence; write a tuple, for one argument `&(argument,)`",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn body(arguments: impl Arguments) -> Result<(String, Vec<u8>)> {
        let RequestBody(body) = arguments.into_body("newMessage")?;
        Ok((body.content_type.to_owned(), body.bytes.to_vec()))
    }

    #[test]
    fn plain_arguments_become_json() {
        let (content_type, bytes) = body(&("anna", 7, [1.5])).unwrap();
        assert_eq!(content_type, "application/json");
        assert_eq!(bytes, br#"{"target":"newMessage","arguments":["anna",7,[1.5]]}"#);
        assert_eq!(body(Payload::json(&("anna", 7, [1.5]))).unwrap().1, bytes);
    }

    #[test]
    fn arguments_must_be_a_sequence() {
        let kind = |result: Result<(String, Vec<u8>)>| result.unwrap_err().kind();
        assert_eq!(kind(body("text")), ErrorKind::InvalidArguments);
        assert_eq!(kind(body(&())), ErrorKind::InvalidArguments);
        assert_eq!(kind(body(&json!({ "a": 1 }))), ErrorKind::InvalidArguments);
        assert_eq!(kind(body(Payload::both("text"))), ErrorKind::InvalidArguments);
        assert_eq!(kind(body(Payload::both(&()))), ErrorKind::InvalidArguments);
        let keys_are_no_text = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(kind(body(&[keys_are_no_text])), ErrorKind::InvalidArguments);
        assert!((&[1]).into_body("").is_err() && Payload::both(&[1]).into_body("").is_err());
        assert!(body(&Vec::<u8>::new()).is_ok() && body(&json!(["a"])).is_ok());
    }

    #[test]
    fn both_carries_a_framed_message_for_each_protocol() {
        let (content_type, bytes) = body(Payload::both(&("anna", -1))).unwrap();
        assert_eq!(content_type, "application/octet-stream");
        let json = b"{\"type\":1,\"target\":\"newMessage\",\"arguments\":[\"anna\",-1]}\x1e";
        // [1, {}, nil, "newMessage", ["anna", -1], []] after its length.
        let packed =
            [&[23, 0x96, 0x01, 0x80, 0xc0, 0xaa][..], b"newMessage", &[0x92, 0xa4], b"anna", &[0xff, 0x90]].concat();
        assert_eq!(packed.len(), usize::from(packed[0]) + 1);
        let expected = [
            &[0x82, 0xa4][..],
            b"json",
            &[0xc4, u8::try_from(json.len()).unwrap()],
            json,
            &[0xab],
            b"messagepack",
            &[0xc4, u8::try_from(packed.len()).unwrap()],
            &packed,
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    proptest! {
        /// Whatever the target and the arguments hold, the service reads them as they are.
        #[test]
        fn json_is_read_as_it_was_meant(target in "\\PC{1,12}", texts in prop::collection::vec("\\PC{0,12}", 0..4)) {
            let RequestBody(body) = (&texts).into_body(&target).unwrap();
            let read: Value = serde_json::from_slice(&body.bytes).unwrap();
            prop_assert_eq!(read, json!({ "target": target, "arguments": texts }));
        }
    }
}

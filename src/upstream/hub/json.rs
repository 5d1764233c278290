//! The JSON hub protocol, as far as an upstream needs it: reads invocations, writes completions.

use bytes::Bytes;
use serde::de::Deserializer as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::upstream::hub::envelope::{ArgumentList, BoxError, Count, Element, Envelope, Outcome};

/// Reads an invocation message. One record separator may follow.
pub(crate) fn read_invocation(body: &Bytes) -> Result<Envelope, BoxError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct InvocationMessage<'a> {
        r#type: u64,
        invocation_id: Option<String>,
        target: String,
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }

    // serde_json does not check the encoding of strings that it skips.
    let text = str::from_utf8(without_separator(body))?;
    // Serde reads a struct from an array, too.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("the message is no JSON object".into());
    }
    let message: InvocationMessage<'_> = serde_json::from_str(text)?;
    if message.r#type != INVOCATION {
        return Err(format!("type {} is no invocation", message.r#type).into());
    }
    let arguments = match message.arguments {
        Some(raw) => body.slice_ref(raw.get().as_bytes()),
        None => Bytes::from_static(b"[]"),
    };
    let argument_count = serde_json::Deserializer::from_slice(&arguments).deserialize_seq(Count)?;
    Ok(Envelope { invocation_id: message.invocation_id, target: message.target, arguments, argument_count })
}

/// Reads all arguments.
pub(crate) fn read_arguments<'a, T: Deserialize<'a>>(arguments: &'a [u8]) -> Result<T, BoxError> {
    Ok(T::deserialize(ArgumentList(&mut serde_json::Deserializer::from_slice(arguments)))?)
}

/// Reads one argument.
pub(crate) fn read_argument<'a, T: Deserialize<'a>>(arguments: &'a [u8], index: usize) -> Result<T, BoxError> {
    Ok(serde_json::Deserializer::from_slice(arguments).deserialize_seq(Element::at(index))?)
}

/// Writes a completion message and the record separator.
///
/// No record separator can come out of the values: JSON escapes control characters.
pub(crate) fn write_completion<T>(invocation_id: &str, outcome: &Outcome<'_, T>) -> Result<Vec<u8>, BoxError>
where
    T: Serialize + ?Sized,
{
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct CompletionMessage<'a, T: ?Sized> {
        r#type: u64,
        invocation_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a T>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    }

    let (result, error) = match outcome {
        Outcome::Error(text) => (None, Some(*text)),
        Outcome::Result(value) => (Some(*value), None),
        Outcome::Void => (None, None),
    };
    let mut bytes = serde_json::to_vec(&CompletionMessage { r#type: COMPLETION, invocation_id, result, error })?;
    bytes.push(RECORD_SEPARATOR);
    Ok(bytes)
}

/// The service sends bodies without the separator; an older release of its emulator left one in place.
pub(crate) fn without_separator(body: &[u8]) -> &[u8] {
    body.strip_suffix(&[RECORD_SEPARATOR]).unwrap_or(body)
}

const RECORD_SEPARATOR: u8 = 0x1e;
const INVOCATION: u64 = 1;
const COMPLETION: u64 = 3;

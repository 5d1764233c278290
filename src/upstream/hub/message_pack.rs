//! The MessagePack hub protocol, as far as an upstream needs it: reads invocations, writes completions.
//!
//! Values have the same shape as in JSON, so that one type serves clients of both protocols: structs are maps, and
//! types with a human-readable form, such as GUIDs, are strings.

use bytes::Bytes;
use rmp::{decode, encode};
use rmp_serde::decode::{ReadReader, ReadRefReader};
use serde::de::{Deserializer as _, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::upstream::hub::envelope::{ArgumentList, BoxError, Count, Element, Envelope, Outcome};

/// Reads an invocation message: one array of five elements, or of six with the stream ids. Its length may precede it.
pub(crate) fn read_invocation(body: &Bytes) -> Result<Envelope, BoxError> {
    // No body is both: where the prefix can be the start of a message, a map follows in one and an array in the other.
    match read_message(body, body) {
        Ok(envelope) => Ok(envelope),
        Err(error) => without_length(body).and_then(|message| read_message(body, message).ok()).ok_or(error),
    }
}

/// Reads the message, which is a part of the body.
fn read_message(body: &Bytes, message: &[u8]) -> Result<Envelope, BoxError> {
    let mut rest = message;
    let length = decode::read_array_len(&mut rest)?;
    if !(5..=6).contains(&length) {
        return Err(format!("{length} elements are no invocation").into());
    }
    let message_type: u64 = decode::read_int(&mut rest)?;
    if message_type != INVOCATION {
        return Err(format!("type {message_type} is no invocation").into());
    }
    decode::read_map_len(&mut &*rest)?;
    IgnoredAny::deserialize(&mut skimmer(&mut rest))?;
    let invocation_id = match rest.strip_prefix(&[NIL]) {
        Some(after) => {
            rest = after;
            None
        }
        None => Some(read_text(&mut rest)?),
    };
    let target = read_text(&mut rest)?;
    let before = rest;
    decode::read_array_len(&mut &*rest)?;
    let argument_count = skimmer(&mut rest).deserialize_seq(Count)?;
    let arguments = body.slice_ref(&before[..before.len() - rest.len()]);
    if length == 6 {
        decode::read_array_len(&mut &*rest)?;
        IgnoredAny::deserialize(&mut skimmer(&mut rest))?;
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes after the message", rest.len()).into());
    }
    Ok(Envelope { invocation_id, target, arguments, argument_count })
}

/// Reads all arguments.
pub(crate) fn read_arguments<'a, T: Deserialize<'a>>(arguments: &'a [u8]) -> Result<T, BoxError> {
    Ok(T::deserialize(ArgumentList(&mut reader(arguments)))?)
}

/// Reads one argument.
pub(crate) fn read_argument<'a, T: Deserialize<'a>>(arguments: &'a [u8], index: usize) -> Result<T, BoxError> {
    Ok(reader(arguments).deserialize_seq(Element::at(index))?)
}

/// Writes the length and the completion message.
pub(crate) fn write_completion<T>(invocation_id: &str, outcome: &Outcome<'_, T>) -> Result<Vec<u8>, BoxError>
where
    T: Serialize + ?Sized,
{
    let (kind, length) = match outcome {
        Outcome::Error(_) => (ERROR, 5),
        Outcome::Result(_) => (RESULT, 5),
        Outcome::Void => (VOID, 4),
    };
    let mut message = Vec::new();
    encode::write_array_len(&mut message, length)?;
    encode::write_uint(&mut message, COMPLETION)?;
    encode::write_map_len(&mut message, 0)?;
    encode::write_str(&mut message, invocation_id)?;
    encode::write_uint(&mut message, kind)?;
    match outcome {
        Outcome::Error(text) => encode::write_str(&mut message, text)?,
        Outcome::Result(value) => {
            let start = message.len();
            value.serialize(&mut rmp_serde::Serializer::new(&mut message).with_struct_map().with_human_readable())?;
            check_single_value(&message[start..])?;
        }
        Outcome::Void => {}
    }
    Ok(framed(&message))
}

/// Checks that a result is exactly one value. A hand-written `Serialize` may announce another number of elements than
/// it writes. JSON ignores that number, but a MessagePack client would misread everything that follows.
fn check_single_value(mut bytes: &[u8]) -> Result<(), BoxError> {
    IgnoredAny::deserialize(&mut skimmer(&mut bytes))?;
    if bytes.is_empty() { Ok(()) } else { Err("the value wrote more elements than it announced".into()) }
}

/// Prefixes the message with its length: seven bits a byte, the lowest first, the top bit set in all but the last.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 5);
    let mut length = message.len();
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            frame.push(low & 0x7f);
            break;
        }
        frame.push(low | 0x80);
    }
    frame.extend_from_slice(message);
    frame
}

/// The message behind a length that is exactly its own. The service sends bodies without it; an older release of its
/// emulator left it in place.
fn without_length(body: &[u8]) -> Option<&[u8]> {
    let last = body.iter().take(MAX_LENGTH_BYTES).position(|byte| byte & 0x80 == 0)?;
    let (prefix, message) = body.split_at(last + 1);
    let length = prefix.iter().rev().fold(0_u64, |length, byte| length << 7 | u64::from(byte & 0x7f));
    (u64::try_from(message.len()) == Ok(length)).then_some(message)
}

fn read_text(rest: &mut &[u8]) -> Result<String, BoxError> {
    let (text, after) = decode::read_str_from_slice(*rest).map_err(|error| error.to_string())?;
    *rest = after;
    Ok(text.to_owned())
}

/// Skips values: advances the slice and keeps nothing.
fn skimmer<'a, 'b>(rest: &'a mut &'b [u8]) -> rmp_serde::Deserializer<ReadReader<&'a mut &'b [u8]>> {
    let mut deserializer = rmp_serde::Deserializer::new(rest);
    deserializer.set_max_depth(MAX_DEPTH);
    deserializer
}

type Reader<'a> = rmp_serde::Deserializer<
    ReadRefReader<'a, [u8]>,
    rmp_serde::config::HumanReadableConfig<rmp_serde::config::DefaultConfig>,
>;

fn reader(bytes: &[u8]) -> Reader<'_> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    deserializer.set_max_depth(MAX_DEPTH);
    deserializer
}

/// The maximum nesting of values, as in serde_json. The default of rmp-serde, 1024, needs much stack.
const MAX_DEPTH: usize = 128;

/// The most bytes that the hub protocol gives a length.
const MAX_LENGTH_BYTES: usize = 5;

const NIL: u8 = 0xc0;
const INVOCATION: u64 = 1;
const COMPLETION: u64 = 3;
const ERROR: u64 = 1;
const VOID: u64 = 2;
const RESULT: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_length_in_groups_of_seven_bits() {
        for (length, prefix) in [
            (0, &[0x00][..]),
            (1, &[0x01]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
        ] {
            let frame = framed(&vec![0xc0; length]);
            assert_eq!(&frame[..prefix.len()], prefix, "{length}");
            assert_eq!(frame.len(), prefix.len() + length);
        }
    }
}

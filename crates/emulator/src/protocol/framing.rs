//! How messages follow one another: a record separator in JSON, a length in MessagePack.

use bytes::{Bytes, BytesMut};

/// Bytes that do not hold whole messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a length prefix is longer than five bytes or exceeds the limit")]
    Length,
}

/// A JSON message with the record separator 0x1E behind it.
pub(crate) fn frame_json(text: &str) -> Bytes {
    [text.as_bytes(), &[RECORD_SEPARATOR]].concat().into()
}

/// A MessagePack message with its length before it, seven bits a byte, the lowest first.
pub(crate) fn frame_message_pack(message: &[u8]) -> Bytes {
    let mut framed = Vec::with_capacity(message.len() + 5);
    let mut left = message.len();
    loop {
        // Seven bits always fit.
        let low = u8::try_from(left & 0x7f).unwrap_or_default();
        left >>= 7;
        if left == 0 {
            framed.push(low);
            break;
        }
        framed.push(low | 0x80);
    }
    framed.extend_from_slice(message);
    framed.into()
}

/// Takes the next whole JSON message from a buffer, without its separator.
pub(crate) fn split_json(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.iter().position(|byte| *byte == RECORD_SEPARATOR)?;
    let message = buffer.split_to(end).freeze();
    let _ = buffer.split_to(1);
    Some(message)
}

/// Takes the next whole MessagePack message from a buffer, without its length.
pub(crate) fn split_message_pack(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, FrameError> {
    let (mut length, mut prefix) = (0_usize, 0);
    loop {
        let Some(byte) = buffer.get(prefix) else { return Ok(None) };
        if prefix == 5 {
            return Err(FrameError::Length);
        }
        length |= usize::from(byte & 0x7f) << (7 * prefix);
        prefix += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if length > limit {
        return Err(FrameError::Length);
    }
    if buffer.len() < prefix + length {
        return Ok(None);
    }
    let _ = buffer.split_to(prefix);
    Ok(Some(buffer.split_to(length).freeze()))
}

const RECORD_SEPARATOR: u8 = 0x1e;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_messages_end_with_the_separator() {
        let mut buffer = BytesMut::from(&b"{}\x1e[1]\x1erest"[..]);
        assert_eq!(split_json(&mut buffer).unwrap(), "{}");
        assert_eq!(split_json(&mut buffer).unwrap(), "[1]");
        assert_eq!(split_json(&mut buffer), None);
        assert_eq!(&buffer[..], b"rest");
    }

    #[test]
    fn message_pack_messages_begin_with_their_length() {
        for length in [0, 1, 127, 128, 300, 20_000] {
            let message = vec![7; length];
            let mut buffer = BytesMut::from(&frame_message_pack(&message)[..]);
            let last = buffer.split_off(buffer.len() - 1);
            assert_eq!(split_message_pack(&mut buffer, 20_000), Ok(None));
            buffer.unsplit(last);
            assert_eq!(split_message_pack(&mut buffer, 20_000), Ok(Some(message.into())));
            assert!(buffer.is_empty());
        }
        assert_eq!(frame_message_pack(&[0; 128])[..2], [0x80, 0x01]);
    }

    #[test]
    fn lengths_beyond_the_limit_are_errors() {
        let mut buffer = BytesMut::from(&frame_message_pack(&[0; 11])[..]);
        assert_eq!(split_message_pack(&mut buffer, 10), Err(FrameError::Length));
        let mut buffer = BytesMut::from(&[0xff; 6][..]);
        assert_eq!(split_message_pack(&mut buffer, usize::MAX), Err(FrameError::Length));
    }
}

//! The MessagePack side of a message.

use rmp::encode;
use serde::Serialize;

use super::{invalid, no_sequence};
use crate::error::{Cause, Error, Result};

/// An invocation `[1, headers, invocation id, target, arguments, stream ids]` after its length. Source: the
/// [hub protocol](https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md),
/// "MessagePack (MsgPack) encoding".
pub(super) fn invocation<T: Serialize + ?Sized>(target: &str, arguments: &T) -> Result<Vec<u8>> {
    let arguments = rmp_serde::to_vec_named(arguments).map_err(|error| invalid(Cause::of(&error)))?;
    // `fixarray`, `array 16`, `array 32`.
    if !matches!(arguments.first(), Some(0x90..=0x9f | 0xdc | 0xdd)) {
        return Err(no_sequence());
    }
    let mut message = Vec::with_capacity(arguments.len() + target.len() + 16);
    encode::write_array_len(&mut message, 6).map_err(failed)?;
    encode::write_uint(&mut message, 1).map_err(failed)?;
    encode::write_map_len(&mut message, 0).map_err(failed)?;
    encode::write_nil(&mut message).map_err(|error| invalid(Cause::of(&error)))?;
    encode::write_str(&mut message, target).map_err(failed)?;
    message.extend_from_slice(&arguments);
    encode::write_array_len(&mut message, 0).map_err(failed)?;
    let mut framed = length_prefix(message.len());
    framed.extend_from_slice(&message);
    Ok(framed)
}

/// A map from the name of each protocol to bytes.
pub(super) fn by_protocol(messages: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut map = Vec::with_capacity(messages.iter().map(|(name, bytes)| name.len() + bytes.len() + 8).sum());
    encode::write_map_len(&mut map, u32::try_from(messages.len()).unwrap_or(u32::MAX)).map_err(failed)?;
    for (name, bytes) in messages {
        encode::write_str(&mut map, name).map_err(failed)?;
        encode::write_bin(&mut map, bytes).map_err(failed)?;
    }
    Ok(map)
}

/// The length as "VarInt": seven bits a byte, the lowest first.
fn length_prefix(mut length: usize) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(5);
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        if length == 0 {
            prefix.push(low);
            return prefix;
        }
        prefix.push(low | 0x80);
    }
}

fn failed(error: encode::ValueWriteError) -> Error {
    invalid(Cause::of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_seven_bits_a_byte() {
        assert_eq!(length_prefix(0), [0]);
        assert_eq!(length_prefix(127), [0x7f]);
        assert_eq!(length_prefix(128), [0x80, 0x01]);
        assert_eq!(length_prefix(300), [0xac, 0x02]);
        assert_eq!(length_prefix(2_097_152), [0x80, 0x80, 0x80, 0x01]);
    }
}

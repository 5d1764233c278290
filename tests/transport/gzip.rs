//! As much of gzip (RFC 1952) and deflate (RFC 1951) as wraps a text and makes a bomb.

/// The bytes as they are, in a wrapper that any reader of gzip accepts.
pub(super) fn wrap(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("one stored block is enough");
    let mut wrapped = HEADER.to_vec();
    // The final block, stored.
    wrapped.push(1);
    wrapped.extend_from_slice(&length.to_le_bytes());
    wrapped.extend_from_slice(&(!length).to_le_bytes());
    wrapped.extend_from_slice(bytes);
    wrapped.extend_from_slice(&crc32(bytes).to_le_bytes());
    wrapped.extend_from_slice(&u32::from(length).to_le_bytes());
    wrapped
}

/// About so many spaces, in a 160th of their size. Without the sum at the end, which no reader waits for.
pub(super) fn spaces(count: usize) -> Vec<u8> {
    let mut bits = Bits { bytes: HEADER.to_vec(), used: 0 };
    // The final block, with fixed codes: one space, then "258 bytes from 1 byte back" again and again.
    bits.push(0b011, 3);
    bits.push_code(0x50, 8);
    for _ in 0..count / 258 {
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
    }
    bits.push_code(0, 7);
    bits.bytes
}

struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are taken.
    used: u32,
}

impl Bits {
    /// The lowest bit first.
    fn push(&mut self, bits: u32, count: u32) {
        for place in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let bit = u8::from(bits >> place & 1 == 1);
            *self.bytes.last_mut().expect("there is one") |= bit << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    /// The highest bit first, as codes are written.
    fn push_code(&mut self, code: u32, count: u32) {
        self.push(code.reverse_bits() >> (32 - count), count);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

#[test]
fn what_is_wrapped_is_gzip() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert!(spaces(10_000_000).len() < 70_000);
}

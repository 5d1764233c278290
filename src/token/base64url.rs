//! Strict base64url without padding (RFC 7515 section 2), by wide instructions where the processor has them.
//!
//! The wide decoder takes whole blocks that are good, and leaves everything else to the usual one. So both accept the same
//! text, and name the same byte of another.

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
use std::sync::LazyLock;

use base64::{DecodeError, Engine};

/// Decodes a segment of a token.
pub(super) fn decode(segment: &[u8]) -> Result<Vec<u8>, DecodeError> {
    engine().decode(segment)
}

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
fn engine() -> &'static impl Engine {
    use base64::engine::Simd;
    use base64::engine::general_purpose::NO_PAD;

    // What the processor has is found out once.
    static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));
    &*ENGINE
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
fn engine() -> &'static impl Engine {
    &base64::engine::general_purpose::URL_SAFE_NO_PAD
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// Every byte at every place of texts of several lengths: shorter than a block, whole blocks, and with a rest.
    #[test]
    fn decodes_what_the_usual_decoder_does_and_names_the_same_byte() {
        // Miri takes a thousand times as long.
        let (lengths, step) = match cfg!(miri) {
            true => (vec![4, 68], 51),
            false => ([(0..12).collect(), vec![63, 64, 66, 96, 131]].concat(), 1),
        };
        let (mut accepted, mut rejected) = (0, 0);
        for length in lengths {
            let text: Vec<u8> = b"AZaz09-_".iter().cycle().take(length).copied().collect();
            assert_eq!(decode(&text), URL_SAFE_NO_PAD.decode(&text), "{length}");
            for place in 0..length {
                for byte in (0..=u8::MAX).step_by(step) {
                    let mut text = text.clone();
                    text[place] = byte;
                    let expected = URL_SAFE_NO_PAD.decode(&text);
                    if expected.is_ok() {
                        accepted += 1
                    } else {
                        rejected += 1
                    }
                    assert_eq!(decode(&text), expected, "{byte} at {place} of {length}");
                }
            }
        }
        assert!(accepted * step > 1000 && rejected * step > 1000, "{accepted} {rejected}");
    }
}

//! Random texts.

use aws_lc_rs::rand;

/// So many random characters of `A` to `Z`, `a` to `z`, `0` to `9`.
#[expect(clippy::expect_used, reason = "fails only where the system has no random numbers, and then nothing can run")]
pub(crate) fn text(length: usize) -> String {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).expect("the system gives random numbers");
    // Some characters come a little more often than others, which does no harm to texts of this length.
    bytes.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

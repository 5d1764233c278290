//! Finds parts of a token in what was written.

/// So many bytes are found in two texts by no accident.
pub const RUN: usize = 12;

/// Every run of [`RUN`] bytes in some texts.
///
/// A hash table with chains, as compressors keep one. A set would hash each run byte by byte, which takes long without
/// optimization.
#[derive(Debug)]
pub struct Runs {
    texts: Vec<u8>,
    /// For each hash the end of a run, or 0.
    latest: Vec<usize>,
    /// For the end of each run that of another with its hash, or 0.
    earlier: Vec<usize>,
}

impl Runs {
    /// The runs of these texts.
    #[must_use]
    pub fn of<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut texts = Vec::new();
        let mut ends = Vec::new();
        for part in parts {
            texts.extend_from_slice(part.as_ref());
            ends.push(texts.len());
        }
        let size = texts.len().next_power_of_two().max(64);
        let mut latest = vec![0; size];
        let mut earlier = vec![0; texts.len() + 1];
        let mut start = 0;
        for end in ends {
            let mut bytes = 0;
            for at in start..end {
                bytes = (bytes << 8) | u64::from(texts[at]);
                let end = at + 1;
                if end >= start + RUN {
                    let latest = &mut latest[hash(bytes, size)];
                    // A letter that is repeated for kilobytes is one run.
                    if *latest == 0 || texts[*latest - RUN..*latest] != texts[end - RUN..end] {
                        earlier[end] = *latest;
                        *latest = end;
                    }
                }
            }
            start = end;
        }
        Self { texts, latest, earlier }
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, run: &[u8]) -> bool {
        let last = run.iter().fold(0, |bytes, byte| (bytes << 8) | u64::from(*byte));
        run.len() == RUN && self.has(run, last)
    }

    /// Those that are in this text, too.
    #[must_use]
    pub fn in_text<'t>(&self, text: &'t [u8]) -> Vec<&'t [u8]> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for (at, byte) in text.iter().enumerate() {
            bytes = (bytes << 8) | u64::from(*byte);
            if at + 1 >= RUN && self.has(&text[at + 1 - RUN..=at], bytes) {
                found.push(&text[at + 1 - RUN..=at]);
            }
        }
        found
    }

    /// The first that is in this text, too, as text.
    #[must_use]
    pub fn first_in(&self, text: &str) -> Option<String> {
        self.in_text(text.as_bytes()).first().map(|run| String::from_utf8_lossy(run).into_owned())
    }

    /// `last` are the last eight bytes of the run.
    fn has(&self, run: &[u8], last: u64) -> bool {
        let mut end = self.latest[hash(last, self.latest.len())];
        while end != 0 {
            if self.texts[end - RUN..end] == *run {
                return true;
            }
            end = self.earlier[end];
        }
        false
    }
}

/// Below `size`, a power of two, by a product that depends on all of the bytes.
fn hash(bytes: u64, size: usize) -> usize {
    let product = bytes.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    usize::try_from(product).unwrap_or(0) & (size - 1)
}

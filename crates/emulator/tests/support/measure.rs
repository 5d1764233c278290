//! What a long run tells: latencies as a table, resident memory over time, and whether that is flat.

use std::fmt;
use std::time::{Duration, Instant};

/// Latencies of one kind, in as much memory at the end of a run as at its beginning.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// How many there are of each length: microseconds up to 64, then 32 steps for each power of two.
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; 40 * STEPS], total: 0, longest: Duration::ZERO }
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap();
        let power = micros.max(1).ilog2().saturating_sub(STEPS.ilog2());
        let index = usize::try_from(power).unwrap() * STEPS + usize::try_from(micros >> power).unwrap();
        self.counts[index] += 1;
        self.total += 1;
        self.longest = self.longest.max(latency);
    }

    #[allow(dead_code, reason = "of use to a run with many tallies")]
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, other)| *own += other);
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The latency that so many percent do not exceed, at most 3 % too high.
    fn at(&self, percent: u64) -> Duration {
        let wanted = (self.total * percent).div_ceil(100);
        let mut so_far = 0;
        let index = self.counts.iter().position(|count| {
            so_far += count;
            so_far >= wanted
        });
        let index = index.unwrap();
        let power = (index / STEPS).saturating_sub(1);
        let end = u64::try_from(index - power * STEPS + 1).unwrap() << power;
        Duration::from_micros(end - 1).min(self.longest)
    }
}

/// A row of the table that begins with [`HEAD`].
impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| self.at(percent));
        write!(f, "{} | {p50:.1?} | {p90:.1?} | {p99:.1?} | {:.1?} |", self.total, self.longest)
    }
}

pub(crate) const HEAD: &str = "| | count | p50 | p90 | p99 | max |\n|---|---|---|---|---|---|";

/// Resident memory of this process over time.
#[derive(Debug)]
pub(crate) struct Memory {
    started: Instant,
    kib: Vec<u64>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), kib: Vec::with_capacity(4096) }
    }

    /// Reads it and prints it, with what the run has done so far.
    pub(crate) fn sample(&mut self, progress: &str) {
        let kib = resident();
        println!("{:>4} s: {:>7.1} MiB resident, {progress}", self.started.elapsed().as_secs(), mebibytes(kib));
        self.kib.push(kib);
    }

    /// The last third of a run needs no more than the middle third did, but for 2 % and 4 MiB: allocators take memory in
    /// steps. The first third fills what is bounded.
    pub(crate) fn assert_flat(&self) {
        let third = self.kib.len() / 3;
        assert!(third >= 3, "the run is too short: {} samples", self.kib.len());
        let (before, last) = self.kib.split_at(self.kib.len() - third);
        let (middle, last) = (before[third..].iter().max().unwrap(), last.iter().max().unwrap());
        let [first_mib, middle_mib, last_mib] = [&self.kib[0], middle, last].map(|kib| mebibytes(*kib));
        println!(
            "memory: {first_mib:.1} MiB at first, at most {middle_mib:.1} in the middle, {last_mib:.1} at the end"
        );
        assert!(*last <= middle + middle / 50 + 4096, "memory grows: {:?} KiB", self.kib);
    }
}

/// `VmRSS` in KiB (proc_pid_status(5)).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a run on Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn mebibytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1024.0
}

const STEPS: usize = 32;

/// Memory that a run would have seen.
#[cfg(test)]
fn memory(kib: impl Iterator<Item = u64>) -> Memory {
    Memory { started: Instant::now(), kib: kib.collect() }
}

#[test]
fn memory_that_fills_up_first_is_flat() {
    memory((0..30).map(|sample| 20_000 + sample.min(10) * 3000)).assert_flat();
}

#[test]
#[should_panic(expected = "memory grows")]
fn memory_that_grows_to_the_end_is_found() {
    memory((0..30).map(|sample| 20_000 + sample * 600)).assert_flat();
}

#[test]
fn percentiles_are_at_most_three_percent_too_high() {
    let mut latencies = Latencies::new();
    for micros in (1..=10_000).rev() {
        latencies.add(Duration::from_micros(micros));
    }
    for percent in [1, 50, 90, 99, 100] {
        let (exact, found) = (Duration::from_micros(100 * percent), latencies.at(percent));
        assert!(exact <= found && found <= exact + exact * 3 / 100 + Duration::from_micros(1), "{percent}: {found:?}");
    }
    assert_eq!(latencies.at(100), latencies.longest);
}

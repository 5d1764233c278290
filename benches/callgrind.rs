//! Runs programs under callgrind and reads their profiles.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// What a number of requests cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    /// All instructions.
    total: u64,
    /// Those of calls from Rust into AWS-LC.
    crypto: u64,
    /// Calls of `malloc` and its like.
    allocations: u64,
    /// Cache lines of code that every request executes.
    pub(crate) code_lines: usize,
    /// Instructions of each function itself.
    functions: HashMap<String, u64>,
}

impl Costs {
    /// Instructions per request, without those of AWS-LC.
    pub(crate) fn own(&self, requests: u64) -> f64 {
        (self.total - self.crypto) as f64 / requests as f64
    }

    /// Instructions per request.
    pub(crate) fn all(&self, requests: u64) -> f64 {
        self.total as f64 / requests as f64
    }

    /// Allocations per request, rounded: a cache that grows allocates now and then.
    pub(crate) fn allocations(&self, requests: u64) -> u64 {
        (self.allocations + requests / 2) / requests
    }

    /// Instructions per request of each function itself, the most expensive first.
    pub(crate) fn functions(&self, requests: u64) -> Vec<(&str, f64)> {
        let mut functions: Vec<_> =
            self.functions.iter().map(|(name, cost)| (name.as_str(), *cost as f64 / requests as f64)).collect();
        functions.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        functions
    }
}

pub(crate) fn is_installed() -> bool {
    Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// The words before a program that is to be counted from the beginning of a function `measured` to its end. `name` is of
/// this run alone.
pub(crate) fn command_line(name: &str) -> Vec<String> {
    let out = out(name);
    [
        "valgrind",
        "--tool=callgrind",
        "--quiet",
        "--dump-instr=yes",
        "--collect-atstart=no",
        "--toggle-collect=*instructions*measured*",
        &format!("--callgrind-out-file={out}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Runs a command that calls a program under callgrind, and reads the profile.
pub(crate) fn costs(name: &str, command: &mut Command, input: &str, requests: u64) -> Costs {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "valgrind could not run {name}: {}", String::from_utf8_lossy(&ended.stderr));
    let out = out(name);
    let profile = fs::read_to_string(&out).unwrap();
    fs::remove_file(&out).unwrap();
    read(&profile, requests)
}

fn out(name: &str) -> String {
    env::temp_dir().join(format!("instructions-{}-{name}", std::process::id())).display().to_string()
}

/// The costs of a whole profile.
///
/// The format is that of <https://valgrind.org/docs/manual/cl-format.html>: costs of a function itself stand on lines
/// of their own, one for each address; the line after `calls=` is the cost of calls to the function that `cfn=` names.
/// Its number of calls includes those outside `measured`. So allocations are counted by the first instruction of the
/// function.
fn read(profile: &str, requests: u64) -> Costs {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut caller, mut callee) = ("", "");
    let mut costs = Costs::default();
    let mut first_instructions: HashMap<&str, (u64, u64)> = HashMap::new();
    let mut address = 0;
    let mut code_lines = HashSet::new();
    let mut is_call = false;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = resolve(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = resolve(name, &mut names);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let mut columns = line.split(' ');
            address = follow(address, columns.next().unwrap());
            // The second column is the line of the source.
            let cost: u64 = columns.nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            match std::mem::take(&mut is_call) {
                false => {
                    costs.total += cost;
                    *costs.functions.entry(caller.to_owned()).or_default() += cost;
                    if cost >= requests {
                        code_lines.insert(address / CACHE_LINE);
                    }
                    if ALLOCATORS.contains(&caller) {
                        let first = first_instructions.entry(caller).or_insert((address, cost));
                        *first = (*first).min((address, cost));
                    }
                }
                // The crate `aws_lc_rs` is ours to count, what it calls is not.
                true if is_rust(caller) && !is_rust(callee) && callee.starts_with("aws_lc_") => costs.crypto += cost,
                true => {}
            }
        }
    }
    costs.allocations = first_instructions.values().map(|(_, executed)| executed).sum();
    costs.code_lines = code_lines.len();
    costs
}

/// An address is absolute, or relative to the one before.
fn follow(before: u64, column: &str) -> u64 {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    };
    match column.split_at(1) {
        ("*", _) => before,
        ("+", by) => before + number(by),
        ("-", by) => before - number(by),
        _ => number(column),
    }
}

/// A name is written once, with a number, and is the number from then on.
fn resolve<'p>(name: &'p str, names: &mut HashMap<&'p str, &'p str>) -> &'p str {
    match name.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(name).copied().unwrap_or(name),
    }
}

fn is_rust(name: &str) -> bool {
    name.contains("::") || name.starts_with("_R") || name.starts_with("_ZN")
}

/// Bytes of a cache line of x86-64.
const CACHE_LINE: u64 = 64;

/// The functions of the C library that allocate.
const ALLOCATORS: &[&str] = &["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

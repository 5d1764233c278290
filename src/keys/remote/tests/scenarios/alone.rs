//! A test in a process of its own, where the whole heap is its own.

use std::process::Command;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs the test of this full name again, as the only one of a new process, and there what it consists of, on paused
/// time.
pub(super) fn alone(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        return runtime.expect("a runtime").block_on(test);
    }
    let program = std::env::current_exe().expect("a test has a program");
    let mut child = Command::new(program);
    let output = child
        // A slow test is ignored, but whoever came here wants it.
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it can be run again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "no test is named {name}");
    print!("{text}");
}

/// The heap from one moment on.
pub(super) struct Heap {
    before: usize,
}

impl Heap {
    pub(super) fn start() -> Self {
        Self { before: ALLOCATOR.current_usage() }
    }

    /// By how many bytes what is alive now exceeds what was alive then.
    pub(super) fn growth(&self) -> usize {
        ALLOCATOR.current_usage().saturating_sub(self.before)
    }
}

const CHILD: &str = "TEST_RUNS_ALONE";

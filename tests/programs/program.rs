//! The example programs, built before the first of them starts.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::OnceLock;

use tokio::process::Command;

pub(crate) use crate::child::Program;

/// Where the servers are called.
pub(crate) const PATH: &str = "/upstream/chat/messages/echo";

pub(crate) const SERVERS: [&str; 2] = ["axum_upstream", "hyper_upstream"];

impl Program {
    /// Starts an example with these variables and none of the others that would matter to it.
    pub(crate) fn start<N, V>(name: &'static str, vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        Self::spawn(name, Command::new(path_of(name)), vars)
    }
}

/// Builds the programs with the profile and into the folder of the tests, and says where one of them is.
fn path_of(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(|deps| deps.parent()).unwrap().to_owned();
        // All of them in one build: each alone would build its dependencies again with other features.
        let mut build = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--target-dir"]).arg(profile.parent().unwrap());
        build.args(PROGRAMS.map(|name| ["--package", name]).as_flattened());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the examples are built");
        profile
    });
    assert!(PROGRAMS.contains(&name), "{name} is not among the programs that are built");
    // A package cannot have the name of its dependency `metrics`; the program can.
    let program = name.strip_suffix("_upstream").filter(|name| *name == "metrics").unwrap_or(name);
    folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
}

/// The examples that tests start.
const PROGRAMS: [&str; 5] =
    ["axum_upstream", "hyper_upstream", "custom_key_source", "metrics_upstream", "actix_upstream"];

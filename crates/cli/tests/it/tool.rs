//! The program as a tool: what it prints, and how it exits.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::child::decides;
use crate::server::PROGRAM;

/// What a command that has ended printed, and its exit code.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) async fn run(arguments: &[&str], vars: &[(&str, String)], input: &str) -> Ended {
    let mut command = command(arguments, vars);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends without reading breaks the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The exit code of a command whose output and errors nobody reads.
pub(crate) async fn run_unread(arguments: &[&str], vars: &[(&str, String)]) -> i32 {
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    let mut command = command(arguments, vars);
    let status = command.stdin(Stdio::null()).stdout(closed()).stderr(closed()).status().await.unwrap();
    status.code().unwrap()
}

fn command(arguments: &[&str], vars: &[(&str, String)]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os().filter(|(name, _)| decides(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.args(arguments).envs(vars.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    command
}

#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

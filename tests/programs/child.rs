//! Programs as child processes. The tests of the command line share this file.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// A running program, killed when dropped.
pub(crate) struct Program {
    name: &'static str,
    pub(crate) child: Child,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
}

impl Program {
    /// Starts a program with these variables and none of the others that would matter to it.
    pub(crate) fn spawn<N, V>(name: &'static str, mut command: Command, vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        for (name, _) in std::env::vars_os() {
            if decides(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        let mut child = command
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("ADMIN_ADDR", "127.0.0.1:0")
            .envs(vars)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Self { name, child, stdout, stderr }
    }

    /// What it has printed, once `part` is among it.
    pub(crate) async fn stdout_with(&mut self, part: &str) -> String {
        self.text_with(self.stdout.clone(), part).await
    }

    /// What it has logged, once `part` is among it.
    pub(crate) async fn stderr_with(&mut self, part: &str) -> String {
        self.text_with(self.stderr.clone(), part).await
    }

    /// Where it listens, with settings: it says so in its log.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        self.logged("listening address=").await
    }

    /// The address that follows `before` in the log.
    pub(crate) async fn logged(&mut self, before: &str) -> SocketAddr {
        let log = self.stderr_with(before).await;
        log.split(before).nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Waits for its end: how it ended, and all it wrote to stderr.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{} still runs: {}", self.name, self.stderr.borrow().as_str()));
        // The sender is dropped with the last line.
        while self.stderr.changed().await.is_ok() {}
        (status.unwrap(), self.stderr.borrow().clone())
    }

    /// All that it printed; it has ended.
    pub(crate) async fn output(mut self) -> (ExitStatus, String) {
        let mut stdout = self.stdout.clone();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it finishes by itself").unwrap();
        while stdout.changed().await.is_ok() {}
        (status, stdout.borrow().clone())
    }

    async fn text_with(&self, mut text: watch::Receiver<String>, part: &str) -> String {
        let found = timeout(PATIENCE, text.wait_for(|text| text.contains(part))).await;
        match found {
            Ok(Ok(text)) => text.clone(),
            Ok(Err(_)) | Err(_) => panic!(
                "{} does not say `{part}`, but\n{}\n{}",
                self.name,
                self.stdout.borrow().as_str(),
                self.stderr.borrow().as_str()
            ),
        }
    }
}

/// Whether a variable of the one who runs the tests would change what an example does.
pub(crate) fn decides(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("SIGNALR_UPSTREAM_")
        || name.ends_with("_PROXY")
        || matches!(
            name.as_str(),
            "ADMIN_ADDR" | "LISTEN_ADDR" | "RUST_LOG" | "REQUEST_METHOD" | "SSL_CERT_DIR" | "SSL_CERT_FILE"
        )
}

/// Gathers what is written, line by line.
fn collect(stream: impl AsyncRead + Send + Unpin + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|text| {
                text.push_str(&line);
                text.push('\n');
            });
        }
    });
    receiver
}

/// Far more than any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

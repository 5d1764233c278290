//! Example programs as child processes.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// Where the servers are called.
pub(crate) const PATH: &str = "/upstream/chat/messages/echo";

pub(crate) const SERVERS: [&str; 2] = ["axum_upstream", "hyper_upstream"];

/// A running example, killed when dropped.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
}

impl Program {
    /// Starts an example with these variables and none of the others that would matter to it.
    pub(crate) fn start<N, V>(name: &'static str, vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut command = Command::new(path_of(name));
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

    /// Where it serves probes, if not there.
    pub(crate) async fn admin_address(&mut self) -> SocketAddr {
        self.logged("serving probes admin=").await
    }

    async fn logged(&mut self, before: &str) -> SocketAddr {
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

/// Builds the programs with the profile and into the folder of the tests, and says where one of them is.
pub(crate) fn path_of(name: &str) -> PathBuf {
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
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The examples that tests start.
const PROGRAMS: [&str; 6] =
    ["axum_upstream", "hyper_upstream", "custom_key_source", "forward_auth", "explain_token", "check_azure"];

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

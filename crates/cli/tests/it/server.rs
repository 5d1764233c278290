//! The program as a server.

use std::ffi::OsStr;
use std::net::SocketAddr;

use tokio::process::Command;

use crate::child::Program;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_signalr-upstream-auth");

impl Program {
    pub(crate) fn forward_auth(vars: Vec<(&'static str, String)>) -> Self {
        Self::command(&["forward-auth"], vars)
    }

    pub(crate) fn command<N, V>(arguments: &[&str], vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        Self::spawn("signalr-upstream-auth", command, vars)
    }

    /// Where it listens, once it has keys: a busy machine may take longer to load them than a request waits.
    pub(crate) async fn loaded_address(&mut self) -> SocketAddr {
        self.stderr_with("the keys are loaded").await;
        self.address().await
    }

    /// Where it serves probes.
    pub(crate) async fn admin_address(&mut self) -> SocketAddr {
        self.logged("serving probes admin=").await
    }

    /// Sends a signal: `TERM`, `INT` or `HUP`.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

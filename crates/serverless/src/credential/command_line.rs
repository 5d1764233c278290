//! The command-line tools that a developer is signed in to: Azure CLI (`az`) and Azure Developer CLI (`azd`).

use std::error::Error as StdError;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    Executor,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::BuildFault;

pub(super) fn azure_cli(tenant_id: Option<String>) -> Result<Arc<dyn TokenCredential>, BuildFault> {
    let executor: Arc<dyn Executor> = Arc::new(Tool { name: "az", sign_in: "az login" });
    let options = AzureCliCredentialOptions { subscription: None, tenant_id, executor: Some(executor) };
    let credential = AzureCliCredential::new(Some(options)).map_err(|error| error.to_string())?;
    Ok(credential)
}

pub(super) fn azure_developer_cli(tenant_id: Option<String>) -> Result<Arc<dyn TokenCredential>, BuildFault> {
    let executor: Arc<dyn Executor> = Arc::new(Tool { name: "azd", sign_in: "azd auth login" });
    let options = AzureDeveloperCliCredentialOptions { executor: Some(executor), tenant_id };
    let credential = AzureDeveloperCliCredential::new(Some(options)).map_err(|error| error.to_string())?;
    Ok(credential)
}

/// Runs one tool. `azure_identity`'s own executors wait without end, and do not tell a tool that is missing from one
/// that failed.
#[derive(Debug)]
struct Tool {
    name: &'static str,
    /// The command that the tool asks for when nobody is signed in.
    sign_in: &'static str,
}

#[async_trait]
impl Executor for Tool {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = tokio::time::timeout(TIMEOUT, self.output(command)).await.map_err(|_| {
            let problem = format!("{} did not answer within {} s", self.name, TIMEOUT.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, problem)
        })??;
        match self.absence(&output) {
            Some(absent) => Err(io::Error::other(absent)),
            None => Ok(output),
        }
    }
}

impl Tool {
    /// What the tool writes. A tool that writes too much is ended, because the child is dropped.
    ///
    /// `azure_identity` takes the output over and does not erase the token in it.
    async fn output(&self, mut command: tokio::process::Command) -> io::Result<Output> {
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = tokio::try_join!(self.read(stdout), self.read(stderr))?;
        Ok(Output { status: child.wait().await?, stdout, stderr })
    }

    async fn read(&self, pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let Some(pipe) = pipe else { return Ok(bytes) };
        pipe.take(OUTPUT_MAX + 1).read_to_end(&mut bytes).await?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= OUTPUT_MAX) {
            return Ok(bytes);
        }
        let problem = format!("{} wrote more than {} KiB; it was ended", self.name, OUTPUT_MAX / 1024);
        Err(io::Error::new(io::ErrorKind::InvalidData, problem))
    }

    fn absence(&self, output: &Output) -> Option<ToolAbsent> {
        if output.status.success() {
            return None;
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        // A shell's status for a command that it does not find (POSIX, section 2.8.2), and the text of `cmd`.
        if output.status.code() == Some(127) || stderr.contains("' is not recognized") {
            return Some(ToolAbsent(format!("{} is not on PATH", self.name)));
        }
        // An error of Entra's means that somebody is signed in and was rejected, even if it advises to sign in again.
        let is_signed_out = stderr.contains(self.sign_in) && !stderr.contains("AADSTS");
        is_signed_out.then(|| ToolAbsent(format!("nobody is signed in to {}; run `{}`", self.name, self.sign_in)))
    }
}

/// The tool is not there, or nobody is signed in to it.
#[derive(Debug)]
struct ToolAbsent(String);

impl fmt::Display for ToolAbsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ToolAbsent {}

/// Why a tool is absent, if that is what the error is about.
pub(super) fn absence(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(absent) = inner.and_then(|inner| inner.downcast_ref::<ToolAbsent>()) {
            return Some(absent.to_string());
        }
        next = error.source();
    }
    None
}

/// As in .NET: `az` starts Python and may renew a token of its own.
const TIMEOUT: Duration = Duration::from_secs(13);

/// Of each stream. Tokens have a few kilobytes.
const OUTPUT_MAX: u64 = 64 * 1024;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const AZ: Tool = Tool { name: "az", sign_in: "az login" };

    async fn run(script: &str) -> io::Result<Output> {
        AZ.run(OsStr::new("/bin/sh"), &[OsStr::new("-c"), OsStr::new(script)]).await
    }

    #[tokio::test(start_paused = true)]
    async fn tool_that_hangs_is_no_absent_tool() {
        let error = run("sleep 600").await.unwrap_err();
        assert_eq!(error.to_string(), "az did not answer within 13 s");
        assert_eq!(absence(&error), None);
    }

    #[tokio::test]
    async fn missing_tool_and_missing_sign_in_are_absent() {
        let error = run("no-such-command-anywhere").await.unwrap_err();
        assert_eq!(absence(&error).as_deref(), Some("az is not on PATH"));
        let error = run("echo \"Please run 'az login'\" >&2; exit 1").await.unwrap_err();
        assert_eq!(absence(&error).as_deref(), Some("nobody is signed in to az; run `az login`"));
    }

    #[tokio::test]
    async fn output_without_bound_is_an_error() {
        for script in ["head -c 65537 /dev/zero", "head -c 65537 /dev/zero >&2; exit 1"] {
            let error = run(script).await.unwrap_err();
            assert_eq!(error.to_string(), "az wrote more than 64 KiB; it was ended");
            assert_eq!(absence(&error), None);
        }
        let output = run("head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2").await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (65_536, 65_536));
    }

    #[tokio::test]
    async fn rejection_is_handed_on() {
        let output = run("echo 'AADSTS50076: run az login' >&2; exit 1").await.unwrap();
        assert!(!output.status.success());
        assert!(run("echo token").await.unwrap().status.success());
    }

    /// The tool ends only after another task of the same thread has run. If `run` blocked the thread, none would.
    #[tokio::test]
    async fn other_tasks_go_on_while_a_tool_runs() {
        let sign = std::env::temp_dir().join(format!("signalr-serverless-{}-other-task", std::process::id()));
        let other = tokio::spawn({
            let sign = sign.clone();
            async move { std::fs::write(sign, "") }
        });
        let script = "i=0; while [ ! -e \"$0\" ]; do i=$((i+1)); [ $i -lt 500 ] || exit 3; sleep 0.02; done; echo seen";
        let arguments = [OsStr::new("-c"), OsStr::new(script), sign.as_os_str()];
        let output = AZ.run(OsStr::new("/bin/sh"), &arguments).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "seen\n");
        other.await.unwrap().unwrap();
        std::fs::remove_file(sign).unwrap();
    }

    #[tokio::test]
    async fn tool_gets_no_input() {
        let output = run("cat; echo end").await.unwrap();
        assert_eq!(output.stdout, b"end\n");
    }
}

//! The files that an app needs to find the emulator.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use signalr_emulator::{Variables, env_file};

/// The file with the certificate of the emulator's authority. A temporary one is removed at the end.
#[derive(Debug)]
pub(super) struct Certificate {
    path: PathBuf,
    /// What [`Self::path`] says, as text.
    shown: String,
    is_temporary: bool,
}

impl Certificate {
    /// Writes the file. The error names the option.
    pub(super) fn write(chosen: Option<&Path>, pem: &str) -> Result<Self, String> {
        let fault =
            |path: &Path, problem: &dyn std::fmt::Display| format!("--certificate: {}: {problem}", path.display());
        let (path, is_temporary) = match chosen {
            Some(path) => {
                fs::write(path, pem).map_err(|error| fault(path, &error))?;
                // The app may run in another folder.
                (std::path::absolute(path).map_err(|error| fault(path, &error))?, false)
            }
            None => (temporary(pem).map_err(|error| fault(&std::env::temp_dir(), &error))?, true),
        };
        let shown = path.to_str().map(str::to_owned);
        let shown = shown.filter(|text| text.chars().all(needs_no_quotes));
        let shown =
            shown.ok_or_else(|| fault(&path, &"a shell cannot read this path without quotes; write another"))?;
        Ok(Self { path, shown, is_temporary })
    }

    pub(super) fn path(&self) -> &str {
        &self.shown
    }
}

/// The file of variables has no quotes: each of its readers has other rules for them.
fn needs_no_quotes(letter: char) -> bool {
    letter.is_alphanumeric() || "/._-+@:,=%".contains(letter) || cfg!(windows) && letter == '\\'
}

impl Drop for Certificate {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new file in the system's folder for temporary files. One that is there already may be somebody else's, who could make
/// the app trust another authority.
fn temporary(pem: &str) -> std::io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let name = format!("signalr-emulator-{}-{number}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(pem.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < MOST_NAMES => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Writes the variables of the app to a file. Returns what to print: where they are, or the variables themselves.
pub(super) fn write_variables(file: Option<&Path>, variables: &Variables) -> Result<String, String> {
    let text = env_file(variables);
    let Some(file) = file else {
        return Ok(format!("# The environment variables of your app:\n{text}"));
    };
    fs::write(file, text).map_err(|error| format!("--env-file: {}: {error}", file.display()))?;
    Ok(format!("The environment variables of your app are in {}.\n", file.display()))
}

const MOST_NAMES: u32 = 100;

//! Where the settings of the check come from: the environment, or a file.

use std::path::PathBuf;
use std::{env, fs};

use signalr_upstream_auth::Settings;

/// Where the settings of the check are read, at the start and again with SIGHUP.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Environment,
    File(PathBuf),
}

impl Source {
    pub(crate) fn new(config: Option<PathBuf>) -> Self {
        config.map_or(Self::Environment, Self::File)
    }

    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// What cannot be read. Variables beside a file are a fault, too: which of the two counts must not be a guess.
    pub(crate) fn read(&self) -> Result<Settings, String> {
        let Self::File(path) = self else { return Settings::from_env().map_err(|error| error.to_string()) };
        if Settings::is_configured_in(env::vars_os()) {
            let names = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
            let mut names: Vec<_> = names.filter(|name| name.to_ascii_uppercase().starts_with(PREFIX)).collect();
            names.sort();
            return Err(format!("--config: {} is set, too; remove the variable or the option", names.join(", ")));
        }
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("--config: {shown}: {error}"))?;
        toml::from_str(&text).map_err(|error| format!("--config: {shown}: {error}"))
    }
}

const PREFIX: &str = "SIGNALR_UPSTREAM_";

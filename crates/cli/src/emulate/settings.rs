//! The settings of an emulator: a file, and the options that win over it.

use std::fs;
use std::path::Path;

use signalr_emulator::{EmulatorSettings, StartError};

use crate::arguments::EmulateArguments;

/// The settings. The error names the option, and the member of a file.
pub(super) fn read(arguments: &EmulateArguments) -> Result<EmulatorSettings, String> {
    let mut settings = match &arguments.config {
        Some(file) => toml::from_str(&text("--config", file)?)
            .map_err(|error| format!("--config: {}: {error}", file.display()))?,
        None => EmulatorSettings::default(),
    };
    let EmulateArguments { https_port, http_port, authority_port, identity_port, proxy_port, .. } = arguments;
    for (member, option) in [
        (&mut settings.https_port, https_port),
        (&mut settings.http_port, http_port),
        (&mut settings.authority_port, authority_port),
        (&mut settings.identity_port, identity_port),
        (&mut settings.proxy_port, proxy_port),
    ] {
        *member = option.unwrap_or(*member);
    }
    settings.plain_http |= arguments.plain_http;
    settings.disable_local_auth |= arguments.disable_local_auth;
    if !arguments.host_name.is_empty() {
        settings.host_names.clone_from(&arguments.host_name);
    }
    if !arguments.allowed_origin.is_empty() {
        settings.allowed_origins = Some(arguments.allowed_origin.clone());
    }
    if !arguments.upstream_authority.is_empty() {
        let files = arguments.upstream_authority.iter();
        settings.upstream_authorities =
            files.map(|file| text("--upstream-authority", file)).collect::<Result<_, _>>()?;
    }
    if !arguments.upstream.is_empty() {
        settings.upstream.clear();
    }
    for url in &arguments.upstream {
        settings = settings.with_upstream(url);
    }
    Ok(settings)
}

/// An error of the start with the name of the setting as the user wrote it: an option, or a member of the file.
pub(super) fn as_written(error: &StartError, arguments: &EmulateArguments) -> String {
    let written = |field: &str| {
        let (is_option, member) = match field {
            "https_port" => (arguments.https_port.is_some(), field),
            "http_port" => (arguments.http_port.is_some(), field),
            "authority_port" => (arguments.authority_port.is_some(), field),
            "identity_port" => (arguments.identity_port.is_some(), field),
            "proxy_port" => (arguments.proxy_port.is_some(), field),
            "host_name" => (!arguments.host_name.is_empty(), "host_names"),
            "upstream_authority" => (!arguments.upstream_authority.is_empty(), "upstream_authorities"),
            // A template is an upstream with an audience, which only a file has.
            "upstream_template" => (false, "upstream"),
            "upstream" => (!arguments.upstream.is_empty(), field),
            // The assumptions have no options.
            _ => (false, field),
        };
        if is_option { format!("--{}", field.replace('_', "-")) } else { format!("--config: {member}") }
    };
    match error {
        StartError::Setting { field, problem } => format!("{}: {problem}", written(field)),
        StartError::Listen { field, port, source } => format!(
            "{}: 127.0.0.1:{port} cannot be listened on: {source}; write another port, or 0 for a free one",
            written(field)
        ),
        other => other.to_string(),
    }
}

fn text(option: &str, file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{option}: {}: {error}", file.display()))
}

//! Checks of single values. A problem continues the sentence "`field`: …" and never repeats a value that may be secret.

use url::Url;

use crate::credential::plan::SecretText;
use crate::endpoint::address_problem;

/// The address of an endpoint, without a trailing slash.
///
/// The `url` crate repairs what it is given, as browsers do: `https:host`, white space, back slashes. A setting that
/// needs repair is more likely a mistake, so none is repaired. Which scheme is allowed depends on whether tokens of
/// Entra are sent there.
pub(super) fn address(text: &str, is_entra: bool) -> Result<Url, String> {
    const EXAMPLE: &str = "write it like https://<name>.service.signalr.net";
    let text = text.trim_end_matches('/');
    let rest = ["https://", "http://"].into_iter().find_map(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = rest else {
        return Err(format!("does not begin with https://; {EXAMPLE}"));
    };
    if rest.starts_with('/') {
        return Err(format!("has no host; {EXAMPLE}"));
    }
    if rest.contains(|char: char| char.is_whitespace() || char.is_control() || char == '\\') {
        return Err(format!("contains white space, a control character or a back slash; {EXAMPLE}"));
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL ({error}); {EXAMPLE}"))?;
    match address_problem(&url, is_entra) {
        Some(problem) => Err(problem.to_owned()),
        None => Ok(url),
    }
}

/// A GUID in its usual form of 36 characters. Client ids and object ids have no other.
pub(super) fn guid(text: &str) -> Result<String, String> {
    let has_form = text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if has_form {
        return Ok(text.to_owned());
    }
    Err("is not a GUID; write the id like 11111111-2222-3333-4444-555555555555, not a name".to_owned())
}

/// A tenant: a GUID or a domain name. It becomes a part of URLs and of a command line, so nothing else may pass.
pub(super) fn tenant(text: &str) -> Result<String, String> {
    let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if is_name && text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("is no tenant; write the tenant's GUID, or its domain like contoso.onmicrosoft.com".to_owned())
}

/// The Azure resource id of a user-assigned identity.
pub(super) fn resource_id(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("/subscriptions/")
        && lower.contains("/providers/microsoft.managedidentity/userassignedidentities/")
        && !text.contains(char::is_whitespace)
    {
        return Ok(text.to_owned());
    }
    Err("is not the resource id of a user-assigned identity; write it like /subscriptions/<id>/resourceGroups/<group>/\
         providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>"
        .to_owned())
}

/// A secret is read to the letter. A file or a shell often adds a line break, and Entra's answer would not say so.
pub(super) fn secret(text: &str) -> Result<SecretText, String> {
    if text.trim() == text && !text.contains(char::is_control) {
        return Ok(SecretText::new(text.to_owned()));
    }
    Err("begins or ends with white space, or contains a line break; remove it".to_owned())
}

/// A value that should be a name. A client secret has 40 characters and an access key 44 or more, so that one in the
/// wrong place is not repeated.
pub(super) fn quoted(value: &str) -> String {
    const NAME_MAX: usize = 36;
    if value.chars().count() > NAME_MAX {
        return "the value".to_owned();
    }
    format!("`{}`", value.escape_debug())
}

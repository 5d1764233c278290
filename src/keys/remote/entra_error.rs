//! What Entra answers in the place of a document: the codes of an error.

use std::borrow::Cow;
use std::fmt;

use serde::de::MapAccess;

use crate::json::{self, Known, Members, read_into, read_text};

/// The codes of an error, `AADSTS` and a number, which Microsoft explains on the page "Microsoft Entra authentication and
/// authorization error codes". Nothing else of the answer is kept.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct EntraError(Vec<u32>);

impl EntraError {
    /// `None` when the answer names no code.
    pub(super) fn from_json(answer: &[u8]) -> Option<Self> {
        let answer: ErrorResponse<'_> = json::object(answer).ok()?;
        let mut codes = answer.error_codes.unwrap_or_default();
        if codes.is_empty() {
            codes.extend(answer.error_description.as_deref().and_then(code_in));
        }
        codes.truncate(MAX_CODES);
        (!codes.is_empty()).then_some(Self(codes))
    }

    /// Whether there is no such tenant in this cloud, which no retry will change.
    pub(super) fn is_unknown_tenant(&self) -> bool {
        self.0.iter().any(|code| UNKNOWN_TENANT.contains(code))
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, code) in self.0.iter().enumerate() {
            write!(f, "{}AADSTS{code}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The number behind the first `AADSTS` of a description.
fn code_in(description: &str) -> Option<u32> {
    let (_, behind) = description.split_once("AADSTS")?;
    let end = behind.find(|character: char| !character.is_ascii_digit()).unwrap_or(behind.len());
    behind.get(..end)?.parse().ok()
}

#[derive(Debug, Default)]
struct ErrorResponse<'de> {
    error_codes: Option<Vec<u32>>,
    error_description: Option<Cow<'de, str>>,
}

impl<'de> Members<'de> for ErrorResponse<'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
        match name {
            "error_codes" => read_into(&mut self.error_codes, map),
            "error_description" => read_text(&mut self.error_description, map),
            _ => Ok(Known::No),
        }
    }
}

/// The tenant was not found; its identifier is no tenant's; it is neither a GUID nor a domain name.
const UNKNOWN_TENANT: [u32; 3] = [90_002, 900_021, 900_023];

const MAX_CODES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &str) -> Option<String> {
        EntraError::from_json(answer.as_bytes()).map(|error| error.to_string())
    }

    #[test]
    fn reads_codes_and_nothing_else() {
        let answer = r#"{"error":"invalid_tenant","error_description":"AADSTS90002: Tenant 'x' not found.\u001b[31m",
            "error_codes":[90002],"timestamp":"2026-01-01 00:00:00Z","trace_id":"a","correlation_id":"b","error_uri":"c"}"#;
        assert_eq!(text(answer).as_deref(), Some("AADSTS90002"));
        assert_eq!(text(r#"{"error_codes":[1,2,3,4,5]}"#).as_deref(), Some("AADSTS1, AADSTS2, AADSTS3, AADSTS4"));
        assert_eq!(text(r#"{"error_description":"AADSTS50196: a loop"}"#).as_deref(), Some("AADSTS50196"));
        assert_eq!(text(r#"{"error_codes":[],"error_description":"see AADSTS7"}"#).as_deref(), Some("AADSTS7"));
    }

    #[test]
    fn finds_no_code_where_there_is_none() {
        for answer in [
            "",
            "<html>AADSTS90002</html>",
            "[90002]",
            "{}",
            r#"{"error":"AADSTS90002"}"#,
            r#"{"error_description":"AADSTS"}"#,
            r#"{"error_description":"AADSTS99999999999"}"#,
            r#"{"error_codes":"90002"}"#,
            r#"{"error_codes":[-1]}"#,
        ] {
            assert_eq!(text(answer), None, "{answer}");
        }
    }

    #[test]
    fn knows_the_codes_of_an_unknown_tenant() {
        let is_unknown = |code: u32| EntraError(vec![1, code]).is_unknown_tenant();
        assert!(is_unknown(90_002) && is_unknown(900_021) && is_unknown(900_023));
        assert!(!is_unknown(50_196) && !is_unknown(90_033));
    }
}

//! Answers of Entra and of identity endpoints, before `azure_identity` reads them.
//!
//! `azure_identity` 1.0 quotes a value of the wrong type in its error, which may be a token; it panics when the lifetime
//! of a token is beyond its calendar; and it takes an error without a JSON body, such as a gateway's page, for a lasting
//! one. So each answer is read here and written again with what was understood of it.
//!
//! Whoever answers may repeat the request with its secrets, so an error keeps only documented texts, without secrets.

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::request_secrets::RequestSecrets;

/// The body of the answer to a request, as `azure_identity` reads it.
///
/// # Errors
///
/// A success that is no token; another attempt may bring one.
pub(super) fn rewritten(request: &Request, status: StatusCode, body: &[u8]) -> azure_core::Result<Vec<u8>> {
    let body = if status.is_success() { success(body)? } else { failure(&RequestSecrets::of(request), status, body) };
    serde_json::to_vec(&body).map_err(|_| unusable("cannot be written again"))
}

/// RFC 6749 section 5.1, with the members of
/// [managed identities](https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference).
#[derive(Deserialize)]
struct Success {
    access_token: Zeroizing<String>,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    resource: Value,
}

fn success(body: &[u8]) -> azure_core::Result<Value> {
    // The text of the parser's error may quote the token.
    let answer: Success = serde_json::from_slice(body).map_err(|_| unusable("is not a JSON object with a token"))?;
    if answer.access_token.is_empty() {
        return Err(unusable("has no token"));
    }
    let (expires_in, expires_on) = (seconds(&answer.expires_in), seconds(&answer.expires_on));
    if expires_in.is_none() && expires_on.is_none() {
        return Err(unusable("does not say when the token ends"));
    }
    let mut body = json!({
        "access_token": *answer.access_token,
        "token_type": "Bearer",
        "resource": answer.resource.as_str().unwrap_or_default(),
    });
    if let Some(seconds) = expires_in {
        body["expires_in"] = seconds.into();
    }
    // Managed identities have it as text.
    if let Some(seconds) = expires_on {
        body["expires_on"] = seconds.to_string().into();
    }
    Ok(body)
}

/// What a failure says beside its status, of a body that [`rewritten`] wrote.
pub(super) fn description(status: StatusCode, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["error_description"].as_str().filter(|text| *text != undocumented(status)).map(str::to_owned)
}

/// A number, or a text that is one; Entra and identity endpoints differ.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    (0..=LATEST).contains(&number).then_some(number)
}

/// RFC 6749 section 5.2, and the documents of identity endpoints. Of any other body only the status is kept.
fn failure(secrets: &RequestSecrets, status: StatusCode, body: &[u8]) -> Value {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let names = ["error_description", "message", "Message", "error"];
    let said = names.iter().find_map(|name| document.get(name)?.as_str());
    let description = said.map(|said| described(secrets, said)).filter(|description| !description.is_empty());
    let codes: Vec<i32> = match document["error_codes"].as_array() {
        Some(codes) => codes.iter().filter_map(|code| i32::try_from(code.as_i64()?).ok()).take(CODES_MAX).collect(),
        None => Vec::new(),
    };
    json!({ "error_codes": codes, "error_description": description.unwrap_or_else(|| undocumented(status)) })
}

fn undocumented(status: StatusCode) -> String {
    format!("status {} without an error document", u16::from(status))
}

/// One line. `azure_identity` takes no escape sequence in it, so nothing is left that needs one.
fn described(secrets: &RequestSecrets, text: &str) -> String {
    let text = secrets.removed_from(text);
    let line =
        text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars()
        .take(DESCRIPTION_MAX)
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            c => c,
        })
        .collect()
}

/// Not an I/O error, which `azure_identity` would repeat for more than a minute at IMDS.
fn unusable(problem: &str) -> Error {
    Error::with_message(ErrorKind::DataConversion, format!("the answer of the identity endpoint {problem}"))
}

/// The year 5138: before the calendar of `azure_identity` ends, even when it is added to the present.
const LATEST: i64 = 100_000_000_000;
const CODES_MAX: usize = 16;
const DESCRIPTION_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use azure_core::http::{Method, Url};

    use super::*;

    fn request() -> Request {
        let mut request = Request::new(Url::parse("https://login.microsoftonline.com").unwrap(), Method::Post);
        request.set_body("client_id=app&client_secret=Q%7E8");
        request
    }

    fn read(status: StatusCode, body: &str) -> Value {
        serde_json::from_slice(&rewritten(&request(), status, body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn success_is_written_with_numbers_as_azure_identity_reads_them() {
        let entra = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t"}"#;
        let answer = read(StatusCode::Ok, entra);
        assert_eq!((&answer["access_token"], &answer["expires_in"]), (&json!("t"), &json!(3599)));
        for on in [r#""1586984735""#, "1586984735"] {
            let local = format!(r#"{{"access_token":"t","expires_on":{on},"resource":"r","token_type":"Bearer"}}"#);
            let answer = read(StatusCode::Ok, &local);
            assert_eq!((&answer["expires_on"], &answer["resource"]), (&json!("1586984735"), &json!("r")));
        }
    }

    #[test]
    fn success_without_a_usable_token_is_transient_and_not_quoted() {
        for body in [
            "",
            r#""hidden""#,
            r#"["hidden"]"#,
            r#"{"access_token":"hidden"}"#,
            r#"{"access_token":"hidden","expires_in":"hidden"}"#,
            r#"{"access_token":"hidden","expires_in":-1}"#,
            r#"{"access_token":"hidden","expires_in":9223372036854775807}"#,
            r#"{"access_token":"","expires_in":3600}"#,
            r#"{"access_token":{"hidden":1},"expires_in":3600}"#,
            "<html>hidden</html>",
        ] {
            let error = rewritten(&request(), StatusCode::Ok, body.as_bytes()).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::DataConversion, "{body}");
            assert!(!format!("{error:?} {error}").contains("hidden"), "{error:?}");
        }
    }

    #[test]
    fn failure_keeps_code_and_description_in_one_line() {
        let entra = r#"{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: \"no\"\r\nTrace\\ID"}"#;
        let expected = json!({"error_codes": [7_000_215], "error_description": "AADSTS7000215: 'no' Trace/ID"});
        assert_eq!(read(StatusCode::Unauthorized, entra), expected);
        let description = |body: &str| read(StatusCode::ServiceUnavailable, body)["error_description"].clone();
        for (body, expected) in [
            (r#"{"statusCode":500,"message":"no identity"}"#, "no identity"),
            (r#"{"error":"slow_down"}"#, "slow_down"),
            (r#"{"message":"got eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}"#, "got (a token)"),
            (r#"{"message":"got client_secret=Q%7E8, Q~8"}"#, "got client_secret=(a secret), (a secret)"),
        ] {
            assert_eq!(description(body), expected, "{body}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(9999));
        assert_eq!(description(&long).as_str().unwrap().len(), 1024);
    }

    #[test]
    fn failure_that_is_no_error_document_keeps_its_status_alone() {
        let expected = json!({ "error_codes": [], "error_description": "status 503 without an error document" });
        for body in [
            "<html>busy</html>",
            "",
            "busy",
            "\u{feff}client_secret=cut",
            r#"{"access_token":"hidden"#,
            r#"["hidden"]"#,
            r#""hidden""#,
            r#"{"error":{"hidden":1}}"#,
            r#"{"error":"\u0007"}"#,
        ] {
            assert_eq!(read(StatusCode::ServiceUnavailable, body), expected, "{body}");
            let written = rewritten(&request(), StatusCode::ServiceUnavailable, body.as_bytes()).unwrap();
            assert_eq!(description(StatusCode::ServiceUnavailable, &written), None, "{body}");
        }
    }
}

//! The document with the key: `{"AccessKey": "…", "KeyId": "…"}`, both texts, neither empty.

use std::fmt;

use aws_lc_rs::hmac;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client_token::SigningKey;
use crate::error::{Error, ErrorKind, Result};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "AccessKey", alias = "accessKey")]
    access_key: Zeroizing<String>,
    #[serde(rename = "KeyId", alias = "keyId")]
    key_id: String,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document")
    }
}

/// The key of the document. The error does not quote the document.
pub(crate) fn read(body: &[u8]) -> Result<SigningKey> {
    let invalid = |text| Error::new(ErrorKind::InvalidAnswer, text);
    // The text of the parser's error may quote the key.
    let document: Document = serde_json::from_slice(body)
        .map_err(|_| invalid("the answer is not a JSON object with the texts AccessKey and KeyId"))?;
    if document.access_key.is_empty() || document.key_id.is_empty() {
        return Err(invalid("AccessKey or KeyId of the answer is empty"));
    }
    if document.key_id.len() > KEY_ID_MAX {
        return Err(invalid("KeyId of the answer is longer than any of the service's"));
    }
    // The UTF-8 text itself is the key; it is not decoded from base64.
    let key = hmac::Key::new(hmac::HMAC_SHA256, document.access_key.as_bytes());
    Ok(SigningKey::new(&key, Some(&document.key_id)))
}

/// It becomes part of every token.
const KEY_ID_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_both_spellings_and_further_members() {
        assert!(read(br#"{"AccessKey":"k","KeyId":"i","Expires":1}"#).is_ok());
        assert!(read(br#"{"accessKey":"k","keyId":"i"}"#).is_ok());
    }

    #[test]
    fn rejects_documents_without_a_key_and_quotes_nothing() {
        for body in [
            "",
            "null",
            "[]",
            r#"{"AccessKey":"hidden"}"#,
            r#"{"AccessKey":"hidden","KeyId":""}"#,
            r#"{"AccessKey":"","KeyId":"hidden"}"#,
            r#"{"AccessKey":["hidden"],"KeyId":"i"}"#,
            r#"{"AccessKey":"hidden","KeyId":7}"#,
            r#""hidden""#,
            r#"{"AccessKey":"hidden","AccessKey":"b","KeyId":"i"}"#,
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAnswer, "{body}");
            assert!(!format!("{error:?}{error}").contains("hidden"), "{error:?}");
        }
        let long = format!(r#"{{"AccessKey":"k","KeyId":"{}"}}"#, "i".repeat(513));
        assert!(read(long.as_bytes()).is_err());
        assert!(read(long.replacen("ii", "i", 1).as_bytes()).is_ok(), "512 characters");
    }

    #[test]
    fn debug_shows_nothing() {
        let document = Document { access_key: Zeroizing::new("hidden".into()), key_id: "hidden".into() };
        assert_eq!(format!("{document:?}"), "Document");
    }

    proptest! {
        #[test]
        fn no_document_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&body);
        }
    }
}

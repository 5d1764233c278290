//! The first message of a client (HubProtocol.md, section "Overview").

use serde_json::{Value, json};

use crate::protocol::HubProtocol;

/// Reads `{"protocol":"json","version":1}`, without its separator. The error is for the client.
pub(super) fn read(message: &[u8]) -> Result<HubProtocol, String> {
    let request: Value = serde_json::from_slice(message).map_err(|_| "The handshake is no JSON.".to_owned())?;
    let name = request.get("protocol").and_then(Value::as_str).unwrap_or_default();
    let protocol = HubProtocol::named(name).ok_or_else(|| format!("The protocol '{name}' is not supported."))?;
    match request.get("version").and_then(Value::as_u64) {
        // 2 is stateful reconnect, which a client uses only after a server has offered it.
        Some(1 | 2) => Ok(protocol),
        _ => Err(format!("The server does not support this version of the '{name}' protocol.")),
    }
}

/// The answer, framed.
pub(super) fn answer(error: Option<&str>) -> String {
    let body = error.map_or_else(|| json!({}), |error| json!({"error": error}));
    format!("{body}\u{1e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols_are_known() {
        assert_eq!(read(br#"{"protocol":"json","version":1}"#), Ok(HubProtocol::Json));
        assert_eq!(read(br#"{"protocol":"messagepack","version":1}"#), Ok(HubProtocol::MessagePack));
    }

    #[test]
    fn errors_are_for_the_client() {
        for message in ["", "x", "{}", r#"{"protocol":"xml","version":1}"#, r#"{"protocol":"json","version":3}"#] {
            let error = read(message.as_bytes()).unwrap_err();
            assert!(answer(Some(&error)).contains(&error[..8]), "{message}");
        }
        assert_eq!(answer(None), "{}\u{1e}");
    }
}

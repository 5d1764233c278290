//! Claims as JSON text, which a case changes.

use super::reference::{AUDIENCE, CLIENT, NOW, OBJECT, ROLE, TENANT};

/// Good claims of a token as Entra writes them, each with its JSON text.
pub fn good(is_v2: bool) -> Vec<(String, String)> {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let (ver, iss, aud, client) = if is_v2 {
        ("2.0", format!("https://login.microsoftonline.com/{TENANT}/v2.0"), AUDIENCE.to_owned(), "azp")
    } else {
        ("1.0", format!("https://sts.windows.net/{TENANT}/"), format!("api://{AUDIENCE}"), "appid")
    };
    [
        ("aud", text(&aud)),
        ("iss", text(&iss)),
        ("iat", NOW.to_string()),
        ("nbf", NOW.to_string()),
        ("exp", (NOW + 86_700).to_string()),
        (client, text(CLIENT)),
        ("oid", text(OBJECT)),
        ("roles", format!("[{}]", text(ROLE))),
        ("sub", text(OBJECT)),
        ("tid", text(TENANT)),
        ("uti", text("u")),
        ("ver", text(ver)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The text of claims.
pub fn written(members: &[(String, String)]) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap())).collect();
    format!("{{{}}}", members.join(","))
}

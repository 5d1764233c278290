//! Names and values of claims that some check reads.

use proptest::prelude::*;

use super::reference::{AUDIENCE, AUDIENCE_URI, CLIENT, NOW, OBJECT, OTHER_TENANT, TENANT};

pub(crate) const NAMES: [&str; 15] =
    ["aud", "iss", "iat", "nbf", "exp", "appid", "azp", "oid", "sub", "tid", "ver", "scp", "idtyp", "roles", "Tid"];

/// The JSON text of a value that matters in some claim.
pub(crate) fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        prop::sample::select(vec![
            TENANT,
            OTHER_TENANT,
            AUDIENCE,
            AUDIENCE_URI,
            OBJECT,
            CLIENT,
            "1.0",
            "2.0",
            "app",
            "",
            "Upstream.Call",
            "https://graph.microsoft.com",
        ])
        .prop_map(str::to_owned),
        Just(format!("api://{AUDIENCE}/")),
        Just(format!("https://sts.windows.net/{OTHER_TENANT}/")),
        Just(format!("https://sts.windows.net/{TENANT}/x")),
        Just(format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
        any::<String>(),
    ]
    .prop_map(|text| serde_json::to_string(&text).unwrap());
    prop_oneof![
        4 => text.clone(),
        1 => prop::collection::vec(text, 0..3).prop_map(|texts| format!("[{}]", texts.join(","))),
        2 => (-90_000..90_000_i64).prop_map(|offset| NOW.saturating_add_signed(offset).to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => prop::sample::select(vec!["null", "true", "1.5", "{}", "-0", "1e3"]).prop_map(str::to_owned),
    ]
}

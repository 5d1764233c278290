//! Any bytes as a discovery document: the crate accepts exactly what the reference implementation accepts, and a
//! document that it accepts leads to a host of the cloud over HTTPS.

use signalr_upstream_auth::Cloud;
use signalr_upstream_auth::fuzzing::discovery;
use signalr_upstream_auth::keys::reqwest::Url;

use super::super::plain_json::{Fault, Json, parse};
use super::super::reference::TENANT;

const HOSTS: [&str; 4] = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"];

pub fn run(data: &[u8]) {
    let tenant = TENANT.parse().unwrap();
    // Either the document itself, or one text of a document that is good but for that.
    let good = |name: &str, text: &[u8]| {
        let mut document = serde_json::json!({
            "issuer": issuer(),
            "jwks_uri": format!("https://{}/{TENANT}/discovery/v2.0/keys", HOSTS[0]),
            "cloud_instance_name": "microsoftonline.com",
        });
        document[name] = String::from_utf8_lossy(text).into();
        document.to_string().into_bytes()
    };
    let text = match data.split_first() {
        Some((0, address)) => good("jwks_uri", address),
        Some((1, label)) => good("cloud_instance_name", label),
        Some((2, issuer)) => good("issuer", issuer),
        _ => data.to_vec(),
    };
    let found = discovery(&text, &Cloud::public(), &tenant);
    let document = match parse(&text) {
        Err(Fault::TooDeep) => return,
        Err(Fault::NotJson) => {
            assert!(found.is_err());
            return;
        }
        Ok(document) => document,
    };
    match (reference(&document), found) {
        (Some((address, label)), Ok((found_address, found_label))) => {
            // The address is that of the parser which the client fetches by.
            let parsed = Url::parse(address).unwrap();
            assert_eq!((found_address.as_str(), found_label.as_deref()), (parsed.as_str(), label));
            assert!(leads_into_the_cloud(address), "{address}");
        }
        (Some((address, _)), Err(_)) => assert!(!is_plainly_good(address), "{address}"),
        (None, found) => assert!(found.is_err(), "{found:?}"),
    }
}

fn issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

/// The address and the label of a document that has every member in order, whatever the address is.
fn reference(document: &Json) -> Option<(&str, Option<&str>)> {
    let members = document.few_members()?;
    let mut names: Vec<_> = members.iter().map(|(name, _)| name.as_deref()).collect();
    names.sort_unstable();
    if names.contains(&None) || names.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    let member =
        |wanted: &str| members.iter().find(|(name, _)| name.as_deref() == Some(wanted)).map(|(_, value)| value);
    let label = match member("cloud_instance_name") {
        None | Some(Json::Null) => None,
        Some(label) => Some(label.text()?).filter(|label| !label.trim().is_empty()),
    };
    let is_right = member("issuer")?.text()? == issuer() && label.is_none_or(|label| label == "microsoftonline.com");
    if is_right { Some((member("jwks_uri")?.text()?, label)) } else { None }
}

/// As a browser would split it: the host ends at the first slash of either kind, question mark or number sign.
fn leads_into_the_cloud(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("https://") else { return false };
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    HOSTS.contains(&host) && !address.contains(['#', '\\', ' '])
}

/// Nothing about it could be read in two ways.
fn is_plainly_good(address: &str) -> bool {
    HOSTS.iter().any(|host| {
        address.strip_prefix(&format!("https://{host}/")).is_some_and(|path| {
            path.len() < 1000 && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte))
        })
    })
}

//! Discovery documents (OpenID Connect Discovery 1.0): hostile ones must change nothing, good ones must be accepted.

use mock_entra::{Endpoint, Fault, MockEntra};
use serde_json::{Value, json};
use signalr_upstream_auth::TokenVersion;

use crate::entry::Entry;
use crate::expected::{Expected, NOT_FOLLOWED, TAKEN};
use crate::fixture::Fixture;

type Served = fn(&MockEntra) -> Fault;

pub fn entries(_: &Fixture) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut served = |expected: Expected, rows: &[(&str, Served)]| {
        entries.extend(rows.iter().map(|(name, fault)| Entry::served(name, expected, Endpoint::Discovery, fault)));
    };
    // Whatever is wrong with it, nothing further is asked.
    served(
        NOT_FOLLOWED,
        &[
            ("issuer: the placeholder", |entra| {
                with(
                    entra,
                    "issuer",
                    json!(
                        entra
                            .issuer(entra.tenant(), TokenVersion::V2)
                            .replace(&entra.tenant().to_string(), "{tenantid}")
                    ),
                )
            }),
            ("issuer: of version 1", |entra| {
                with(entra, "issuer", json!(entra.issuer(entra.tenant(), TokenVersion::V1)))
            }),
            ("issuer: of another tenant", |entra| {
                with(
                    entra,
                    "issuer",
                    json!(entra.issuer("11111111-aaaa-4bbb-8ccc-999999999999".parse().unwrap(), TokenVersion::V2)),
                )
            }),
            ("issuer: a slash more", |entra| {
                with(entra, "issuer", json!(format!("{}/", entra.issuer(entra.tenant(), TokenVersion::V2))))
            }),
            ("issuer: missing", |entra| without(entra, "issuer")),
            ("issuer: null", |entra| with(entra, "issuer", json!(null))),
            ("issuer: a list", |entra| with(entra, "issuer", json!([entra.issuer(entra.tenant(), TokenVersion::V2)]))),
            ("issuer: empty", |entra| with(entra, "issuer", json!(""))),
            ("issuer: another host", |entra| with(entra, "issuer", json!("https://evil.example/v2.0"))),
            ("issuer: twice", |entra| {
                let document = entra.discovery_document(TokenVersion::V2);
                json_text(document.replacen('{', "{\"issuer\":\"https://evil.example\",", 1))
            }),
            ("jwks_uri: missing", |entra| without(entra, "jwks_uri")),
            ("jwks_uri: null", |entra| with(entra, "jwks_uri", json!(null))),
            ("jwks_uri: a number", |entra| with(entra, "jwks_uri", json!(7))),
            ("jwks_uri: a list", |entra| with(entra, "jwks_uri", json!(["x"]))),
            ("jwks_uri: empty", |entra| with(entra, "jwks_uri", json!(""))),
            ("jwks_uri: another host", |entra| with(entra, "jwks_uri", json!("https://evil.example/keys"))),
            ("jwks_uri: another port", |entra| with(entra, "jwks_uri", json!("http://127.0.0.1:1/keys"))),
            ("jwks_uri: another loopback address", |entra| {
                with(entra, "jwks_uri", json!(entra.url().replace("127.0.0.1", "127.0.0.2") + "/keys"))
            }),
            ("jwks_uri: localhost", |entra| {
                with(entra, "jwks_uri", json!(entra.url().replace("127.0.0.1", "localhost") + "/keys"))
            }),
            ("jwks_uri: the metadata service", |entra| {
                with(entra, "jwks_uri", json!("http://169.254.169.254/metadata/identity"))
            }),
            ("jwks_uri: the host as a user", |entra| {
                with(entra, "jwks_uri", json!(format!("{}@evil.example/keys", entra.url())))
            }),
            ("jwks_uri: a user before the host", |entra| {
                with(entra, "jwks_uri", json!(entra.url().replace("://", "://evil.example@") + "/keys"))
            }),
            ("jwks_uri: a backslash", |entra| {
                with(entra, "jwks_uri", json!(format!("{}\\@evil.example/keys", entra.url())))
            }),
            ("jwks_uri: a number sign", |entra| with(entra, "jwks_uri", json!(format!("{}/keys#x", entra.url())))),
            ("jwks_uri: a host that begins like ours", |entra| {
                with(entra, "jwks_uri", json!(format!("{}.evil.example/keys", entra.url())))
            }),
            ("jwks_uri: a file", |entra| with(entra, "jwks_uri", json!("file:///etc/passwd"))),
            ("jwks_uri: data", |entra| with(entra, "jwks_uri", json!("data:application/json,{\"keys\":[]}"))),
            ("jwks_uri: ftp", |entra| with(entra, "jwks_uri", json!(entra.url().replace("http", "ftp") + "/keys"))),
            ("jwks_uri: gopher", |entra| with(entra, "jwks_uri", json!("gopher://127.0.0.1:70/_x"))),
            ("jwks_uri: no scheme", |entra| with(entra, "jwks_uri", json!(entra.url().replace("http:", "") + "/keys"))),
            ("jwks_uri: a path alone", |entra| with(entra, "jwks_uri", json!("/keys"))),
            ("jwks_uri: a blank before", |entra| with(entra, "jwks_uri", json!(format!(" {}/keys", entra.url())))),
            ("jwks_uri: a line break", |entra| with(entra, "jwks_uri", json!(format!("{}/keys\r\nX: y", entra.url())))),
            ("jwks_uri: an empty port", |entra| {
                with(entra, "jwks_uri", json!(format!("http://127.0.0.1:/keys{}", &entra.url()[..0])))
            }),
            ("jwks_uri: a port beyond all", |entra| {
                with(entra, "jwks_uri", json!(entra.url().rsplit_once(':').unwrap().0.to_owned() + ":70000/keys"))
            }),
            ("jwks_uri: the address as one number", |entra| {
                with(entra, "jwks_uri", json!(entra.url().replace("127.0.0.1", "2130706433") + "/keys"))
            }),
            ("jwks_uri: the address in octal", |entra| {
                with(entra, "jwks_uri", json!(entra.url().replace("127.0.0.1", "0177.0.0.1") + "/keys"))
            }),
            ("jwks_uri: the address within IPv6", |entra| {
                with(entra, "jwks_uri", json!(entra.url().replace("127.0.0.1", "[::ffff:127.0.0.1]") + "/keys"))
            }),
            ("jwks_uri: twice", |entra| {
                let document = entra.discovery_document(TokenVersion::V2);
                json_text(document.replacen('{', "{\"jwks_uri\":\"https://evil.example\",", 1))
            }),
            ("cloud_instance_name: another cloud", |entra| {
                with(entra, "cloud_instance_name", json!("microsoftonline.us"))
            }),
            ("cloud_instance_name: a number", |entra| with(entra, "cloud_instance_name", json!(7))),
            ("cloud_instance_name: another case", |entra| with(entra, "cloud_instance_name", json!("ENTRA.TEST"))),
            ("document: empty", |_| Fault::empty()),
            ("document: a page for people", |_| Fault::html()),
            ("document: a list", |entra| json_text(format!("[{}]", entra.discovery_document(TokenVersion::V2)))),
            ("document: null", |_| json_text("null")),
            ("document: the keys instead", |entra| json_text(entra.key_document(TokenVersion::V2))),
            ("document: cut off", |entra| json_text(entra.discovery_document(TokenVersion::V2)[..200].to_owned())),
            ("document: something behind", |entra| json_text(entra.discovery_document(TokenVersion::V2) + "x")),
            ("document: an error of Entra", |_| json_text(r#"{"error":"invalid_tenant"}"#)),
        ],
    );
    // Where there is no document at all, the latest good one still leads to the keys.
    served(
        TAKEN,
        &[
            ("answer: 302 to somewhere", |_| Fault::redirect(302, "http://127.0.0.1:1/")),
            ("answer: 307 to the metadata service", |_| Fault::redirect(307, "http://169.254.169.254/")),
            ("answer: 400", |_| Fault::status(400)),
            ("answer: 503", |_| Fault::status(503)),
            ("answer: a content coding", |entra| Fault::gzip(entra.discovery_document(TokenVersion::V2))),
            ("answer: beyond 256 kibibytes", |_| Fault::oversize(262_145)),
            ("answer: beyond 256 kibibytes in chunks", |_| Fault::oversize(262_145).chunked()),
            ("answer: without end", |_| Fault::endless()),
            ("answer: a connection that closes", |_| Fault::reset()),
        ],
    );
    served(
        TAKEN,
        &[
            ("document: as Entra serves it", |_| Fault::none()),
            ("document: only what is read", |entra| {
                let document = parsed(entra);
                json_text(json!({"issuer": document["issuer"], "jwks_uri": document["jwks_uri"]}).to_string())
            }),
            ("cloud_instance_name: missing", |entra| without(entra, "cloud_instance_name")),
            ("cloud_instance_name: null", |entra| with(entra, "cloud_instance_name", json!(null))),
            ("cloud_instance_name: blank", |entra| with(entra, "cloud_instance_name", json!(" "))),
            ("other members of every type", |entra| with(entra, "x", json!([null, {"y": 1.5}]))),
            ("another algorithm announced", |entra| {
                with(entra, "id_token_signing_alg_values_supported", json!(["none", "HS256"]))
            }),
            ("another token endpoint", |entra| with(entra, "token_endpoint", json!("https://evil.example"))),
            ("answer: of exactly 256 kibibytes", |_| Fault::oversize(262_144)),
        ],
    );
    for (name, path) in [
        ("jwks_uri: with a query", "/11111111-aaaa-4bbb-8ccc-222222222222/discovery/v2.0/keys?appid=x"),
        ("jwks_uri: the common keys", "/common/discovery/v2.0/keys"),
    ] {
        let fault = |entra: &MockEntra| with(entra, "jwks_uri", json!(format!("{}{path}", entra.url())));
        entries.push(Entry::served(name, TAKEN, Endpoint::Discovery, fault).keys_at(path));
    }
    entries
}

fn parsed(entra: &MockEntra) -> Value {
    serde_json::from_str(&entra.discovery_document(TokenVersion::V2)).unwrap()
}

fn with(entra: &MockEntra, name: &str, value: Value) -> Fault {
    let mut document = parsed(entra);
    document[name] = value;
    json_text(document.to_string())
}

fn without(entra: &MockEntra, name: &str) -> Fault {
    let mut document = parsed(entra);
    document.as_object_mut().unwrap().remove(name);
    json_text(document.to_string())
}

fn json_text(text: impl Into<bytes::Bytes>) -> Fault {
    Fault::content("application/json; charset=utf-8", text)
}

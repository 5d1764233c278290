//! Who issued a token and for whom: issuer, tenant, audience.

use mock_entra::TokenBuilder;
use signalr_upstream_auth::{Audiences, Callers, Policy, RejectionKind as K, Tenants, TokenVersion};

use crate::entry::{Entry, Sent};
use crate::expected::{Expected, PASS, rejected};
use crate::fixture::{Fixture, OTHER_TENANT};
use TokenVersion::{V1, V2};

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    let token = || fixture.token();
    let (tenant, v1, v2) = (fixture.tenant(), fixture.issuer(V1), fixture.issuer(V2));
    let other = OTHER_TENANT.parse().unwrap();
    let issuer = rejected(401, K::WrongIssuer);
    for (name, text) in [
        ("iss: empty", String::new()),
        ("iss: of v2 in a v1 token", v2.clone()),
        ("iss: without its last slash", v1.trim_end_matches('/').to_owned()),
        ("iss: with two slashes", format!("{v1}/")),
        ("iss: in upper case", v1.to_uppercase()),
        ("iss: a letter in upper case", v1.replacen("http", "Http", 1)),
        ("iss: a blank behind", format!("{v1} ")),
        ("iss: a blank before", format!(" {v1}")),
        ("iss: a line break behind", format!("{v1}\n")),
        ("iss: a zero behind", format!("{v1}\0")),
        ("iss: more behind", format!("{v1}v2.0")),
        ("iss: more before", format!("https://evil.example/{v1}")),
        ("iss: cut by a letter", v1[..v1.len() - 2].to_owned()),
        ("iss: a query behind", format!("{v1}?x=1")),
        ("iss: a number sign behind", format!("{v1}#x")),
        ("iss: a dot segment", v1.replace(&tenant, &format!("x/../{tenant}"))),
        ("iss: percent-encoded", v1.replace("1111", "%31111")),
        ("iss: the placeholder", v1.replace(&tenant, "{tenantid}")),
        ("iss: common", v1.replace(&tenant, "common")),
        ("iss: organizations", v1.replace(&tenant, "organizations")),
        ("iss: consumers", v1.replace(&tenant, "9188040d-6c67-4c5b-b112-36a304b66dad")),
        ("iss: of another tenant", v1.replace(&tenant, OTHER_TENANT)),
        ("iss: the tenant in upper case", v1.replace(&tenant, &tenant.to_uppercase())),
        ("iss: the public cloud's", format!("https://sts.windows.net/{tenant}/")),
        ("iss: China's", format!("https://sts.chinacloudapi.cn/{tenant}/")),
        ("iss: a B2C tenant's", format!("https://contoso.b2clogin.com/{tenant}/v2.0/")),
        ("iss: an external tenant's", format!("https://contoso.ciamlogin.com/{tenant}/v2.0")),
        ("iss: AD FS", "https://adfs.example/adfs".to_owned()),
        ("iss: another provider's", "https://accounts.example.com".to_owned()),
        ("iss: SignalR's own", "https://contoso.service.signalr.net".to_owned()),
        ("iss: a list in a text", format!("[\"{v1}\"]")),
        ("iss: with a user", v1.replacen("://", "://user@", 1)),
        ("iss: https for http", v1.replacen("http://", "https://", 1)),
    ] {
        add(name, issuer, token().issuer(text));
    }
    add("v2, iss: of v1", issuer, token().v2().issuer(&v1));
    add("v2, iss: a slash behind", issuer, token().v2().issuer(format!("{v2}/")));
    add("v2, iss: without v2.0", issuer, token().v2().issuer(v2.trim_end_matches("/v2.0")));
    add("v2, iss: V2.0", issuer, token().v2().issuer(v2.replace("v2.0", "V2.0")));
    add("v2, iss: of another tenant", issuer, token().v2().issuer(v2.replace(&tenant, OTHER_TENANT)));
    add("ver: 2.0 in a v1 token", issuer, token().claim("ver", "2.0"));
    add("ver: 1.0 in a v2 token", issuer, token().v2().claim("ver", "1.0"));

    let wrong_tenant = rejected(401, K::WrongTenant);
    add("tid: another tenant, with its issuer", wrong_tenant, token().tenant(other));
    add("v2, tid: another tenant, with its issuer", wrong_tenant, token().v2().tenant(other));
    for (name, text) in [
        ("tid: another tenant", OTHER_TENANT.to_owned()),
        ("tid: in upper case", tenant.to_uppercase()),
        ("tid: one letter in upper case", tenant.replacen('a', "A", 1)),
        ("tid: in braces", format!("{{{tenant}}}")),
        ("tid: without hyphens", tenant.replace('-', "")),
        ("tid: a blank behind", format!("{tenant} ")),
        ("tid: a line break behind", format!("{tenant}\n")),
        ("tid: empty", String::new()),
        ("tid: common", "common".to_owned()),
        ("tid: organizations", "organizations".to_owned()),
        ("tid: the placeholder", "{tenantid}".to_owned()),
        ("tid: a domain", "contoso.onmicrosoft.com".to_owned()),
        ("tid: all zero", "00000000-0000-0000-0000-000000000000".to_owned()),
        ("tid: personal accounts", "9188040d-6c67-4c5b-b112-36a304b66dad".to_owned()),
        ("tid: a list in a text", format!("{tenant},{OTHER_TENANT}")),
        ("tid: an asterisk", "*".to_owned()),
        ("tid: a URN", format!("urn:uuid:{tenant}")),
        ("tid: cut by a digit", tenant[..35].to_owned()),
        ("tid: a digit more", format!("{tenant}2")),
        ("tid: digits of another script", tenant.replacen('1', "\u{661}", 1)),
    ] {
        add(name, wrong_tenant, token().claim("tid", text));
    }

    let audience = fixture.audience();
    let wrong_audience = rejected(401, K::WrongAudience);
    for (name, text) in [
        ("aud: somebody else's URI", "api://somebody-else".to_owned()),
        ("aud: another client id", audience.replace('3', "4")),
        ("aud: empty", String::new()),
        ("aud: a blank", " ".to_owned()),
        ("aud: an asterisk", "*".to_owned()),
        ("aud: a blank behind", format!("{audience} ")),
        ("aud: two slashes behind", format!("api://{audience}//")),
        ("aud: a slash behind the bare id", format!("{audience}/")),
        ("aud: a path behind", format!("api://{audience}/x")),
        ("aud: a scope behind", format!("api://{audience}/.default")),
        ("aud: the scheme in upper case", format!("API://{audience}")),
        ("aud: another scheme", format!("https://{audience}")),
        ("aud: spn", format!("spn:{audience}")),
        ("aud: in braces", format!("{{{audience}}}")),
        ("aud: two with a comma", format!("{audience},api://x")),
        ("aud: two with a blank", format!("{audience} api://x")),
        ("aud: longer by a letter", format!("{audience}4")),
        ("aud: shorter by a letter", audience[..35].to_owned()),
        ("aud: SignalR itself", "https://contoso.service.signalr.net/client/?hub=chat".to_owned()),
        ("aud: SignalR's resource", "https://signalr.azure.com".to_owned()),
        ("aud: Azure management", "https://management.azure.com/".to_owned()),
        ("aud: Key Vault", "https://vault.azure.net".to_owned()),
        ("aud: storage", "https://storage.azure.com/".to_owned()),
        ("aud: the old directory", "https://graph.windows.net".to_owned()),
        ("aud: a host that begins like Graph", "https://graph.microsoft.com.evil.example".to_owned()),
        ("aud: token exchange", "api://AzureADTokenExchange".to_owned()),
    ] {
        add(name, wrong_audience, token().audience(text));
    }
    add("v2, aud: the URI form of the id", wrong_audience, token().v2().audience(format!("api://{audience}")));
    add("aud: two, one of them ours", wrong_audience, token().claim("aud", [audience.as_str(), "api://x"]));
    add("aud: two, the last one ours", wrong_audience, token().claim("aud", ["api://x", audience.as_str()]));
    add("aud: ours twice", wrong_audience, token().claim("aud", [&audience, &audience]));
    add("aud: an empty list", wrong_audience, token().claim("aud", [""; 0]));
    add("aud: a list of the empty text", wrong_audience, token().claim("aud", [""]));
    add("aud: a thousand", wrong_audience, token().claim("aud", vec!["a"; 1000]));

    let graph = rejected(401, K::GraphToken);
    add("a token for Graph", graph, token().graph());
    add("v2, a token for Graph", graph, token().v2().graph());
    for (name, text) in [
        ("aud: Graph", "https://graph.microsoft.com"),
        ("aud: Graph with a slash", "https://graph.microsoft.com/"),
        ("aud: Graph by its id", "00000003-0000-0000-c000-000000000000"),
        ("aud: Graph by its id in upper case", "00000003-0000-0000-C000-000000000000"),
        ("aud: Graph of the US Government", "https://graph.microsoft.us"),
        ("aud: Graph of China", "https://microsoftgraph.chinacloudapi.cn"),
    ] {
        add(name, graph, token().audience(text));
    }
    add("aud: another, with a nonce", graph, token().header("nonce", "n").audience("api://x"));
    add("a bad signature, with a nonce", graph.signed(), token().header("nonce", "n").signature([7; 256]));

    add("aud: the bare id in v1", PASS, token().audience(&audience));
    add("aud: the bare id in upper case", PASS, token().audience(audience.to_uppercase()));
    add("aud: the URI form in v1", PASS, token().audience(format!("api://{audience}")));
    add("aud: the URI form with a slash", PASS, token().audience(format!("api://{audience}/")));
    add(
        "aud: the URI form with the id in upper case",
        PASS,
        token().audience(format!("api://{}", audience.to_uppercase())),
    );
    add("v2, aud: the bare id", PASS, token().v2());
    add("v2, aud: a list of one", PASS, token().v2().claim("aud", [&audience]));

    // A policy with a URI and two tenants.
    let policy = Policy::builder(
        Tenants::parse([tenant.as_str(), OTHER_TENANT]).unwrap(),
        Audiences::parse(["api://signalr", "https://contoso.example/up/"]).unwrap(),
        Callers::new([(fixture.entra.tenant(), fixture.entra.caller_object_id())]).unwrap(),
    )
    .cloud(fixture.entra.cloud())
    .build()
    .unwrap();
    for (name, expected, token) in [
        ("a URI: as it stands", PASS, token().audience("api://signalr")),
        ("a URI: in v2", PASS, token().v2().audience("api://signalr")),
        ("a URI: a slash more", PASS, token().audience("api://signalr/")),
        ("a URI: a slash less", PASS, token().audience("https://contoso.example/up")),
        ("a URI: two slashes more", wrong_audience, token().audience("api://signalr//")),
        ("a URI: another case", wrong_audience, token().audience("api://SignalR")),
        ("a URI: the start of it", wrong_audience, token().audience("api://signal")),
        ("a URI: more behind", wrong_audience, token().audience("api://signalr2")),
        ("a URI: another host that ends like it", wrong_audience, token().audience("https://evilcontoso.example/up/")),
        ("a URI: the id of somebody", wrong_audience, token().audience(&audience)),
        (
            "two tenants: iss of the one and tid of the other",
            issuer,
            token().tenant(other).issuer(&v1).audience("api://signalr"),
        ),
        (
            "two tenants: tid of the one and iss of the other",
            issuer,
            token().issuer(v1.replace(&tenant, OTHER_TENANT)).audience("api://signalr"),
        ),
    ] {
        entries.push(Entry::to_policy(name, expected, Sent::token(&token.mint()), policy.clone()));
    }
    entries
}

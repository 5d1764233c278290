//! The value of the `Authorization` header (RFC 6750 section 2.1, RFC 9110 section 11.6.2).

use signalr_upstream_auth::RejectionKind as K;

use crate::entry::{Entry, Sent};
use crate::expected::{PASS, rejected};
use crate::fixture::Fixture;

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let mut entries = fixture.lines(
        PASS,
        &[
            ("the usual", &["Bearer {}"]),
            ("the scheme in lower case", &["bearer {}"]),
            ("the scheme in upper case", &["BEARER {}"]),
            ("the scheme in mixed case", &["bEaReR {}"]),
            ("two spaces", &["Bearer  {}"]),
            ("many spaces", &["Bearer                     {}"]),
        ],
    );
    entries.extend(fixture.lines(
        rejected(401, K::MissingCredentials),
        &[("an empty value", &[""]), ("one space", &[" "]), ("spaces", &["       "])],
    ));
    entries.extend(fixture.lines(
        rejected(401, K::UnsupportedScheme),
        &[
            ("the token alone", &["{}"]),
            ("a space before the scheme", &[" Bearer {}"]),
            ("a tab before the scheme", &["\tBearer {}"]),
            ("Basic", &["Basic eDp5"]),
            ("Basic with the token as its password", &["Basic {}"]),
            ("Digest", &["Digest username=\"x\""]),
            ("Negotiate", &["Negotiate"]),
            ("NTLM", &["NTLM TlRMTVNTUAAB"]),
            ("DPoP", &["DPoP {}"]),
            ("PoP", &["PoP {}"]),
            ("MAC", &["MAC id=\"x\""]),
            ("JWT as a scheme", &["JWT {}"]),
            ("Token as a scheme", &["Token {}"]),
            ("SharedKey", &["SharedKey {}"]),
            ("a scheme cut short", &["Beare {}"]),
            ("a scheme drawn out", &["Bearers {}"]),
            ("a scheme with a digit", &["Bearer2 {}"]),
            ("a scheme with a hyphen", &["Bearer-Token {}"]),
            ("no space behind the scheme", &["Bearer{}"]),
            ("a dot behind the scheme", &["Bearer.{}"]),
            ("an underscore behind the scheme", &["Bearer_{}"]),
            ("a quoted value", &["\"Bearer {}\""]),
            ("an apostrophe before the scheme", &["'Bearer {}'"]),
            ("a comma before the scheme", &[",Bearer {}"]),
            ("Bearer behind Basic", &["Basic Bearer {}"]),
            ("null", &["null"]),
            ("undefined", &["undefined"]),
            ("one letter", &["B"]),
            ("a colon", &["Authorization: Bearer {}"]),
            ("another script's letter", &["B\u{435}arer {}"]),
            ("a long scheme", &[LONG_SCHEME]),
        ],
    ));
    entries.extend(fixture.lines(
        rejected(400, K::MalformedCredentials),
        &[
            ("Bearer alone", &["Bearer"]),
            ("Bearer and a space", &["Bearer "]),
            ("Bearer and spaces", &["Bearer      "]),
            ("a tab for the space", &["Bearer\t{}"]),
            ("a tab behind the space", &["Bearer \t{}"]),
            ("a comma behind the scheme", &["Bearer, {}"]),
            ("a comma for the space", &["Bearer,{}"]),
            ("a colon for the space", &["Bearer:{}"]),
            ("a colon and a space", &["Bearer: {}"]),
            ("an equals sign for the space", &["Bearer={}"]),
            ("a slash for the space", &["Bearer/{}"]),
            ("a semicolon behind the token", &["Bearer {};"]),
            ("a space behind the token", &["Bearer {} "]),
            ("a tab behind the token", &["Bearer {}\t"]),
            ("two tokens with a space", &["Bearer {} {}"]),
            ("two tokens with a comma", &["Bearer {},{}"]),
            ("two credentials in one line", &["Bearer {}, Basic eDp5"]),
            ("the scheme twice", &["Bearer Bearer {}"]),
            ("a quoted token", &["Bearer \"{}\""]),
            ("an apostrophe around the token", &["Bearer '{}'"]),
            ("angle brackets around the token", &["Bearer <{}>"]),
            ("braces around the token", &["Bearer {{}}"]),
            ("a parameter", &["Bearer token=\"{}\""]),
            ("a realm", &["Bearer realm=\"x\", token=\"{}\""]),
            ("a percent escape", &["Bearer %65{}"]),
            ("an asterisk", &["Bearer *"]),
            ("a backslash", &["Bearer {}\\"]),
            ("a question mark", &["Bearer {}?"]),
            ("a number sign", &["Bearer {}#"]),
            ("an ampersand", &["Bearer {}&x=1"]),
            ("a vertical bar", &["Bearer {}|"]),
            ("a dollar sign", &["Bearer ${jndi:ldap://x}"]),
            ("a letter beyond ASCII", &["Bearer {}\u{e4}"]),
            ("a no-break space for the space", &["Bearer\u{a0}{}"]),
            ("an invisible character before the token", &["Bearer \u{200b}{}"]),
            ("a byte order mark before the token", &["Bearer \u{feff}{}"]),
            ("letters that fold to ASCII", &["Bearer \u{ff25}{}"]),
        ],
    ));
    entries.extend(fixture.lines(
        rejected(400, K::MultipleCredentials),
        &[
            ("the same line twice", &["Bearer {}", "Bearer {}"]),
            ("a good line, then Basic", &["Bearer {}", "Basic eDp5"]),
            ("Basic, then a good line", &["Basic eDp5", "Bearer {}"]),
            ("a good line, then an empty one", &["Bearer {}", ""]),
            ("an empty line, then a good one", &["", "Bearer {}"]),
            ("two empty lines", &["", ""]),
            ("three lines", &["Bearer a", "Bearer b", "Bearer {}"]),
            ("two malformed lines", &["Bearer,", "Bearer,"]),
            ("two other schemes", &["Basic a", "Digest b"]),
        ],
    ));

    let good = fixture.good();
    let filled = |count: usize, fill: &str| format!("Bearer {}", fill.repeat(count));
    let mut sized =
        |name: &str, expected, line: String| entries.push(Entry::sent(name, expected, Sent::lines(&[line])));
    sized("exactly 16,384 bytes", rejected(401, K::MalformedToken), filled(16_384 - 7, "a"));
    sized("one byte more", rejected(401, K::TokenTooLarge), filled(16_384 - 6, "a"));
    sized("too large and of another alphabet", rejected(401, K::TokenTooLarge), filled(16_384, ","));
    sized(
        "a good token behind too many spaces",
        rejected(401, K::TokenTooLarge),
        format!("Bearer {}{good}", " ".repeat(16_000)),
    );
    sized(
        "a good token within too many letters",
        rejected(401, K::TokenTooLarge),
        format!("Bearer {good}{}", "a".repeat(16_000)),
    );
    sized("sixty thousand dots", rejected(401, K::TokenTooLarge), filled(60_000, "."));
    sized("sixteen thousand dots", rejected(401, K::MalformedToken), filled(16_000, "."));
    sized("five hundred thousand letters", rejected(401, K::TokenTooLarge), filled(500_000, "A"));
    sized(
        "a large line of another scheme",
        rejected(401, K::UnsupportedScheme),
        format!("Basic {}", "a".repeat(100_000)),
    );
    let padded = |padding: usize| fixture.token().claim("padding", "x".repeat(padding)).mint();
    sized("a good token of 4,000 bytes", PASS, format!("Bearer {}", padded(1500)));
    let not_cached = PASS.signed();
    sized("a good token too large to be cached", not_cached, format!("Bearer {}", padded(4000)));
    sized("a good token near the limit", not_cached, format!("Bearer {}", padded(10_700)));
    sized("a good token beyond the limit", rejected(401, K::TokenTooLarge), format!("Bearer {}", padded(12_000)));
    let invisible = [0x80_u8, 0xff];
    for byte in invisible {
        let line = [b"Bearer ".as_slice(), good.as_bytes(), &[byte]].concat();
        entries.push(Entry::sent(
            format!("byte {byte:#04x} behind the token"),
            rejected(400, K::MalformedCredentials),
            Sent::lines(&[line]),
        ));
    }
    entries
}

const LONG_SCHEME: &str =
    "BearerBearerBearerBearerBearerBearerBearerBearerBearerBearerBearerBearerBearerBearerBearer x";

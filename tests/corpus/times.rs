//! The times of a token (RFC 7519 sections 4.1.4 to 4.1.6), checked at noon with 300 seconds of skew.

use serde_json::json;
use signalr_upstream_auth::RejectionKind as K;
use signalr_upstream_auth::clock::UnixTime;

use crate::entry::{Entry, Sent};
use crate::expected::{PASS, rejected};
use crate::fixture::Fixture;
use support::NOON;

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let mut entries = fixture.tokens(
        PASS,
        &[
            ("exp: at the last second of the skew", |token| {
                token.claim("exp", NOON - 299).without_claim("nbf").without_claim("iat")
            }),
            ("exp: now", |token| token.claim("exp", NOON)),
            ("exp: the greatest number", |token| token.claim("exp", i64::MAX)),
            ("exp: in a thousand years", |token| token.claim("exp", NOON + 31_556_952_000)),
            ("nbf: at the last second of the skew", |token| token.claim("nbf", NOON + 300)),
            ("nbf: missing", |token| token.without_claim("nbf")),
            ("nbf: 1970", |token| token.claim("nbf", 0)),
            ("nbf: as exp", |token| token.claim("nbf", NOON).claim("exp", NOON)),
            ("iat: at the last second of the skew", |token| token.claim("iat", NOON + 300)),
            ("iat: missing", |token| token.without_claim("iat")),
            ("iat: as exp", |token| token.claim("iat", NOON + 5).claim("exp", NOON + 5)),
        ],
    );
    entries.extend(fixture.tokens(
        rejected(401, K::Expired),
        &[
            ("exp: at the end of the skew", |token| token.claim("exp", NOON - 300)),
            ("exp: a second beyond the skew", |token| token.claim("exp", NOON - 301)),
            ("exp: an hour ago", |token| token.expired()),
            ("exp: 1970", |token| token.claim("exp", 0)),
            ("exp: one", |token| token.claim("exp", 1)),
            ("exp: in days, not seconds", |token| token.claim("exp", 20_717)),
            ("exp: expired and not valid yet", |token| token.claim("exp", NOON - 301).claim("nbf", NOON + 301)),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::NotYetValid),
        &[
            ("nbf: a second beyond the skew", |token| token.claim("nbf", NOON + 301)),
            ("nbf: tomorrow", |token| token.not_before(UnixTime::from_secs(NOON + 86_400))),
            ("nbf: the greatest number", |token| token.claim("nbf", i64::MAX).claim("exp", i64::MAX)),
            ("nbf: in milliseconds", |token| token.claim("nbf", NOON * 1000).claim("exp", NOON * 1000 + 1)),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::IssuedInFuture),
        &[
            ("iat: a second beyond the skew", |token| token.claim("iat", NOON + 301)),
            ("iat: tomorrow", |token| token.claim("iat", NOON + 86_400)),
            ("iat: the greatest number", |token| token.claim("iat", i64::MAX)),
            ("iat: in milliseconds", |token| token.claim("iat", NOON * 1000)),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::ValidityReversed),
        &[
            ("nbf: a second behind exp", |token| token.claim("nbf", NOON + 1).claim("exp", NOON)),
            ("nbf: behind exp, both within the skew", |token| {
                token.claim("nbf", NOON + 299).claim("exp", NOON - 299).without_claim("iat")
            }),
            ("iat: a second behind exp", |token| token.claim("iat", NOON + 1).claim("exp", NOON)),
            ("iat: behind exp, both within the skew", |token| {
                token.claim("iat", NOON + 299).claim("exp", NOON - 299).without_claim("nbf")
            }),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::MissingClaim),
        &[
            ("exp: missing", |token| token.without_claim("exp")),
            ("exp: EXP instead", |token| token.without_claim("exp").claim("EXP", NOON + 100)),
            ("exp: expires_in instead", |token| token.without_claim("exp").claim("expires_in", 3600)),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::MalformedClaims),
        &[
            ("exp: before 1970", |token| token.claim("exp", -1)),
            ("exp: the least number", |token| token.claim("exp", i64::MIN)),
            ("nbf: before 1970", |token| token.claim("nbf", -1)),
            ("nbf: the least number", |token| token.claim("nbf", i64::MIN)),
            ("iat: before 1970", |token| token.claim("iat", -1)),
            ("iat: the least number", |token| token.claim("iat", i64::MIN)),
            ("exp: a text", |token| token.claim("exp", "1800000000")),
            ("exp: an empty text", |token| token.claim("exp", "")),
            ("exp: a date", |token| token.claim("exp", "2099-01-01T00:00:00Z")),
            ("exp: null", |token| token.claim("exp", json!(null))),
            ("exp: true", |token| token.claim("exp", true)),
            ("exp: a list", |token| token.claim("exp", [NOON + 100])),
            ("exp: an object", |token| token.claim("exp", json!({"$date": NOON}))),
            ("exp: with a fraction", |token| token.claim("exp", 1_800_000_000.5)),
            ("exp: with a zero fraction", |token| token.claim("exp", 1_800_000_000.0)),
            ("exp: beyond 64 bits", |token| token.claim("exp", u64::MAX)),
            ("exp: one beyond 63 bits", |token| token.claim("exp", 9_223_372_036_854_775_808_u64)),
            ("nbf: a text", |token| token.claim("nbf", "0")),
            ("nbf: null", |token| token.claim("nbf", json!(null))),
            ("nbf: a list", |token| token.claim("nbf", [0])),
            ("nbf: with a fraction", |token| token.claim("nbf", 0.5)),
            ("nbf: false", |token| token.claim("nbf", false)),
            ("iat: a text", |token| token.claim("iat", "0")),
            ("iat: null", |token| token.claim("iat", json!(null))),
            ("iat: an object", |token| token.claim("iat", json!({}))),
            ("iat: with a fraction", |token| token.claim("iat", 1.5)),
        ],
    ));
    let digits = "9".repeat(400);
    for (name, literal) in [
        ("exp: four hundred digits", digits.as_str()),
        ("exp: an exponent", "18e8"),
        ("exp: minus zero", "-0"),
        ("exp: a zero exponent", "1800000000e0"),
        ("exp: twenty digits", "18000000000000000000000"),
        ("exp: a small exponent", "180000000000E-2"),
    ] {
        let text = r#"{"aud":"x","exp":"#.to_owned() + literal + "}";
        entries.push(Entry::sent(
            name,
            rejected(401, K::MalformedClaims),
            Sent::token(&fixture.token().raw_claims(text).mint()),
        ));
    }
    entries.extend(fixture.tokens(
        rejected(401, K::DuplicateMember),
        &[
            ("exp: twice, the same", |token| token.claim("exp", NOON).duplicate_claim("exp", NOON)),
            ("exp: twice, the later good", |token| token.claim("exp", 1).duplicate_claim("exp", NOON + 100)),
            ("exp: twice, the earlier good", |token| token.duplicate_claim("exp", 1)),
            ("nbf: twice", |token| token.duplicate_claim("nbf", 0)),
            ("iat: twice", |token| token.duplicate_claim("iat", 0)),
        ],
    ));
    let unreadable = rejected(503, K::ClockUnavailable);
    entries.push(Entry::clockless("no clock: a good token", unreadable, Sent::token(&fixture.good())));
    entries.push(Entry::clockless(
        "no clock: an expired token",
        unreadable,
        Sent::token(&fixture.token().expired().mint()),
    ));
    entries.push(Entry::clockless(
        "no clock: a token for another audience",
        rejected(401, K::WrongAudience),
        Sent::token(&fixture.token().audience("api://x").mint()),
    ));
    let strict = fixture.entra.policy_builder().clock_skew(std::time::Duration::ZERO).build().unwrap();
    let with_skew = |offset: i64| {
        Sent::token(
            &fixture
                .token()
                .claim("exp", i64::try_from(NOON).unwrap() + offset)
                .without_claim("nbf")
                .without_claim("iat")
                .mint(),
        )
    };
    entries.push(Entry::to_policy("no skew: exp in a second", PASS, with_skew(1), strict.clone()));
    entries.push(Entry::to_policy("no skew: exp now", rejected(401, K::Expired), with_skew(0), strict));
    let lenient = fixture.entra.policy_builder().clock_skew(std::time::Duration::from_secs(600)).build().unwrap();
    entries.push(Entry::to_policy("most skew: exp 599 seconds ago", PASS, with_skew(-599), lenient.clone()));
    entries.push(Entry::to_policy(
        "most skew: exp 600 seconds ago",
        rejected(401, K::Expired),
        with_skew(-600),
        lenient,
    ));
    entries
}

//! Keys that appear and disappear after the first load, with the default settings: the first unknown key costs one
//! fetch, the next one within 30 seconds none.

use std::time::Duration;

use mock_entra::{Endpoint, Fault, Jwk, MockEntra, SigningKey, TokenBuilder};
use signalr_upstream_auth::RejectionKind as K;
use signalr_upstream_auth::keys::RemoteKeysBuilder;

use crate::entry::{Entry, Sent};
use crate::expected::{Expected, PASS, rejected};
use crate::fixture::{COOLDOWN, Fixture, OTHER_TENANT, STRANGER};
use crate::leaks::with_canaries;
use crate::scenario::Scenario;

pub fn entries(_: &Fixture) -> Vec<Entry> {
    let mut entries = new_keys();
    entries.extend(failed_on_demand_refreshes());
    entries.extend(withdrawn_keys());
    entries.extend(revoked_keys());
    entries.extend(crowds());
    entries.extend(floods());
    entries
}

/// A token whose key is published only after the first load.
fn new_keys() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: &str, expected: Expected, change: fn(TokenBuilder) -> TokenBuilder| {
        entries.push(Entry::scenario(format!("a new key: {name}"), expected, |entra, scenario| {
            let key = new_key(scenario, entra);
            Sent::token(&change(token(entra).signed_by(&key)).mint())
        }));
    };
    let found = PASS.fetching_once(1, 1);
    add("a good token", found, |token| token);
    add("a good token of version 2", found, TokenBuilder::v2);
    add("a good token too large to be cached", PASS.signed().fetching_once(1, 1), |token| {
        token.claim("padding", "x".repeat(6000))
    });
    let signed = |status, kind| rejected(status, kind).signed().fetching_once(1, 1);
    add("a bad signature", signed(401, K::InvalidSignature), |token| token.signature([7; 256]));
    add("no signature", signed(401, K::InvalidSignature), |token| token.signature([]));
    add("a stranger", signed(403, K::CallerNotAllowed), stranger);
    add("a stranger of version 2", signed(403, K::CallerNotAllowed), |token| stranger(token.v2()));
    add("a user", signed(403, K::DelegatedToken), TokenBuilder::delegated);
    add("no object", signed(401, K::MissingClaim), |token| token.without_claim("oid"));
    // A token that fails an earlier check causes no fetch of its key.
    add("an end in the past", rejected(401, K::Expired), TokenBuilder::expired);
    add("another tenant", rejected(401, K::WrongTenant), |token| token.tenant(OTHER_TENANT.parse().unwrap()));

    let signed = rejected(401, K::InvalidSignature).signed().fetching_once(1, 1);
    entries.push(Entry::scenario("a new key: the claims of another token", signed, |entra, scenario| {
        let key = new_key(scenario, entra);
        let (one, other) = (token(entra).signed_by(&key).mint(), stranger(token(entra)).signed_by(&key).mint());
        Sent::token(&format!("{}.{}", other.rsplit_once('.').unwrap().0, one.rsplit_once('.').unwrap().1))
    }));
    entries.push(Entry::scenario("a new key: signed by one that was held before", signed, |entra, scenario| {
        let key = new_key(scenario, entra);
        Sent::token(&token(entra).key_id(key.key_id().clone()).mint())
    }));
    entries.push(Entry::scenario("a new key: signed by a stranger in its name", signed, |entra, scenario| {
        let key = new_key(scenario, entra);
        Sent::token(&token(entra).signed_by(&SigningKey::stranger().with_key_id(key.key_id().clone())).mint())
    }));
    let missing_role = rejected(403, K::MissingRole).signed().fetching_once(1, 1);
    entries.push(Entry::scenario("a new key: a caller without the role", missing_role, |entra, scenario| {
        scenario.policy = entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
        let key = new_key(scenario, entra);
        Sent::token(&token(entra).signed_by(&key).mint())
    }));

    let mut listed = |name: &str, kind: K, list: fn(&SigningKey) -> Jwk| {
        let expected = rejected(401, kind).fetching_once(1, 1);
        entries.push(Entry::scenario(format!("a new key: {name}"), expected, |entra, scenario| {
            let key = new_key_as(scenario, entra, list);
            Sent::token(&token(entra).signed_by(&key).mint())
        }));
    };
    listed("of another issuer", K::ForeignIssuerKey, |key| {
        Jwk::from(key).member("issuer", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0")
    });
    listed("of another cloud", K::ForeignCloudKey, |key| {
        Jwk::from(key).member("cloud_instance_name", "microsoftonline.us")
    });
    listed("for encryption", K::UnusableKey, |key| Jwk::from(key).member("use", "enc"));
    listed("of another kind", K::UnusableKey, |key| Jwk::from(key).member("kty", "EC"));
    listed("without its modulus", K::UnusableKey, |key| Jwk::from(key).without_member("n"));
    listed("without its name", K::UnknownKey, |key| Jwk::from(key).without_member("kid"));

    entries.push(Entry::scenario("a new key in the place of all others", found, |entra, scenario| {
        let key = entra.new_key();
        let published = key.clone();
        scenario.happens(move |entra, _| {
            entra.rotate_abruptly();
            entra.publish(&published);
        });
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario("a key that one successful response lacks", PASS.after(1, 1), |entra, scenario| {
        let held = entra.signing_key();
        scenario.happens(move |entra, _| entra.withhold(held.key_id()));
        scenario.refresh(true);
        Sent::token(&token(entra).mint())
    }));
    entries.push(Entry::scenario("a key that is not published yet, then is", found.after(1, 1), |entra, scenario| {
        scenario.configure(with_shortest_cooldown);
        let key = entra.new_key();
        scenario.in_turn([Sent::token(&token(entra).signed_by(&key).mint())], Some(K::UnknownKey));
        scenario.cools_down();
        let published = key.clone();
        scenario.happens(move |entra, _| entra.publish(&published));
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario("a token of the key before a rotation", PASS.after(1, 1), |entra, scenario| {
        let before = token(entra).mint();
        let key = new_key(scenario, entra);
        scenario.in_turn([Sent::token(&token(entra).signed_by(&key).mint())], None);
        Sent::token(&before)
    }));
    entries
}

/// An on-demand refresh for a key that no document has, or that no document answers.
fn failed_on_demand_refreshes() -> Vec<Entry> {
    let mut entries = Vec::new();
    let unknown = rejected(401, K::UnknownKey).fetching_once(1, 1);
    entries.push(Entry::scenario("a key that is still not listed", unknown, |entra, _| {
        Sent::token(&token(entra).signed_by(&entra.new_key()).mint())
    }));
    let mut failing = |name: &str, fetches: (usize, usize), endpoint: Endpoint, fault: fn() -> Fault| {
        let expected = rejected(503, K::KeysUnavailable).fetching_once(fetches.0, fetches.1);
        entries.push(Entry::scenario(format!("a new key while {name}"), expected, |entra, scenario| {
            let key = new_key(scenario, entra);
            scenario.happens(move |entra, _| entra.fail(endpoint, fault()));
            Sent::token(&token(entra).signed_by(&key).mint())
        }));
        let expected = PASS.after(fetches.0, fetches.1);
        entries.push(Entry::scenario(format!("a key that is held while {name}"), expected, |entra, scenario| {
            scenario.happens(move |entra, _| entra.fail(endpoint, fault()));
            scenario.in_turn([Sent::token(&token(entra).key_id("x").mint())], Some(K::KeysUnavailable));
            Sent::token(&token(entra).mint())
        }));
    };
    // Without an answer of discovery the place that is known is asked for keys.
    failing("everything answers 500", (1, 1), Endpoint::Any, || Fault::status(500));
    failing("the keys answer 500", (1, 1), Endpoint::Keys, || Fault::status(500));
    failing("the keys answer 500 with an empty set", (1, 1), Endpoint::Keys, empty_set_of_500);
    failing("the keys are an empty set", (1, 1), Endpoint::Keys, || json_text(r#"{"keys":[]}"#));
    failing("the keys are a page for people", (1, 1), Endpoint::Keys, Fault::html);
    failing("discovery is a page for people", (1, 0), Endpoint::Discovery, Fault::html);
    failing("connections are reset", (1, 1), Endpoint::Any, Fault::reset);
    // Discovery says nothing wrong by saying nothing; the keys come from where they were.
    let found = PASS.fetching_once(1, 1);
    entries.push(Entry::scenario("a new key while discovery answers 500", found, |entra, scenario| {
        let key = new_key(scenario, entra);
        scenario.happens(|entra, _| entra.fail(Endpoint::Discovery, Fault::status(500)));
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario(
        "a new key after an on-demand refresh that failed",
        found.after(1, 1),
        |entra, scenario| {
            scenario.configure(with_shortest_cooldown);
            let key = new_key(scenario, entra);
            scenario.happens(|entra, _| entra.fail_next(2, Endpoint::Any, Fault::status(500)));
            scenario.in_turn([Sent::token(&token(entra).signed_by(&key).mint())], Some(K::KeysUnavailable));
            scenario.cools_down();
            Sent::token(&token(entra).signed_by(&key).mint())
        },
    ));
    entries.push(Entry::scenario("a new key after a set without usable keys", found.after(1, 1), |entra, scenario| {
        scenario.configure(with_shortest_cooldown);
        let key = new_key(scenario, entra);
        let unusable = || json_text(r#"{"keys":[{"kty":"EC","kid":"x"}]}"#);
        scenario.happens(move |entra, _| entra.fail_next(1, Endpoint::Keys, unusable()));
        scenario.in_turn([Sent::token(&token(entra).signed_by(&key).mint())], Some(K::KeysUnavailable));
        scenario.cools_down();
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    // A fetch that hangs ends with its limit, here a short one.
    let given_up = rejected(503, K::KeysUnavailable).fetching_once(1, 1);
    entries.push(Entry::scenario("a new key while the keys hang", given_up, |entra, scenario| {
        scenario.configure(|keys| keys.fetch_timeout(Duration::from_millis(300)));
        let key = new_key(scenario, entra);
        scenario.happens(|entra, _| entra.fail(Endpoint::Keys, Fault::hang()));
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario("a new key after a fetch that hung", found.after(1, 1), |entra, scenario| {
        scenario.configure(|keys| with_shortest_cooldown(keys).fetch_timeout(Duration::from_millis(300)));
        let key = new_key(scenario, entra);
        scenario.happens(|entra, _| entra.fail_next(1, Endpoint::Keys, Fault::hang_in_body(100)));
        scenario.in_turn([Sent::token(&token(entra).signed_by(&key).mint())], Some(K::KeysUnavailable));
        scenario.cools_down();
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    let meanwhile = [
        ("a good token", PASS.after(1, 0), token as fn(&MockEntra) -> TokenBuilder),
        ("a stranger", rejected(403, K::CallerNotAllowed).signed().after(1, 0), |entra| stranger(token(entra))),
    ];
    for (name, expected, make) in meanwhile {
        entries.push(Entry::scenario(
            format!("while a fetch for another key hangs: {name}"),
            expected,
            |entra, scenario| {
                scenario.happens(|entra, _| entra.fail(Endpoint::Any, Fault::hang()));
                scenario.left(Sent::token(&token(entra).key_id("x").mint()));
                Sent::token(&make(entra).mint())
            },
        ));
    }
    entries
}

/// A key that was good and is not any more, while a token of it is cached.
fn withdrawn_keys() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: &str, expected: Expected, relist: fn(&MockEntra, &SigningKey)| {
        // Once by a refresh, once by the on-demand refresh for another key, for a cached token and for one
        // that is not.
        for (by, is_refresh) in [("a refresh", true), ("an on-demand refresh", false)] {
            for (age, is_seen) in [("cached", true), ("fresh", false)] {
                let name = format!("{name} by {by}: a {age} token");
                entries.push(Entry::scenario(name, expected.after(1, 1), |entra, scenario| {
                    scenario.configure(|keys| keys.key_retention(Duration::ZERO));
                    let (key, newer) = (entra.signing_key(), entra.new_key());
                    let seen = token(entra).mint();
                    scenario.in_turn([Sent::token(&seen)], None);
                    let published = newer.clone();
                    scenario.happens(move |entra, _| {
                        entra.publish(&published);
                        relist(entra, &key);
                    });
                    if is_refresh {
                        scenario.refresh(true);
                    } else {
                        scenario.in_turn([Sent::token(&token(entra).signed_by(&newer).mint())], None);
                    }
                    Sent::token(&if is_seen { seen } else { token(entra).mint() })
                }));
            }
        }
    };
    add("listed for encryption", rejected(401, K::UnusableKey), |entra, key| {
        entra.withhold(key.key_id());
        entra.publish(Jwk::from(key).member("use", "enc"));
    });
    add("listed for another algorithm", rejected(401, K::UnusableKey), |entra, key| {
        entra.withhold(key.key_id());
        entra.publish(Jwk::from(key).member("alg", "RS512"));
    });
    add("listed twice", rejected(401, K::UnusableKey), |entra, key| {
        entra.publish(SigningKey::stranger().with_key_id(key.key_id().clone()));
    });
    add("listed for another issuer", rejected(401, K::ForeignIssuerKey), |entra, key| {
        entra.withhold(key.key_id());
        entra.publish(Jwk::from(key).member("issuer", "https://evil.example/{tenantid}/v2.0"));
    });
    add("listed for another cloud", rejected(401, K::ForeignCloudKey), |entra, key| {
        entra.withhold(key.key_id());
        entra.publish(Jwk::from(key).member("cloud_instance_name", "microsoftonline.us"));
    });
    add("replaced under its name", rejected(401, K::InvalidSignature).signed(), |entra, key| {
        entra.withhold(key.key_id());
        entra.publish(SigningKey::stranger().with_key_id(key.key_id().clone()));
    });
    entries.push(Entry::scenario(
        "not listed and not retained: a cached token",
        rejected(401, K::UnknownKey).after(1, 1).fetching_once(1, 1),
        |entra, scenario| {
            scenario.configure(|keys| keys.key_retention(Duration::ZERO));
            let key = entra.signing_key();
            let seen = token(entra).mint();
            scenario.in_turn([Sent::token(&seen)], None);
            scenario.happens(move |entra, _| entra.withhold(key.key_id()));
            scenario.refresh(true);
            Sent::token(&seen)
        },
    ));
    entries
}

/// A key that the operator has revoked.
fn revoked_keys() -> Vec<Entry> {
    let mut entries = Vec::new();
    let revoked = rejected(401, K::RevokedKey);
    let revoke = |scenario: &mut Scenario, key: &SigningKey| {
        let id = key.key_id().clone();
        scenario.happens(move |_, keys| keys.revoke(&id));
    };
    let mut add = |name: &str, expected: Expected, make: fn(&MockEntra) -> TokenBuilder| {
        entries.push(Entry::scenario(format!("a revoked key: {name}"), expected, |entra, scenario| {
            revoke(scenario, &entra.signing_key());
            Sent::token(&make(entra).mint())
        }));
    };
    add("a good token", revoked, token);
    add("a bad signature", revoked, |entra| token(entra).signature([7; 256]));
    add("a stranger", revoked, |entra| stranger(token(entra)));
    add("an end in the past", rejected(401, K::Expired), |entra| token(entra).expired());
    add("a token of another key", PASS, |entra| token(entra).signed_by(&entra.signing_keys()[1]));
    entries.push(Entry::scenario("a revoked key: a cached token", revoked, |entra, scenario| {
        let seen = token(entra).mint();
        scenario.in_turn([Sent::token(&seen)], None);
        revoke(scenario, &entra.signing_key());
        Sent::token(&seen)
    }));
    entries.push(Entry::scenario("a revoked key that is listed again", revoked.after(1, 1), |entra, scenario| {
        revoke(scenario, &entra.signing_key());
        scenario.refresh(true);
        Sent::token(&token(entra).mint())
    }));
    entries.push(Entry::scenario("a revoked key that was never listed", revoked, |entra, scenario| {
        let key = entra.new_key();
        revoke(scenario, &key);
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario("a revoked key that is published now", revoked, |entra, scenario| {
        let key = new_key(scenario, entra);
        revoke(scenario, &key);
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario("a key that was revoked and is not any more", PASS, |entra, scenario| {
        let key = entra.signing_key();
        revoke(scenario, &key);
        scenario.in_turn([Sent::token(&token(entra).mint())], Some(K::RevokedKey));
        scenario.happens(move |_, keys| keys.reinstate(key.key_id()));
        Sent::token(&token(entra).mint())
    }));
    entries
}

/// Many good tokens of one new key.
fn crowds() -> Vec<Entry> {
    let crowd = |entra: &MockEntra, key: &SigningKey| -> Vec<Sent> {
        (0..100).map(|_| Sent::token(&token(entra).signed_by(key).mint())).collect()
    };
    vec![
        Entry::scenario("a new key in a hundred tokens at once", PASS.after(1, 1), |entra, scenario| {
            let key = new_key(scenario, entra);
            scenario.at_once(crowd(entra, &key), None);
            Sent::token(&token(entra).signed_by(&key).mint())
        }),
        Entry::scenario("a new key in a hundred tokens in turn", PASS.after(1, 1), |entra, scenario| {
            let key = new_key(scenario, entra);
            scenario.in_turn(crowd(entra, &key), None);
            Sent::token(&token(entra).signed_by(&key).mint())
        }),
    ]
}

/// Many tokens of keys that nobody knows: one fetch for all of them in 30 seconds.
fn floods() -> Vec<Entry> {
    let flood = |entra: &MockEntra| -> Vec<Sent> {
        (0..100).map(|number| Sent::token(&token(entra).key_id(format!("unknown-{number}").as_str()).mint())).collect()
    };
    let mut entries = Vec::new();
    for (name, is_at_once) in [("at once", true), ("in turn", false)] {
        let mut add = |what: &str, expected: Expected, make: fn(&MockEntra) -> TokenBuilder| {
            let name = format!("a hundred unknown keys {name}: {what}");
            entries.push(Entry::scenario(name, expected.after(1, 1), |entra, scenario| {
                match is_at_once {
                    true => scenario.at_once(flood(entra), Some(K::UnknownKey)),
                    false => scenario.in_turn(flood(entra), Some(K::UnknownKey)),
                }
                Sent::token(&make(entra).mint())
            }));
        };
        add("another", rejected(401, K::UnknownKey), |entra| token(entra).key_id("x"));
        add("a good token", PASS, token);
    }
    let unavailable = rejected(503, K::KeysUnavailable).after(1, 1);
    entries.push(Entry::scenario(
        "a hundred unknown keys while the keys answer 500",
        unavailable,
        |entra, scenario| {
            scenario.happens(|entra, _| entra.fail(Endpoint::Keys, Fault::status(500)));
            scenario.at_once(flood(entra), Some(K::KeysUnavailable));
            Sent::token(&token(entra).key_id("x").mint())
        },
    ));
    // The price of the cooldown: a rotation within it waits for its end.
    entries.push(Entry::scenario(
        "a new key right after a flood",
        rejected(401, K::UnknownKey).after(1, 1),
        |entra, scenario| {
            scenario.at_once(flood(entra), Some(K::UnknownKey));
            let key = new_key(scenario, entra);
            Sent::token(&token(entra).signed_by(&key).mint())
        },
    ));
    entries.push(Entry::scenario("a new key after a flood and a refresh", PASS.after(2, 2), |entra, scenario| {
        scenario.at_once(flood(entra), Some(K::UnknownKey));
        let key = new_key(scenario, entra);
        scenario.refresh(true);
        Sent::token(&token(entra).signed_by(&key).mint())
    }));
    let invalid = rejected(401, K::InvalidSignature).signed();
    entries.push(Entry::scenario("a hundred bad signatures of a key that is held", invalid, |entra, scenario| {
        let bad = || Sent::token(&token(entra).signature([7; 256]).mint());
        scenario.at_once((0..100).map(|_| bad()), Some(K::InvalidSignature));
        bad()
    }));
    entries
}

/// A key that is published once the keys are loaded.
pub fn new_key(scenario: &mut Scenario, entra: &MockEntra) -> SigningKey {
    new_key_as(scenario, entra, |key| key.into())
}

/// The same with a difference.
fn new_key_as(scenario: &mut Scenario, entra: &MockEntra, listed: fn(&SigningKey) -> Jwk) -> SigningKey {
    let key = entra.new_key();
    let entry = listed(&key);
    scenario.happens(move |entra, _| entra.publish(entry.clone()));
    key
}

pub fn token(entra: &MockEntra) -> TokenBuilder {
    with_canaries(entra.token())
}

pub fn with_shortest_cooldown(keys: RemoteKeysBuilder) -> RemoteKeysBuilder {
    keys.refetch_cooldown(COOLDOWN)
}

/// An answer of status 500 that has an empty set of keys in it.
pub fn empty_set_of_500() -> Fault {
    Fault::raw(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}",
    )
}

fn json_text(text: &'static str) -> Fault {
    Fault::content("application/json; charset=utf-8", text)
}

fn stranger(token: TokenBuilder) -> TokenBuilder {
    token.caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap())
}

//! Any bytes as a key document: each `kid` gets the state that a reference implementation gives it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::{FixedKeys, KeyErrorKind, KeyId, KeySet, KeySource, Lookup};

use super::plain_json::{Fault, Json, parse};

/// What a `kid` stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Usable,
    Unusable,
}

pub fn run(data: &[u8]) {
    let found = KeySet::from_json(data);
    let document = match parse(data) {
        Err(Fault::TooDeep) => return,
        Err(Fault::NotJson) => {
            assert!(found.is_err());
            return;
        }
        Ok(document) => document,
    };
    let Some(expected) = reference(&document) else { return };
    let is_good = expected.as_ref().is_some_and(|keys| keys.values().any(|standing| *standing == Standing::Usable));
    assert_eq!(found.is_ok(), is_good, "{document:?}");
    let (Ok(found), Some(expected)) = (found, expected) else { return };
    let usable = expected.values().filter(|standing| **standing == Standing::Usable).count();
    assert_eq!(found.usable().count(), usable);
    let keys = FixedKeys::new(found);
    let tenant = super::reference::TENANT.parse().unwrap();
    for (id, expected) in expected {
        let standing = match keys.lookup(tenant, &KeyId::new(&id), UnixTime::from_secs(1_790_000_000)) {
            Lookup::Found(key) => {
                assert_eq!(key.id().as_str(), id);
                assert!(matches!(key.bits(), 2048 | 3072 | 4096));
                Standing::Usable
            }
            Lookup::Rejected(error) if error.kind() == KeyErrorKind::Unusable => Standing::Unusable,
            other => panic!("{id}: {other:?}"),
        };
        assert_eq!(standing, expected, "{id}");
    }
}

/// Every `kid` of a document with its standing; within that, `None` if it is no document of keys. `None` outside
/// where a member that is read holds a number or a text that has no value, which may spoil the whole.
fn reference(document: &Json) -> Option<Option<BTreeMap<String, Standing>>> {
    let Some(members) = document.few_members() else { return Some(None) };
    let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    if names.contains(&&None) {
        return None;
    }
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Some(None);
    }
    let keys = members.iter().find(|(name, _)| name.as_deref() == Some("keys")).map(|(_, value)| value);
    let Some(Json::List(entries)) = keys else { return Some(None) };
    let mut by_id: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
    for entry in entries {
        if let Some(id) = kid(entry).filter(|id| (1..=256).contains(&id.len())) {
            by_id.entry(id.to_owned()).or_default().push(entry);
        }
    }
    let published: Vec<_> = entries.iter().filter(|entry| is_published(entry)).filter_map(modulus).collect();
    let is_compromised =
        |entry: &&Json| is_published(entry) || modulus(entry).is_some_and(|modulus| published.contains(&modulus));
    let standing = |entries: &[&Json]| match entries.iter().any(|entry| is_published(entry)) {
        true => Standing::Unusable,
        false if entries.iter().filter(|entry| is_usable(entry)).any(is_compromised) => Standing::Unusable,
        false => standing(entries),
    };
    Some(Some(by_id.into_iter().map(|(id, entries)| (id, standing(&entries))).collect()))
}

/// Entries of one name: usable if one of them is, unless they tell of two different keys, or of one for two issuers
/// or clouds.
fn standing(entries: &[&Json]) -> Standing {
    let materials: Vec<_> = entries.iter().filter_map(|entry| material(entry)).collect();
    let homes: Vec<_> = entries.iter().filter(|entry| is_usable(entry)).map(|entry| home(entry)).collect();
    let is_ambiguous =
        materials.windows(2).any(|pair| pair[0] != pair[1]) || homes.windows(2).any(|pair| pair[0] != pair[1]);
    if !is_ambiguous && entries.iter().any(|entry| is_usable(entry)) { Standing::Usable } else { Standing::Unusable }
}

/// The name of an entry that has one name.
fn kid(entry: &Json) -> Option<&str> {
    member(entry, "kid").filter(|_| count(entry, "kid") == 1)?.text()
}

/// Whether an entry shows private material. Nothing, an empty text and an empty list show none.
fn is_published(entry: &Json) -> bool {
    let is_symmetric = member(entry, "kty").and_then(Json::text) == Some("oct");
    entry.members().unwrap_or_default().iter().any(|(name, value)| {
        let is_private = match name.as_deref() {
            Some("d" | "p" | "q" | "dp" | "dq" | "qi" | "oth") => true,
            Some("k") => !is_symmetric,
            _ => false,
        };
        is_private
            && !matches!(value, Json::Null)
            && value.text() != Some("")
            && !matches!(value, Json::List(list) if list.is_empty())
    })
}

fn modulus(entry: &Json) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member(entry, "n")?.text()?).ok()
}

fn material(entry: &Json) -> Option<Vec<u8>> {
    if !is_read_once(entry) {
        return None;
    }
    match member(entry, "kty")?.text()? {
        "RSA" => URL_SAFE_NO_PAD.decode(member(entry, "n")?.text()?).ok(),
        other => Some(other.as_bytes().to_vec()),
    }
}

/// Issuer and cloud of a key, where they are not blank.
fn home(entry: &Json) -> [Option<&str>; 2] {
    ["issuer", "cloud_instance_name"]
        .map(|name| member(entry, name).and_then(Json::text).filter(|text| !text.trim().is_empty()))
}

fn is_usable(entry: &Json) -> bool {
    let text = |name: &str| member(entry, name).map(Json::text);
    let decoded = |name: &str| URL_SAFE_NO_PAD.decode(text(name)??).ok();
    let operations = match member(entry, "key_ops") {
        None => true,
        Some(Json::List(operations)) => operations.iter().any(|operation| operation.text() == Some("verify")),
        Some(_) => false,
    };
    is_read_once(entry)
        && text("kty") == Some(Some("RSA"))
        && matches!(text("use"), None | Some(Some("sig")))
        && matches!(text("alg"), None | Some(Some("RS256")))
        && !matches!(text("issuer"), Some(None))
        && !matches!(text("cloud_instance_name"), Some(None))
        && operations
        && decoded("e").is_some_and(|e| e == [1, 0, 1])
        && decoded("n").is_some_and(|n| matches!(n.len(), 256 | 384 | 512) && n[0] >= 0x80 && n[n.len() - 1] % 2 == 1)
}

const READ: [&str; 9] = ["kty", "kid", "use", "key_ops", "alg", "n", "e", "issuer", "cloud_instance_name"];

/// A member of an entry; the last one of the name. `null` is nothing.
fn member<'j>(entry: &'j Json, wanted: &str) -> Option<&'j Json> {
    let found = entry.members()?.iter().rev().find(|(name, _)| name.as_deref() == Some(wanted));
    found.map(|(_, value)| value).filter(|value| !matches!(value, Json::Null))
}

/// Whether no member that is read comes twice.
fn is_read_once(entry: &Json) -> bool {
    READ.iter().all(|wanted| count(entry, wanted) < 2)
}

fn count(entry: &Json, wanted: &str) -> usize {
    let members = entry.members().unwrap_or_default();
    members.iter().filter(|(name, _)| name.as_deref() == Some(wanted)).count()
}

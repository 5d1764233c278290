//! What Entra really answered, for months, played back hour by hour.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::harness::{DAY, HOUR, Harness, MINUTE, Outcome, Reply};
use crate::cloud::Cloud;
use crate::keys::remote::discovery::Discovery;

#[tokio::test(start_paused = true)]
#[ignore = "reads the recorded answers of Entra: .ci/vectors recorded"]
async fn months_of_recorded_documents_lose_no_request() {
    for name in ["common", "organizations"] {
        replay(name).await;
    }
}

async fn replay(name: &str) {
    let recording = Recording::read(name);
    let answers = Arc::new(recording.answers);
    let length = answers.last_key_value().map(|(at, _)| *at).unwrap() + HOUR;
    let told: Arc<Mutex<Told>> = Arc::default();
    let script = {
        let (answers, told) = (Arc::clone(&answers), Arc::clone(&told));
        move |attempt: super::harness::Attempt| {
            let (names, document) = answers.range(..=attempt.at).next_back().unwrap().1;
            let mut told = told.lock().unwrap();
            told.latest.clone_from(names);
            told.last_seen.extend(names.iter().map(|name| (name.clone(), attempt.at)));
            Reply::Document(document.clone())
        }
    };
    let harness = Harness::warm(script).await;
    let (mut passed, mut lost, mut lost_by_replacing) = (0_u64, 0_u64, 0_u64);
    let start = Instant::now();
    while start.elapsed() < length {
        let now = start.elapsed();
        let Told { latest, last_seen } = told.lock().unwrap().clone();
        for (name, seen) in last_seen.iter().filter(|(_, seen)| now - **seen < DAY) {
            match harness.request(name).await.0 {
                Outcome::Pass => passed += 1,
                outcome => panic!("{name}, last listed at {seen:?}, at {now:?}: {outcome:?}, {lost} before"),
            }
            lost_by_replacing += u64::from(!latest.contains(name));
        }
        // A key that is listed now but was not when the store last asked is found by asking again.
        for name in &answers.range(..=start.elapsed()).next_back().unwrap().1.0 {
            lost += u64::from(harness.request(name).await.0 != Outcome::Pass);
        }
        sleep(MINUTE * 10).await;
    }
    println!(
        "{name}: {} answers in {} days, {} attempts; requests served {passed}, lost {lost}; a store that replaces its \
         set would have lost {lost_by_replacing}",
        answers.len(),
        length.as_secs() / 86_400,
        harness.provider.attempts(),
    );
    assert_eq!(lost, 0);
    assert!(lost_by_replacing > 0, "otherwise this would prove nothing");
}

#[test]
#[ignore = "reads the recorded answers of Entra: .ci/vectors recorded"]
fn reads_recorded_discovery_documents_and_rejects_those_without_tenant() {
    let tenant = "11111111-aaaa-4bbb-8ccc-222222222222";
    for name in ["common", "organizations"] {
        let check = |document: &[u8]| Discovery::from_json(document, &Cloud::public(), &tenant.parse().unwrap());
        let template = String::from_utf8(read(&format!("entra-{name}-discovery.json"))).unwrap();
        let error = check(template.as_bytes()).unwrap_err();
        assert!(
            std::error::Error::source(&error).unwrap().to_string().contains("issuer"),
            "{name}: read, then rejected"
        );
        let own = template.replace("{tenantid}", tenant).replace(&format!("/{name}/"), &format!("/{tenant}/"));
        let found = check(own.as_bytes()).unwrap();
        assert_eq!(found.cloud_instance_name.as_deref(), Some("microsoftonline.com"));
        assert_eq!(found.jwks_uri.as_str(), format!("https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys"));
    }
}

/// What the store was told last, and when it was told of each key last.
#[derive(Clone, Default)]
struct Told {
    latest: BTreeSet<String>,
    last_seen: BTreeMap<String, Duration>,
}

/// A recording: what was answered from each moment on, counted from its beginning.
struct Recording {
    answers: BTreeMap<Duration, (BTreeSet<String>, String)>,
}

impl Recording {
    fn read(name: &str) -> Self {
        let recording: Value = serde_json::from_slice(&read(&format!("entra-{name}-recording.json"))).unwrap();
        let reads = recording["reads"].as_array().unwrap();
        let seconds = |read: &Value| {
            let time = read["t"].as_str().unwrap();
            seconds_since_2024(time).unwrap_or_else(|| panic!("{time}"))
        };
        let start = seconds(&reads[0]);
        let answers = reads.iter().map(|read| {
            let names: BTreeSet<_> =
                read["kids"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
            let entries: Vec<_> = names.iter().map(|name| recording["keys"][name].to_string()).collect();
            let document = format!("{{\"keys\":[{}]}}", entries.join(","));
            (Duration::from_secs(seconds(read) - start), (names, document))
        });
        Self { answers: answers.collect() }
    }
}

/// A time like `2024-06-05T17:34:00Z`, of which only differences matter.
fn seconds_since_2024(time: &str) -> Option<u64> {
    let time = time.strip_suffix('Z')?;
    let (date, clock) = time.split_once('T')?;
    let numbers =
        |text: &str, separator| text.split(separator).map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    let [2024, month, day] = numbers(date, '-')?[..] else { return None };
    let [hour, minute, second] = numbers(clock, ':')?[..] else { return None };
    let days_before = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];
    let days = days_before.get(usize::try_from(month).ok()? - 1)? + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn read(file: &str) -> Vec<u8> {
    let folder = PathBuf::from(std::env::var_os("UPSTREAM_AUTH_VECTORS").expect("UPSTREAM_AUTH_VECTORS is set"));
    std::fs::read(folder.join("entra").join(file)).unwrap()
}

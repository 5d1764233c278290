//! The recipes of `deploy/`: the program takes their command lines and their settings, and systemd takes its unit.

use std::process::Command;

use crate::server::PROGRAM;
use crate::tool::{assert_says, run};

const UNIT: &str = include_str!("../../../../deploy/systemd/signalr-upstream-auth.service");
const DEPLOYMENT: &str = include_str!("../../../../deploy/kubernetes/deployment.yaml");
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/settings.toml");
const RESOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/azure/show.json");

/// The arguments behind the program, with settings that are nowhere.
async fn takes(arguments: &[&str]) {
    let nowhere = arguments.iter().map(|argument| argument.replace("/etc/signalr-upstream-auth", "/nowhere"));
    let nowhere: Vec<_> = nowhere.collect();
    let nowhere: Vec<_> = nowhere.iter().map(String::as_str).collect();
    let ended = run(&nowhere, &[], "").await;
    // A command line that it does not take would be the first fault.
    assert_eq!(ended.code, 2);
    assert_says(&ended.stderr, &["this server cannot start", "--config: /nowhere/settings.toml"]);
}

#[tokio::test]
async fn command_lines_of_recipes_are_taken() {
    let unit =
        UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/signalr-upstream-auth ")).unwrap();
    takes(&unit.split(' ').collect::<Vec<_>>()).await;
    let arguments =
        DEPLOYMENT.split("args:\n").nth(1).unwrap().lines().map_while(|line| line.trim().strip_prefix("- "));
    let arguments: Vec<_> = arguments.collect();
    assert!(arguments.len() > 3, "{arguments:?}");
    takes(&arguments).await;
}

#[tokio::test]
async fn settings_of_recipes_are_complete() {
    let ended = run(&["check-azure", RESOURCE, "--config", SETTINGS], &[], "").await;
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

/// The orchestrator waits longer than the program takes.
#[tokio::test]
async fn recipes_leave_time_for_the_drain() {
    let help = run(&["proxy", "--help"], &[], "").await.stdout;
    let default = |option: &str| -> u64 {
        let after = help.split(option).nth(1).unwrap().split("[default: ").nth(1).unwrap();
        after.split(']').next().unwrap().parse().unwrap()
    };
    let wanted = default("--not-ready <SECONDS>") + default("--drain <SECONDS>");
    let number = |text: &str, before: &str| -> u64 {
        let after = text.split(before).nth(1).unwrap();
        after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    assert!(number(UNIT, "TimeoutStopSec=") > wanted);
    assert!(number(DEPLOYMENT, "terminationGracePeriodSeconds: ") > wanted);
    // The service behind ends after the last request.
    assert!(number(DEPLOYMENT, "preStop: { sleep: { seconds: ") > wanted);
}

#[test]
#[ignore = "needs systemd-analyze, of systemd 250 or later"]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    let folder = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-unit", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("signalr-upstream-auth.service");
    std::fs::write(&file, UNIT.replace("/usr/local/bin/signalr-upstream-auth", PROGRAM)).unwrap();
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).arg(&file).output().unwrap();
    let verified = analyze(&["verify", "--man=no"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    // Tenths of a point: 15 are 1.5, "OK".
    let secure = analyze(&["security", "--offline=true", "--threshold=15"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(secure.status.success(), "{}", String::from_utf8_lossy(&secure.stdout));
}

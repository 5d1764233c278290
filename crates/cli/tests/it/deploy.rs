//! The recipes of `deploy/`: the program takes their command lines and their settings. `.ci/deploy` checks the rest.

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

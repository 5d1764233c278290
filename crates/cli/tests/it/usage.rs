//! The command line: help, exit codes, generated pages, and where settings come from.

use std::path::PathBuf;

use crate::tool::{assert_says, run, run_unread};

/// A file that is removed at the end of a test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const COMMANDS: &[&str] = &[
    "proxy",
    "forward-auth",
    "explain",
    "check-azure",
    "healthcheck",
    "completions",
    "man",
    #[cfg(feature = "emulate")]
    "emulate",
];

const SETTINGS: &str = "tenant_ids = ['11111111-aaaa-4bbb-8ccc-222222222222']\n\
     audiences = ['33333333-dddd-4eee-8fff-444444444444']\n\
     caller_object_ids = ['77777777-4321-4cba-8fed-888888888888']\n";

const RESOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/azure/show.json");

#[tokio::test]
async fn help_lists_commands_settings_exit_codes_and_examples() {
    let ended = run(&["--help"], &[], "").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_says(&ended.stdout, COMMANDS);
    assert_says(&ended.stdout, &["SIGNALR_UPSTREAM_TENANT_IDS", "Exit codes:", "Examples:", "NO_COLOR"]);
    assert!(!ended.stdout.contains('\u{1b}'));
    for &command in COMMANDS {
        let ended = run(&[command, "--help"], &[], "").await;
        assert_eq!(ended.code, 0, "{command}");
        assert_says(&ended.stdout, &["Examples:", &format!("  signalr-upstream-auth {command}")]);
    }
}

#[tokio::test]
async fn usage_errors_end_with_2_on_standard_error() {
    for arguments in [
        &["prox"][..],
        &[],
        &["proxy"],
        &["proxy", "--to", "https://app"],
        &["proxy", "--to", "http://app/path"],
        &["forward-auth", "--listen", "3000"],
        &["forward-auth", "--tls-cert", "a.pem"],
        &["explain", "a", "b"],
    ] {
        let ended = run(arguments, &[], "").await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[cfg(not(feature = "emulate"))]
#[tokio::test]
async fn program_without_emulator_says_where_one_is() {
    for arguments in [&["emulate"][..], &["emulate", "--upstream", "http://127.0.0.1:3000/"]] {
        let ended = run(arguments, &[], "").await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        assert_says(&ended.stderr, &["--features emulate"]);
    }
    let ended = run(&["emulat"], &[], "").await;
    assert!(ended.code == 2 && !ended.stderr.contains("--features"), "{}", ended.stderr);
}

#[tokio::test]
async fn completions_and_manual_pages_name_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = run(&["completions", shell], &[], "").await;
        assert_eq!(ended.code, 0);
        assert_says(&ended.stdout, COMMANDS);
    }
    let page = run(&["man"], &[], "").await;
    assert_eq!(page.code, 0);
    assert!(page.stdout.contains(".TH signalr-upstream-auth 1"), "{}", page.stdout);
    for &command in COMMANDS {
        let page = run(&["man", command], &[], "").await;
        assert_eq!(page.code, 0);
        assert!(page.stdout.contains(".SH SYNOPSIS"), "{command}");
    }
    let ended = run(&["man", "nothing"], &[], "").await;
    assert_eq!(ended.code, 2);
}

/// As before `| head`: nobody reads any more.
#[tokio::test]
async fn closed_pipe_changes_no_exit_code() {
    let file = File::new("pipe.toml", SETTINGS);
    let wrong = RESOURCE.replace("show.json", "wrong.json");
    for (arguments, code) in [
        (&["check-azure", RESOURCE, "--config", file.path()][..], 0),
        (&["check-azure", &wrong, "--config", file.path()], 1),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["man", "nothing"], 2),
        (&["healthcheck", "--admin", "127.0.0.1:1"], 1),
    ] {
        assert_eq!(run_unread(arguments, &[]).await, code, "{arguments:?}");
    }
}

#[tokio::test]
async fn settings_come_from_a_file() {
    let file = File::new("settings.toml", SETTINGS);
    let ended = run(&["check-azure", RESOURCE, "--config", file.path()], &[], "").await;
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_says(&ended.stdout, &["may call"]);
}

#[tokio::test]
async fn variables_beside_a_file_are_a_fault() {
    let file = File::new("beside.toml", SETTINGS);
    let vars = [("SIGNALR_UPSTREAM_AUDIENCES", "44444444-dddd-4eee-8fff-444444444444".to_owned())];
    let ended = run(&["--config", file.path(), "check-azure", RESOURCE], &vars, "").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_says(&ended.stderr, &["--config", "SIGNALR_UPSTREAM_AUDIENCES is set, too"]);
}

#[tokio::test]
async fn faults_of_a_file_name_its_fields() {
    for (text, parts) in [
        ("audiences = ['api://x']\n", &["tenant_ids", "caller_object_ids"][..]),
        ("tenant_id = ['x']\n", &["tenant_id", "unknown field"]),
        ("tenant_ids = 'x'\n", &["line 1"]),
        ("tenant_ids = [", &["settings.toml"]),
    ] {
        let file = File::new("wrong-settings.toml", text);
        let ended = run(&["check-azure", RESOURCE, "--config", file.path()], &[], "").await;
        assert_eq!(ended.code, 2, "{text}");
        assert_says(&ended.stderr, parts);
    }
    let ended = run(&["check-azure", RESOURCE, "--config", "nowhere.toml"], &[], "").await;
    assert_eq!(ended.code, 2);
    assert_says(&ended.stderr, &["--config: nowhere.toml: "]);
}

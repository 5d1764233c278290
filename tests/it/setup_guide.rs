//! The commands of the guide's page `azure` and of the README, run by bash against a stand-in for `az` that notes its calls.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

const AZURE: &str = include_str!("../../src/docs/azure.md");
const README: &str = include_str!("../../README.md");

const CLIENT_ID: &str = "33333333-dddd-4eee-8fff-444444444444";
const CALLER: &str = "77777777-4321-4cba-8fed-888888888888";
const UPSTREAM: &str = "https://api.example.net/upstream/{hub}/{category}/{event}";

/// Answers like `az`. `FAIL` is a part of the call that fails, `FAILURES` how often. An assignment is there once it was made.
const AZ: &str = r#"#!/bin/bash
printf '%s\n' "$*" | tr '\n' ' ' >>calls
printf '\n' >>calls
printf '%s\0' "$@" >"arguments.$(wc -l <calls | tr -d ' ')"
if [ -n "$FAIL" ] && [[ "$*" == *"$FAIL"* ]] && [ "$(wc -l <failed)" -lt "$FAILURES" ]; then
  echo >>failed
  echo "does not exist or one of its queried reference-property objects are not present" >&2
  exit 3
fi
case "$*" in
  *"--query appId"*) echo 33333333-dddd-4eee-8fff-444444444444 ;;
  *"--query principalId"*) echo 77777777-4321-4cba-8fed-888888888888 ;;
  *"--method POST"*appRoleAssignedTo*) touch assigned ;;
  *"--method GET"*) if [ -e assigned ]; then echo 1; else echo 0; fi ;;
  "ad sp show"*) echo 22222222-0000-4000-8000-000000000002 ;;
  "keyvault secret show"*) echo https://contoso-vault.vault.azure.net/secrets/upstream-code/0123456789abcdef ;;
  "keyvault show"*) echo /subscriptions/x/vaults/contoso-vault ;;
esac
"#;

struct Ended {
    is_success: bool,
    /// One line for each call of `az` or `signalr-upstream-auth`.
    calls: Vec<String>,
    folder: PathBuf,
}

impl Ended {
    /// The position of the first call with this part.
    fn position(&self, part: &str) -> Option<usize> {
        self.calls.iter().position(|call| call.contains(part))
    }

    /// The first JSON among the arguments of a call, behind this text.
    fn json(&self, call: usize, before: &str) -> Value {
        let arguments = fs::read_to_string(self.folder.join(format!("arguments.{}", call + 1))).unwrap();
        let mut candidates = arguments.split('\0').filter_map(|argument| argument.strip_prefix(before));
        candidates.find_map(|candidate| serde_json::from_str(candidate).ok()).unwrap()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The `sh` blocks of a page, one after the other.
fn script(page: &str) -> String {
    page.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

fn run(script: &str, fail: &str, failures: usize) -> Ended {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("signalr-upstream-auth-guide-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let check = "#!/bin/bash\ncat >/dev/null\nprintf 'signalr-upstream-auth %s\\n' \"$*\" >>calls\n";
    for (name, text) in [("az", AZ), ("signalr-upstream-auth", check)] {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(folder.join("failed"), "").unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let status = Command::new("bash")
        .args(["-c", script])
        .current_dir(&folder)
        .envs([("PATH", path.as_str()), ("RETRY_SECS", "0"), ("FAIL", fail), ("FAILURES", &failures.to_string())])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    let calls = fs::read_to_string(folder.join("calls")).unwrap_or_default();
    Ended { is_success: status.success(), calls: calls.lines().map(str::to_owned).collect(), folder }
}

#[test]
fn azure_commands_set_the_mode_before_the_upstream_and_assign_before_they_require_it() {
    let ended = run(&script(AZURE), "", 0);
    assert!(ended.is_success, "{:?}", ended.calls);
    let order = [
        "ad app create",
        "ad app update",
        "ad sp create",
        "signalr identity assign",
        "signalr update --name contoso --resource-group contoso-rg --service-mode Serverless",
        "resource update",
        "signalr-upstream-auth check-azure",
        "--method POST",
        "appRoleAssignmentRequired=true",
        "role assignment create",
    ];
    let positions: Vec<_> = order.iter().map(|part| ended.position(part)).collect();
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{positions:?} {:?}", ended.calls);

    let upstream = |call: usize| ended.json(call, "properties.upstream.templates=");
    let template = |address: &str| json!([{ "urlTemplate": address, "auth": { "type": "ManagedIdentity", "managedIdentity": { "resource": CLIENT_ID } } }]);
    assert_eq!(upstream(ended.position("resource update").unwrap()), template(UPSTREAM));
    let last = ended.calls.iter().rposition(|call| call.contains("resource update")).unwrap();
    let secret = "{@Microsoft.KeyVault(SecretUri=https://contoso-vault.vault.azure.net/secrets/upstream-code)}";
    assert_eq!(upstream(last), template(&format!("{UPSTREAM}?code={secret}")));

    let assignment = ended.json(ended.position("--method POST").unwrap(), "");
    assert_eq!(
        (&assignment["principalId"], &assignment["resourceId"]),
        (&json!(CALLER), &json!("22222222-0000-4000-8000-000000000002"))
    );
    // The assignment was looked at between the two.
    let between = ended.position("--method POST").unwrap()..ended.position("appRoleAssignmentRequired").unwrap();
    assert!(ended.calls[between].iter().any(|call| call.contains("--method GET")), "{:?}", ended.calls);
}

#[test]
fn azure_commands_repeat_until_new_objects_are_visible() {
    for part in ["ad app update", "ad sp create", "ad sp show", "--method POST", "role assignment create"] {
        let ended = run(&script(AZURE), part, 3);
        let calls = ended.calls.iter().filter(|call| call.contains(part)).count();
        assert!(ended.is_success && calls >= 4, "{part}: {:?}", ended.calls);
    }
}

#[test]
fn azure_commands_end_at_the_first_failure() {
    for (part, next) in [
        ("ad app create", "ad app update"),
        ("ad sp create", "signalr identity assign"),
        ("service-mode", "resource update"),
        ("--method POST", "appRoleAssignmentRequired"),
        ("--method GET", "appRoleAssignmentRequired"),
    ] {
        let ended = run(&script(AZURE), part, 1000);
        assert!(!ended.is_success && ended.position(next).is_none(), "{part}: {:?}", ended.calls);
    }
}

#[test]
fn assigned_identity_is_not_assigned_again() {
    let ended = run(&format!("touch assigned\n{}", script(AZURE)), "", 0);
    assert!(ended.is_success && ended.position("--method POST").is_none(), "{:?}", ended.calls);
    assert!(ended.position("appRoleAssignmentRequired=true").is_some());
}

#[test]
fn commands_of_the_readme_set_the_mode_before_the_upstream() {
    let steps = README.split("## From nothing to a protected event in Azure").nth(1).unwrap();
    let commands = script(steps.split("\n## ").next().unwrap());
    let ended = run(&format!("set -euo pipefail\n{commands}"), "", 0);
    assert!(ended.is_success, "{:?}", ended.calls);
    let (mode, upstream) = (ended.position("--service-mode Serverless"), ended.position("resource update"));
    assert!(mode.is_some() && mode < upstream, "{:?}", ended.calls);
    let templates = ended.json(upstream.unwrap(), "properties.upstream.templates=");
    assert_eq!(templates[0]["auth"]["managedIdentity"]["resource"], CLIENT_ID);
}

/// What a reader may look for, and no command shows.
#[test]
fn pages_say_what_the_portal_and_platforms_do() {
    let migration = include_str!("../../src/docs/migration.md");
    let forward_auth = include_str!("../../src/docs/forward_auth.md");
    for (page, parts) in [
        (
            AZURE,
            &[
                "\"@upstream.json\"",
                "Select any asterisk (in newer portals *Hub Rules*)",
                "once names the header of the token `Authentication`. It is `Authorization`",
                "user_assigned_identity_id = azuread_application.upstream.client_id",
                "**A change of audience or version takes up to a day.**",
                "*Cloud Application Administrator*",
                "**If Entra issues no token**",
                "# Key Vault references",
            ][..],
        ),
        (README, &["add the **client id** of SignalR's identity"]),
        (migration, &["*Allow requests from specific client applications*", "Whose 401 or 403 is it?"]),
        (
            forward_auth,
            &[
                "never a redirect",
                "extra_jwt_issuers",
                "forwardOriginalToken: true",
                "never list the gateway's identity",
            ],
        ),
    ] {
        // Lines end anywhere.
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(page.contains(part), "`{part}` is missing");
        }
    }
}

/// Microsoft documents no repetition of calls.
#[test]
fn repetition_of_calls_is_labeled_as_observed_and_unofficial() {
    let checks = include_str!("../../src/docs/checks.md");
    let concepts = include_str!("../../src/docs/concepts.md");
    let reply = include_str!("../../src/upstream/answer/reply.rs");
    assert!(concepts.contains("SignalR tries again: observed, unofficial"));
    let mut found = 0;
    for page in [checks, reply] {
        for (start, _) in page.match_indices("1, 3 and 5 seconds") {
            let after: String = page[start..].chars().take(120).collect();
            assert!(after.contains("observed") && after.contains("unofficial"), "{after}");
            found += 1;
        }
    }
    assert_eq!(found, 2);
}

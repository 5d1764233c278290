//! Callers of one tenant, and callers of every tenant.

use super::*;

const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-333333333333";

#[test]
fn pairs_of_tenant_and_object_count_in_their_tenant_only() {
    let tenants = format!("{TENANT},{OTHER_TENANT}");
    let pair = format!("{TENANT}/{OBJECT}");
    let file = serde_json::json!({ "tenant_ids": [TENANT, OTHER_TENANT], "audiences": [AUDIENCE], "caller_object_ids": [pair] });
    let environment = changed(&[("TENANT_IDS", Some(&tenants)), ("CALLER_OBJECT_IDS", Some(&pair))]);
    for settings in [serde_json::from_value(file).unwrap(), Settings::from_vars(environment).unwrap()] {
        let mut allowed = Vec::new();
        let log = logged(|| {
            let policy = settings.policy().unwrap();
            allowed.extend(
                [TENANT, OTHER_TENANT]
                    .map(|tenant| policy.callers().allows(tenant.parse().unwrap(), OBJECT.parse().unwrap(), None)),
            );
        });
        assert_eq!(allowed, [true, false]);
        assert_eq!(log, "", "a pair needs no warning");
    }
    let foreign = changed(&[("CALLER_OBJECT_IDS", Some(&format!("{OTHER_TENANT}/{OBJECT}")))]);
    let problem = format!(
        "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS: tenant {OTHER_TENANT} is not in SIGNALR_UPSTREAM_TENANT_IDS; add it there"
    );
    assert_eq!(faults(&validated(foreign).unwrap_err()), [problem]);
}

#[test]
fn warns_of_callers_without_a_tenant_beside_several_tenants() {
    let tenants = format!("{TENANT},{OTHER_TENANT}");
    let several = ("TENANT_IDS", Some(&*tenants));
    let pair = format!("{TENANT}/{OBJECT}");
    let (objects, clients) = ("CALLER_OBJECT_IDS", "CALLER_CLIENT_IDS");
    let pairs = "may call from every tenant; write pairs tenant/object";
    let any = ("ALLOW_ANY_CALLER", "every application of each tenant may call");
    for (changes, expected) in [
        (vec![several], vec![(pairs, objects, "callers=1")]),
        (vec![several, (clients, Some(CLIENT))], vec![(pairs, objects, "callers=1"), (pairs, clients, "callers=1")]),
        (vec![several, (objects, None), (clients, Some(CLIENT))], vec![(pairs, clients, "callers=1")]),
        (vec![several, (objects, None), (any.0, Some("true"))], vec![(any.1, any.0, "tenants=2")]),
        (vec![several, (objects, Some(&*pair))], vec![]),
        (vec![(clients, Some(CLIENT))], vec![]),
        (vec![(objects, None), (any.0, Some("true"))], vec![]),
    ] {
        for build in [
            |settings: Settings| drop(settings.policy().unwrap()),
            |settings: Settings| drop(settings.into_layer().unwrap()),
        ] {
            let log = logged(|| build(Settings::from_vars(changed(&changes)).unwrap()));
            assert_eq!(log.lines().count(), expected.len(), "{log}");
            for (line, (text, setting, number)) in log.lines().zip(&expected) {
                let setting = format!("{PREFIX}{setting}");
                let says = ["WARN", text, &setting, number, "tenants=2"];
                assert!(says.iter().all(|part| line.contains(part)), "{line}");
            }
        }
    }
}

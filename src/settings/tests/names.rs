//! Names in the environment: misspelt ones are errors, unknown ones are warnings.

use super::*;

#[test]
fn rejects_a_misspelt_variable_and_names_the_right_one_without_its_value() {
    for (name, meant) in [
        ("SIGNALR_UPSTREAM_REQUIRED_ROLE", "REQUIRED_ROLES"),
        ("SIGNALR_UPSTREAM_REQUIRED_ROLSE", "REQUIRED_ROLES"),
        ("SIGNALR_UPSTREAM_ROLES", "REQUIRED_ROLES"),
        ("SIGNALR_UPSTREAM_ROLE", "REQUIRED_ROLES"),
        ("SIGNALR_UPSTREAM_CALLER_OBJECT_ID", "CALLER_OBJECT_IDS"),
        ("SIGNALR_UPSTREAM_CALLER_OBJECTIDS", "CALLER_OBJECT_IDS"),
        ("SIGNALR_UPSTREAM_OBJECT_IDS", "CALLER_OBJECT_IDS"),
        ("SIGNALR_UPSTREAM_CALLER_CLIENT_ID", "CALLER_CLIENT_IDS"),
        ("SIGNALR_UPSTREAM_CLIENT_ID", "CALLER_CLIENT_IDS"),
        ("SIGNALR_UPSTREAM_TENANT_ID", "TENANT_IDS"),
        ("SIGNALR_UPSTREAM_TENANTS", "TENANT_IDS"),
        ("SIGNALR_UPSTREAM_tenant_ids", "TENANT_IDS"),
        ("signalr_upstream_tenant_ids", "TENANT_IDS"),
        ("SIGNALR_UPSTREAM_AUDIENCE", "AUDIENCES"),
        ("SIGNALR_UPSTREAM_REFRESH_SECONDS", "REFRESH_SECS"),
        ("SIGNALR_UPSTREAM_CLOCK_SKEW", "CLOCK_SKEW_SECS"),
        ("SIGNALR_UPSTREAM_CLOUDS", "CLOUD"),
        ("SIGNALR_UPSTEAM_REQUIRED_ROLES", "REQUIRED_ROLES"),
        ("SIGNALRUPSTREAM_REQUIRED_ROLES", "REQUIRED_ROLES"),
        ("SIGNALR_UPSTREAM_REQUIRED_ROLES\n", "REQUIRED_ROLES"),
    ] {
        let mut all = changed(&[]);
        all.push((name.into(), "hunter2".into()));
        let error = validated(all).unwrap_err();
        let expected = format!(
            "{}: is not a setting; if you mean {PREFIX}{meant}, write that, otherwise remove it",
            name.escape_debug()
        );
        assert_eq!(faults(&error), [expected], "{name}");
        assert!(Settings::is_configured_in([(name.into(), OsString::new())]), "{name}");
    }
    let mut all = vars(&[("TENANT_ID", TENANT), ("ROLE", "")]);
    all.extend(changed(&[("REFRESH_SECS", Some("x"))]));
    assert_eq!(validated(all).unwrap_err().faults().count(), 3, "all faults at once");
}

#[test]
fn warns_of_an_unknown_variable_without_its_value() {
    for tail in [
        "PORT",
        "PORT_80_TCP_ADDR",
        "SERVICE_HOST",
        "SERVICE_PORT_HTTPS",
        // A service with the name signalr-upstream-cloud, and one with the name signalr-upstream-tenant-ids.
        "CLOUD_PORT",
        "CLOUD_SERVICE_HOST",
        "TENANT_IDS_PORT",
        "NAME",
        "TIMEOUT",
        "",
    ] {
        let log = logged(|| {
            let mut all = changed(&[]);
            all.extend(vars(&[(tail, "hunter2")]));
            all.push(("PATH".into(), "hunter2".into()));
            assert!(validated(all).is_ok(), "{tail}");
        });
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("WARN") && log.contains(&format!("variable={PREFIX}{tail}")), "{log}");
        assert!(!log.contains("hunter2"), "{log}");
        assert!(!Settings::is_configured_in([(format!("{PREFIX}{tail}").into(), OsString::new())]), "{tail}");
    }
    assert_eq!(logged(|| drop(validated(changed(&[])))), "");
}

#[test]
fn settings_do_not_resemble_one_another() {
    for field in Field::ALL {
        assert_eq!(Variable::of(field.variable()), Variable::Setting(*field));
        // A letter more or less means the same setting.
        for near in [format!("{}X", field.variable()), field.variable()[..field.variable().len() - 1].to_owned()] {
            assert_eq!(Variable::of(&near), Variable::Misspelt(*field), "{near}");
        }
    }
}

//! Every variable, every field, every fault.

use std::io;
use std::sync::{Arc, Mutex};

mod callers_by_tenant;
mod names;

use super::environment::PREFIX;
use super::*;
use crate::cloud::Cloud;
use crate::ids::{ObjectId, TenantId};

const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
const AUDIENCE: &str = "33333333-dddd-4eee-8fff-444444444444";
const OBJECT: &str = "77777777-4321-4cba-8fed-888888888888";
const CLIENT: &str = "55555555-1234-4abc-9def-666666666666";

/// The tails of variables with their values, made into an environment.
fn vars(tails: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    tails.iter().map(|(tail, value)| (format!("{PREFIX}{tail}").into(), value.into())).collect()
}

/// Good variables with some changed; `None` leaves one out.
fn changed(changes: &[(&str, Option<&str>)]) -> Vec<(OsString, OsString)> {
    let mut all = vec![("TENANT_IDS", TENANT), ("AUDIENCES", AUDIENCE), ("CALLER_OBJECT_IDS", OBJECT)];
    for (tail, value) in changes {
        all.retain(|(kept, _)| kept != tail);
        all.extend(value.map(|value| (*tail, value)));
    }
    vars(&all)
}

fn validated(vars: Vec<(OsString, OsString)>) -> Result<(Policy, Timing), ConfigError> {
    Settings::from_vars(vars)?.validate(Vec::new())
}

fn faults(error: &ConfigError) -> Vec<String> {
    error.faults().map(ToString::to_string).collect()
}

fn fields(error: &ConfigError) -> Vec<&str> {
    error.faults().map(ConfigFault::field).collect()
}

#[test]
fn three_variables_are_enough_and_the_rest_has_defaults() {
    let (policy, timing) = validated(changed(&[])).unwrap();
    assert_eq!(policy.tenants().iter().map(ToString::to_string).collect::<Vec<_>>(), [TENANT]);
    assert_eq!(policy.cloud(), &Cloud::public());
    assert_eq!(timing, Timing::default());
    let printed = format!("{policy:?}");
    assert!(printed.contains("clock_skew: 300s") && printed.contains("RequiredRoles([])"), "{printed}");
    assert!(Settings::from_vars(changed(&[])).unwrap().into_layer().is_ok());
}

#[test]
fn every_variable_has_its_effect() {
    let all = vars(&[
        ("TENANT_IDS", &format!(" {} , , 11111111-aaaa-4bbb-8ccc-333333333333", TENANT.to_uppercase())),
        ("AUDIENCES", &format!("{AUDIENCE}, api://signalr")),
        ("CALLER_OBJECT_IDS", &format!("{OBJECT},")),
        ("CALLER_CLIENT_IDS", CLIENT),
        ("ALLOW_ANY_CALLER", "false"),
        ("REQUIRED_ROLES", "Upstream.Call, Other Role ,,"),
        ("REVOKED_KEYS", "leaked-1, leaked-2 ,"),
        ("CLOUD", "us-government"),
        ("CLOCK_SKEW_SECS", "0"),
        ("REFRESH_SECS", "43200"),
        ("REFETCH_COOLDOWN_SECS", "1"),
        ("KEY_RETENTION_SECS", "0"),
        ("STALE_LIMIT_SECS", "604800"),
        ("FETCH_TIMEOUT_SECS", "1"),
        ("EXPLAIN_REJECTIONS_SECS", "60"),
        ("LOG_UNVERIFIED_FIELDS", "false"),
    ]);
    assert_eq!(all.len(), Field::ALL.len());
    let (policy, timing) = validated(all).unwrap();
    assert_eq!(policy.cloud(), &Cloud::us_government());
    assert_eq!(policy.tenants().iter().count(), 2);
    assert_eq!(policy.revoked_keys(), ["leaked-1", "leaked-2"].map(KeyId::new));
    let printed = format!("{policy:?}");
    for part in
        ["Uri(\"api://signalr\")", AUDIENCE, OBJECT, CLIENT, "[\"Upstream.Call\", \"Other Role\"]", "clock_skew: 0ns"]
    {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    let seconds = Duration::from_secs;
    let expected = Timing {
        refresh: seconds(43_200),
        refetch_cooldown: seconds(1),
        key_retention: Duration::ZERO,
        stale_limit: seconds(604_800),
        fetch_timeout: seconds(1),
    };
    assert_eq!(timing, expected);
}

#[test]
fn accepts_each_cloud_by_its_exact_name() {
    for (name, cloud) in
        [("public", Cloud::public()), ("us-government", Cloud::us_government()), ("china", Cloud::china())]
    {
        assert_eq!(validated(changed(&[("CLOUD", Some(name))])).unwrap().0.cloud(), &cloud);
    }
}

#[test]
fn accepts_any_caller_only_when_told_explicitly() {
    let any = changed(&[("CALLER_OBJECT_IDS", None), ("ALLOW_ANY_CALLER", Some("true"))]);
    assert!(format!("{:?}", validated(any).unwrap().0).contains("AnyInTenant"));
    let empty = changed(&[("CALLER_OBJECT_IDS", Some(" , ")), ("ALLOW_ANY_CALLER", Some("true"))]);
    assert!(format!("{:?}", validated(empty).unwrap().0).contains("AnyInTenant"));
    let clients = changed(&[("CALLER_OBJECT_IDS", None), ("CALLER_CLIENT_IDS", Some(CLIENT))]);
    assert!(!format!("{:?}", validated(clients).unwrap().0).contains("AnyInTenant"));
}

#[test]
fn every_fault_names_its_variable_and_the_remedy() {
    for (tail, value, says) in [
        ("TENANT_IDS", None, "write the GUID of the tenant"),
        ("TENANT_IDS", Some(" ,"), "write the GUID of the tenant"),
        ("TENANT_IDS", Some("common"), "az account show"),
        ("TENANT_IDS", Some("contoso.onmicrosoft.com"), "domain name; write the tenant's GUID"),
        ("TENANT_IDS", Some("{11111111-aaaa-4bbb-8ccc-222222222222}"), "without braces"),
        ("AUDIENCES", None, "write the client id or the App ID URI"),
        ("AUDIENCES", Some(""), "write the client id or the App ID URI"),
        ("AUDIENCES", Some("signalr"), "neither a client id"),
        ("AUDIENCES", Some("https://graph.microsoft.com"), "Microsoft Graph"),
        ("CALLER_OBJECT_IDS", Some("x"), "not a GUID"),
        ("CALLER_CLIENT_IDS", Some("x"), "not a GUID"),
        ("REQUIRED_ROLES", Some(""), "no role is named; write one, or leave the setting out"),
        ("REQUIRED_ROLES", Some(" , "), "no role is named"),
        ("REVOKED_KEYS", Some(""), "no key is named; write its id, or leave the setting out"),
        ("REVOKED_KEYS", Some(" , "), "no key is named"),
        ("REVOKED_KEYS", Some("a b"), "`a b` is not a key id; write the `kid`"),
        ("ALLOW_ANY_CALLER", Some("yes"), "`yes` is neither `true` nor `false`"),
        ("ALLOW_ANY_CALLER", Some("True"), "neither"),
        ("ALLOW_ANY_CALLER", Some("1"), "neither"),
        ("ALLOW_ANY_CALLER", Some(" true"), "neither"),
        ("ALLOW_ANY_CALLER", Some(""), "an empty value is neither `true` nor `false`"),
        ("CLOUD", Some("Public"), "`Public` is not a cloud; write public, us-government or china"),
        ("CLOUD", Some(""), "an empty value is not a cloud; write public, us-government or china"),
        ("CLOUD", Some("custom"), "write public, us-government or china"),
        ("CLOCK_SKEW_SECS", Some("601"), "write 0 to 600 seconds"),
        ("CLOCK_SKEW_SECS", Some("-1"), "`-1` is not a number of seconds; write digits only"),
        ("CLOCK_SKEW_SECS", Some("+1"), "write digits only"),
        ("CLOCK_SKEW_SECS", Some("5m"), "write digits only"),
        ("CLOCK_SKEW_SECS", Some("1.5"), "write digits only"),
        ("CLOCK_SKEW_SECS", Some(" 5"), "write digits only"),
        ("CLOCK_SKEW_SECS", Some(""), "an empty value is not a number of seconds"),
        ("REFRESH_SECS", Some("0"), "write 1 to 43200 seconds"),
        ("REFRESH_SECS", Some("43201"), "write 1 to 43200 seconds"),
        ("REFRESH_SECS", Some("99999999999999999999"), "write digits only"),
        ("REFETCH_COOLDOWN_SECS", Some("x"), "write digits only"),
        ("REFETCH_COOLDOWN_SECS", Some("0"), "write at least 1 second"),
        ("KEY_RETENTION_SECS", Some("604801"), "write 0 to 604800 seconds"),
        ("STALE_LIMIT_SECS", Some("0"), "write 1 to 604800 seconds"),
        ("STALE_LIMIT_SECS", Some("604801"), "write 1 to 604800 seconds"),
        ("FETCH_TIMEOUT_SECS", Some("0"), "write 1 to 60 seconds"),
        ("FETCH_TIMEOUT_SECS", Some("61"), "write 1 to 60 seconds"),
    ] {
        let error = validated(changed(&[(tail, value)])).unwrap_err();
        let faults = faults(&error);
        assert_eq!(faults.len(), 1, "{tail} {value:?}: {faults:?}");
        assert!(faults[0].starts_with(&format!("{PREFIX}{tail}: ")) && faults[0].contains(says), "{faults:?}");
    }
}

#[test]
fn missing_callers_name_all_three_remedies() {
    for changes in [
        &[("CALLER_OBJECT_IDS", None)][..],
        &[("CALLER_OBJECT_IDS", Some(" ,"))],
        &[("CALLER_OBJECT_IDS", None), ("CALLER_CLIENT_IDS", Some(""))],
        &[("CALLER_OBJECT_IDS", None), ("ALLOW_ANY_CALLER", Some("false"))],
    ] {
        let faults = faults(&validated(changed(changes)).unwrap_err());
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert!(fault.starts_with("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS: no caller is listed"), "{fault}");
        assert!(fault.contains("SIGNALR_UPSTREAM_CALLER_CLIENT_IDS"), "{fault}");
        assert!(fault.contains("SIGNALR_UPSTREAM_ALLOW_ANY_CALLER set to `true`"), "{fault}");
    }
    let faults = faults(&toml("").policy().unwrap_err());
    assert!(faults[2].starts_with("caller_object_ids: no caller is listed"), "{faults:?}");
    assert!(faults[2].contains("into caller_client_ids") && faults[2].contains("Only with allow_any_caller"));
    assert!(!faults.concat().contains(PREFIX), "{faults:?}");
}

#[test]
fn rejects_any_caller_together_with_a_list() {
    for tail in ["CALLER_OBJECT_IDS", "CALLER_CLIENT_IDS"] {
        let faults =
            faults(&validated(changed(&[(tail, Some(OBJECT)), ("ALLOW_ANY_CALLER", Some("true"))])).unwrap_err());
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert!(fault.starts_with("SIGNALR_UPSTREAM_ALLOW_ANY_CALLER: `true` contradicts"), "{fault}");
        assert!(fault.contains("CALLER_OBJECT_IDS and SIGNALR_UPSTREAM_CALLER_CLIENT_IDS"), "{fault}");
    }
}

#[test]
fn reports_all_faults_at_once_in_the_order_of_the_table() {
    let all = vars(&[
        ("LOG_UNVERIFIED_FIELDS", "x"),
        ("EXPLAIN_REJECTIONS_SECS", "x"),
        ("FETCH_TIMEOUT_SECS", "0"),
        ("STALE_LIMIT_SECS", "0"),
        ("KEY_RETENTION_SECS", "604801"),
        ("REFETCH_COOLDOWN_SECS", "x"),
        ("REFRESH_SECS", "0"),
        ("CLOCK_SKEW_SECS", "601"),
        ("CLOUD", "x"),
        ("REVOKED_KEYS", "a b"),
        ("ALLOW_ANY_CALLER", "true"),
        ("CALLER_CLIENT_IDS", "x"),
        ("CALLER_OBJECT_IDS", "x,y"),
        ("AUDIENCES", "x"),
    ]);
    let error = validated(all).unwrap_err();
    let expected: Vec<_> =
        Field::ALL.iter().filter(|field| **field != Field::RequiredRoles).map(|field| field.variable()).collect();
    let mut found = fields(&error);
    found.dedup();
    assert_eq!(found, expected);
    assert_eq!(error.to_string().lines().count(), expected.len() + 1, "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_a_fault_and_not_missing() {
    use std::os::unix::ffi::OsStringExt;

    for field in Field::ALL {
        let mut vars = changed(&[]);
        vars.insert(0, (field.variable().into(), OsString::from_vec(b"\xff".to_vec())));
        let error = Settings::from_vars(vars).unwrap_err();
        let faults = faults(&error);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(&format!("{}: the value is not UTF-8", field.variable())), "{faults:?}");
    }
}

#[test]
fn first_occurrence_wins_for_duplicate_variables() {
    let mut vars = changed(&[]);
    vars.extend(changed(&[("TENANT_IDS", Some("common")), ("CALLER_OBJECT_IDS", Some(CLIENT))]));
    assert!(format!("{:?}", validated(vars).unwrap().0).contains(OBJECT));
}

#[test]
fn an_empty_variable_counts_as_configured_and_other_names_do_not() {
    for field in Field::ALL {
        assert!(Settings::is_configured_in([(field.variable().into(), OsString::new())]), "{field:?}");
    }
    for name in ["LISTEN_ADDR", "PATH", "SIGNALR_UPSTREAM_", "SIGNALR_UPSTREAM_PORT"] {
        assert!(!Settings::is_configured_in([(name.into(), "x".into())]), "{name}");
    }
}

fn toml(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

const GOOD: &str = r#"
    tenant_ids = ["11111111-aaaa-4bbb-8ccc-222222222222", " "]
    audiences = ["api://signalr"]
    caller_object_ids = [" 77777777-4321-4cba-8fed-888888888888 "]
"#;

#[test]
fn empty_lists_that_would_admit_more_are_errors_however_they_are_written() {
    let text = toml(&format!("{GOOD}required_roles = []\nrevoked_keys = []"));
    let code = toml(GOOD).required_roles(Vec::<String>::new()).revoked_keys(Vec::<String>::new());
    let blank = toml(&format!("{GOOD}required_roles = [' ']\nrevoked_keys = ['']"));
    for settings in [text, code, blank] {
        let error = settings.policy().unwrap_err();
        assert_eq!(
            faults(&error),
            [
                "required_roles: no role is named; write one, or leave the setting out",
                "revoked_keys: no key is named; write its id, or leave the setting out",
            ]
        );
        assert!(settings.into_layer().is_err());
    }
}

#[test]
fn toml_and_json_give_equal_settings() {
    let text = format!(
        "{GOOD}
        caller_client_ids = [\"{CLIENT}\"]
        allow_any_caller = false
        required_roles = [\"Upstream.Call\", \" \"]
        revoked_keys = [\"leaked\", \" \"]
        cloud = \"china\"
        clock_skew_secs = 1
        refresh_secs = 2
        refetch_cooldown_secs = 3
        key_retention_secs = 4
        stale_limit_secs = 5
        fetch_timeout_secs = 6
        explain_rejections_secs = 7
        log_unverified_fields = false"
    );
    let json = serde_json::json!({
        "tenant_ids": [TENANT, " "],
        "audiences": ["api://signalr"],
        "caller_object_ids": [format!(" {OBJECT} ")],
        "caller_client_ids": [CLIENT],
        "allow_any_caller": false,
        "required_roles": ["Upstream.Call", " "],
        "revoked_keys": ["leaked", " "],
        "cloud": "china",
        "clock_skew_secs": 1,
        "refresh_secs": 2,
        "refetch_cooldown_secs": 3,
        "key_retention_secs": 4,
        "stale_limit_secs": 5,
        "fetch_timeout_secs": 6,
        "explain_rejections_secs": 7,
        "log_unverified_fields": false,
    });
    let from_json: Settings = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(format!("{:?}", toml(&text)), format!("{from_json:?}"));
    let (policy, timing) = from_json.validate(Vec::new()).unwrap();
    assert_eq!(policy.cloud(), &Cloud::china());
    assert!(format!("{policy:?}").contains("RequiredRoles([\"Upstream.Call\"])"));
    assert_eq!(policy.revoked_keys(), ["leaked"].map(KeyId::new));
    let seconds = [timing.refresh, timing.refetch_cooldown, timing.key_retention, timing.stale_limit];
    assert_eq!(seconds.map(|wait| wait.as_secs()), [2, 3, 4, 5]);
    assert_eq!(timing.fetch_timeout.as_secs(), 6);
    assert_eq!(json.as_object().unwrap().len(), Field::ALL.len());
    assert!(Field::ALL.iter().all(|field| json.get(field.name()).is_some()));
    assert!(toml(GOOD).into_layer().is_ok());
}

#[test]
fn rejects_a_file_with_an_unknown_field_or_a_wrong_type() {
    for odd in [
        "tenant_id = []",
        "origin = \"Environment\"",
        "tenant_ids = \"x\"",
        "allow_any_caller = \"true\"",
        "refresh_secs = \"5\"",
        "refresh_secs = -5",
        "refresh_secs = 1.5",
        "cloud = 1",
        "cloud = { login = \"https://login.example\", issuer = \"x\" }",
    ] {
        let error = toml::from_str::<Settings>(odd).unwrap_err().to_string();
        let name = odd.split(' ').next().unwrap();
        assert!(error.contains(name), "{odd}: {error}");
    }
}

#[test]
fn faults_of_a_file_name_its_fields() {
    let error = toml("tenant_ids = [\"x\"]\ncloud = \"x\"\nclock_skew_secs = 601\nrefresh_secs = 0").policy();
    let error = error.unwrap_err();
    let expected = ["tenant_ids", "audiences", "caller_object_ids", "cloud", "clock_skew_secs", "refresh_secs"];
    assert_eq!(fields(&error), expected);
    assert_eq!(fields(&toml("").into_layer().unwrap_err()), expected[..3]);
    assert_eq!(fields(&toml("").remote_keys().err().unwrap()), expected[..3]);
}

#[test]
fn a_file_may_describe_a_cloud() {
    let cloud = r#"
        [cloud]
        login = "https://login.example"
        v1_issuer = "https://sts.example/{tenantid}/"
        v2_issuer = "https://login.example/{tenantid}/v2.0"
        document_hosts = ["keys.example", " "]
        cloud_instance_name = "example"
    "#;
    let expected = Cloud::custom(
        "https://login.example",
        "https://sts.example/{tenantid}/",
        "https://login.example/{tenantid}/v2.0",
    );
    let expected = expected.unwrap().with_document_host("keys.example").unwrap().with_cloud_instance_name("example");
    assert_eq!(toml(&format!("{GOOD}{cloud}")).policy().unwrap().cloud(), &expected);
    let odd = "[cloud]\ndocument_hosts = [\"a b\", \"c d\"]\ncloud_instance_name = \" \"";
    let error = toml(&format!("{GOOD}{odd}")).policy().unwrap_err();
    let expected = [
        "cloud.login",
        "cloud.v1_issuer",
        "cloud.v2_issuer",
        "cloud.document_hosts",
        "cloud.document_hosts",
        "cloud.cloud_instance_name",
    ];
    assert_eq!(fields(&error), expected);
}

#[test]
fn variables_are_the_fields_in_upper_case_with_the_prefix() {
    for field in Field::ALL {
        assert_eq!(field.variable(), format!("{PREFIX}{}", field.name().to_ascii_uppercase()));
        assert_eq!(Field::of_fault(field.name()), Some(*field));
    }
    assert!(Field::ALL.is_sorted());
    assert_eq!((Field::of_fault("cloud.login"), Field::of_fault("callers")), (Some(Field::Cloud), None));
}

#[test]
fn the_table_documents_the_ranges_and_defaults_that_errors_name() {
    let mut seen = 0;
    for field in Field::ALL.iter().filter(|field| field.name().ends_with("_secs")) {
        let (range, default) = field.documented();
        let (range, default) = (range.replace(',', ""), default.replace(',', ""));
        let default = default.split(' ').next().unwrap();
        for beyond in ["0", "18446744073709551615"] {
            let tail = field.variable().strip_prefix(PREFIX).unwrap();
            let Err(error) = validated(changed(&[(tail, Some(beyond))])) else { continue };
            let problem = error.faults().next().unwrap().problem().to_owned();
            assert!(problem.starts_with(&format!("write {range}")), "{problem} is not {range}");
            assert!(problem.contains(&format!("; {default} is the default")), "{problem} is not {default}");
            seen += 1;
        }
    }
    assert_eq!(seen, 9, "both bounds of three settings and one bound of three others");
}

#[test]
fn settings_built_in_code_equal_those_of_a_file() {
    let (tenant, object): (TenantId, ObjectId) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let settings = Settings::default()
        .tenant_ids([tenant])
        .audiences([AUDIENCE, "api://signalr"])
        .caller_object_ids([object])
        .caller_client_ids(vec![CLIENT.to_owned()])
        .allow_any_caller(false)
        .required_roles(["Upstream.Call"])
        .revoked_keys([KeyId::new("leaked")])
        .cloud(Cloud::china())
        .clock_skew_secs(1)
        .refresh_secs(2)
        .refetch_cooldown_secs(3)
        .key_retention_secs(4)
        .stale_limit_secs(5)
        .fetch_timeout_secs(6)
        .explain_rejections_secs(7)
        .log_unverified_fields(false);
    let json = serde_json::json!({
        "tenant_ids": [TENANT],
        "audiences": [AUDIENCE, "api://signalr"],
        "caller_object_ids": [OBJECT],
        "caller_client_ids": [CLIENT],
        "required_roles": ["Upstream.Call"],
        "revoked_keys": ["leaked"],
        "cloud": "china",
        "clock_skew_secs": 1,
        "refresh_secs": 2,
        "refetch_cooldown_secs": 3,
        "key_retention_secs": 4,
        "stale_limit_secs": 5,
        "fetch_timeout_secs": 6,
        "explain_rejections_secs": 7,
        "log_unverified_fields": false,
    });
    assert_eq!(serde_json::to_value(&settings).unwrap(), json);
    let from_file: Settings = serde_json::from_value(json).unwrap();
    let [built, read] = [&settings, &from_file].map(|settings| settings.validate(Vec::new()).unwrap());
    assert_eq!(format!("{:?} {:?}", built.0.callers(), built.1), format!("{:?} {:?}", read.0.callers(), read.1));
    assert_eq!(built.0.cloud(), read.0.cloud());
    assert_eq!(fields(&Settings::default().allow_any_caller(true).policy().unwrap_err()), ["tenant_ids", "audiences"]);
}

#[test]
fn serialized_settings_leave_out_defaults_and_describe_every_cloud() {
    assert_eq!(serde_json::to_value(Settings::default()).unwrap(), serde_json::json!({}));
    let cloud = |cloud: Cloud| serde_json::to_value(Settings::default().cloud(cloud)).unwrap()["cloud"].clone();
    assert_eq!(cloud(Cloud::us_government()), "us-government");
    let issuers = ["https://sts.example/{tenantid}/", "https://login.example/{tenantid}/v2.0"];
    let secure = Cloud::custom("https://login.example:8443", issuers[0], issuers[1]).unwrap();
    let secure = secure.with_document_host("keys.example").unwrap().with_cloud_instance_name("example");
    let expected = serde_json::json!({
        "login": "https://login.example:8443",
        "v1_issuer": issuers[0],
        "v2_issuer": issuers[1],
        "document_hosts": ["keys.example"],
        "cloud_instance_name": "example",
    });
    assert_eq!(cloud(secure.clone()), expected);
    let plain = Cloud::custom("http://127.0.0.1:1", issuers[0], issuers[1]).unwrap();
    for custom in [secure, plain] {
        let read: Settings = serde_json::from_value(serde_json::json!({ "cloud": cloud(custom.clone()) })).unwrap();
        assert_eq!(read.cloud.build().unwrap(), custom);
    }
    let changed = Cloud::public().with_document_host("keys.example").unwrap();
    assert_eq!(cloud(changed.clone())["login"], "https://login.microsoftonline.com");
    assert_eq!(cloud(changed.clone())["document_hosts"].as_array().unwrap().len(), 4);
    assert_eq!(Settings::default().cloud(changed.clone()).cloud.build().unwrap(), changed);
}

/// What is logged while `run` runs.
fn logged(run: impl FnOnce()) -> String {
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || Sink(Arc::clone(&sink)))
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    String::from_utf8(log.lock().unwrap().clone()).unwrap()
}

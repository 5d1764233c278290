//! How settings are spelt in the environment: names, lists, booleans, seconds.

pub(super) fn items(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{} is neither `true` nor `false`; write one of the two", quoted(other))),
    }
}

pub(super) fn seconds(value: &str) -> Result<u64, String> {
    // `parse` alone would take a sign.
    let number = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| format!("{} is not a number of seconds; write digits only, like 300", quoted(value)))
}

pub(super) fn quoted(value: &str) -> String {
    if value.is_empty() { "an empty value".to_owned() } else { format!("`{}`", value.escape_debug()) }
}

pub(super) fn variable(field: &str) -> String {
    format!("{PREFIX}{}", field.to_ascii_uppercase())
}

/// The value is none of our business; it may be anybody's.
pub(super) fn warn_of_unlisted(name: &str, tail: &str) {
    let meant = nearest(tail).map(variable);
    tracing::warn!(target: crate::telemetry::events::SETTINGS, variable = %name.escape_debug(), did_you_mean = meant, "this variable is no setting and is ignored");
}

/// The field that a name was probably meant to be: at most a third of it is written otherwise.
fn nearest(tail: &str) -> Option<&'static str> {
    let tail = tail.to_ascii_lowercase();
    FIELDS
        .into_iter()
        .map(|field| (distance(&tail, field), field))
        .filter(|(distance, field)| distance * 3 <= field.len())
        .min()
        .map(|(_, field)| field)
}

/// How many characters to add, drop or change to make one text of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, byte) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

pub(super) const PREFIX: &str = "SIGNALR_UPSTREAM_";

/// The fields, in the order of the table. Upper case makes variables of them.
pub(super) const FIELDS: [&str; 13] = [
    "tenant_ids",
    "audiences",
    "caller_object_ids",
    "caller_client_ids",
    "allow_any_caller",
    "required_roles",
    "cloud",
    "clock_skew_secs",
    "refresh_secs",
    "refetch_cooldown_secs",
    "key_retention_secs",
    "stale_limit_secs",
    "fetch_timeout_secs",
];

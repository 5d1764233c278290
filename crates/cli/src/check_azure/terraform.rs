//! The output of `terraform show -json`, brought into the form of Azure's resources.
//!
//! Terraform, "JSON Output Format": a state has `values`, a plan has `planned_values`, each with a `root_module`. A plan
//! leaves out what is known only after it was applied, so an absent value is open, and null is not.

use serde_json::{Value, json};

/// The SignalR resources of a state or a plan. `None` if the document is neither.
pub(crate) fn to_resources(json: &Value) -> Option<Value> {
    let module = [&json["planned_values"]["root_module"], &json["values"]["root_module"]]
        .into_iter()
        .find(|module| module.is_object())?;
    let mut resources = Vec::new();
    gather(module, &mut resources);
    let identities: Vec<_> =
        resources.iter().filter(|resource| resource["type"] == "azurerm_user_assigned_identity").copied().collect();
    let converted = resources.iter().filter_map(|resource| match resource["type"].as_str()? {
        "azurerm_signalr_service" => Some(signalr_service(&resource["values"], &identities)),
        "azapi_resource" => azapi(&resource["values"], &identities),
        _ => None,
    });
    Some(converted.collect())
}

fn gather<'j>(module: &'j Value, resources: &mut Vec<&'j Value>) {
    resources.extend(module["resources"].as_array().into_iter().flatten());
    module["child_modules"].as_array().into_iter().flatten().for_each(|child| gather(child, resources));
}

fn signalr_service(values: &Value, identities: &[&Value]) -> Value {
    let upstream = match &values["upstream_endpoint"] {
        Value::Array(endpoints) => json!({ "templates": endpoints.iter().map(template).collect::<Vec<_>>() }),
        _ => open(values, "upstream_endpoint"),
    };
    let is_local = open(values, "local_auth_enabled");
    json!({
        "type": "Microsoft.SignalRService/SignalR",
        "name": open(values, "name"),
        "location": open(values, "location"),
        "identity": identity(values, identities),
        "properties": {
            "features": [{ "flag": "ServiceMode", "value": open(values, "service_mode") }],
            "upstream": upstream,
            "disableLocalAuth": is_local.as_bool().map_or(is_local, |is_local| Value::Bool(!is_local)),
        },
    })
}

/// An `upstream_endpoint`. Its `user_assigned_identity_id` is the audience, whatever the name says.
fn template(endpoint: &Value) -> Value {
    let pattern = |name| match open(endpoint, name) {
        Value::Array(names) => {
            names.iter().map(|name| name.as_str().unwrap_or(AFTER_APPLY)).collect::<Vec<_>>().join(",").into()
        }
        other => other,
    };
    let auth = match open(endpoint, "user_assigned_identity_id") {
        Value::String(audience) if !audience.is_empty() => {
            json!({ "type": "ManagedIdentity", "managedIdentity": { "resource": audience } })
        }
        _ => Value::Null,
    };
    json!({
        "urlTemplate": open(endpoint, "url_template"),
        "hubPattern": pattern("hub_pattern"),
        "categoryPattern": pattern("category_pattern"),
        "eventPattern": pattern("event_pattern"),
        "auth": auth,
    })
}

/// An `azapi_resource`, if it is one of SignalR's. Its body is an object, or a text of JSON before version 2.
fn azapi(values: &Value, identities: &[&Value]) -> Option<Value> {
    let (kind, version) = values["type"].as_str()?.split_once('@')?;
    let body = match &values["body"] {
        Value::String(text) => serde_json::from_str(text).ok()?,
        body => body.clone(),
    };
    Some(json!({
        "type": kind,
        "apiVersion": version,
        "name": open(values, "name"),
        "location": open(values, "location"),
        "identity": identity(values, identities),
        "properties": open(&body, "properties"),
    }))
}

/// The `identity` block, with the ids of a user-assigned identity that the same file has.
fn identity(values: &Value, identities: &[&Value]) -> Value {
    let Value::Array(blocks) = open(values, "identity") else { return open(values, "identity") };
    let Some(block) = blocks.first() else { return Value::Null };
    let assigned = match open(block, "identity_ids") {
        Value::Array(ids) => {
            let ids = ids.iter().filter_map(Value::as_str);
            ids.map(|id| (id.to_owned(), assigned(id, identities))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other,
    };
    json!({
        "type": open(block, "type"),
        "principalId": block["principal_id"],
        "tenantId": block["tenant_id"],
        "userAssignedIdentities": assigned,
    })
}

fn assigned(id: &str, identities: &[&Value]) -> Value {
    let known = identities.iter().map(|resource| &resource["values"]);
    let mut known = known.filter(|values| values["id"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(id)));
    known.next().map_or_else(
        || json!({}),
        |values| json!({ "principalId": values["principal_id"], "clientId": values["client_id"] }),
    )
}

/// The value, or an expression in the sense of templates where a plan leaves it open.
fn open(values: &Value, name: &str) -> Value {
    values.get(name).cloned().unwrap_or_else(|| AFTER_APPLY.into())
}

const AFTER_APPLY: &str = "[known after apply]";

//! The SignalR resources of a file.

use serde_json::Value;

use super::node::{Node, get};

/// A SignalR resource.
pub(crate) struct Resource<'j>(pub(crate) Node<'j>);

impl<'j> Resource<'j> {
    /// A member of `properties`. `az signalr show` leaves that level out.
    pub(crate) fn property(&self, name: &str) -> Node<'j> {
        let properties = self.0.member("properties");
        if properties.is_null() { self.0.member(name) } else { properties.member(name) }
    }
}

/// Finds every SignalR resource, however deep in a template or a list.
pub(crate) fn find(json: &Value) -> Vec<Resource<'_>> {
    let mut found = Vec::new();
    let root = Node::root(json);
    gather(&if is_template(json) { root.within_template(None) } else { root }, &mut found);
    found
}

fn gather<'j>(node: &Node<'j>, found: &mut Vec<Resource<'j>>) {
    match node.value() {
        // A template may only mention a resource, without deploying it.
        Value::Object(_) if is_ours(node.value()) && get(node.value(), "existing") == &Value::Bool(true) => {}
        Value::Object(_) if is_ours(node.value()) => found.push(Resource(node.clone())),
        Value::Object(members) => {
            for value in members.values() {
                let child = node.child(value);
                if is_template(value) {
                    // A nested deployment: `parameters` beside `template`.
                    let arguments = node.child(get(node.value(), "parameters"));
                    gather(&child.within_template(Some(arguments)), found);
                } else {
                    gather(&child, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(&node.child(item), found)),
        _ => {}
    }
}

fn is_ours(value: &Value) -> bool {
    get(value, "type").as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE))
}

fn is_template(value: &Value) -> bool {
    !get(value, "$schema").is_null() && !get(value, "resources").is_null()
}

const TYPE: &str = "Microsoft.SignalRService/SignalR";

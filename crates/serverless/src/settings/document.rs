//! Settings from any format of serde: nested maps, keys with `:`, or both, flattened to paths.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::entries::{Entries, Spelling};

/// The entries of a document.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
    let mut entries = Entries::new(Spelling::Document);
    Node::deserialize(deserializer)?.flatten("", 0, &mut entries).map_err(D::Error::custom)?;
    Ok(entries)
}

/// A value of any format. Everything that is no map and no sequence becomes text, as in .NET's configuration.
enum Node {
    Nothing,
    Text(String),
    Children(Vec<(String, Self)>),
}

impl Node {
    fn flatten(self, path: &str, depth: usize, entries: &mut Entries) -> Result<(), String> {
        match self {
            Self::Nothing => {}
            Self::Text(_) if path.is_empty() => return Err("settings must be a map".to_owned()),
            Self::Text(text) => entries.push(path, text),
            Self::Children(_) if depth >= MAX_DEPTH => return Err(format!("settings nest more than {MAX_DEPTH} deep")),
            Self::Children(children) => {
                for (key, child) in children {
                    let path = if path.is_empty() { key } else { format!("{path}:{key}") };
                    child.flatten(&path, depth + 1, entries)?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(item) = items.next_element()? {
            children.push((children.len().to_string(), item));
        }
        Ok(Node::Children(children))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = map.next_entry()? {
            children.push(child);
        }
        Ok(Node::Children(children))
    }
}

/// Settings need five levels. A document that nests deeper is rejected, so that flattening cannot exhaust the stack.
const MAX_DEPTH: usize = 32;

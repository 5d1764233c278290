//! The hub, category and event patterns of an upstream template, and which template takes which event.
//!
//! Azure SignalR Service, "Upstream endpoints", "Rules settings": a pattern is `*`, one name or a comma-separated list;
//! the templates are checked in their order, and the first that matches takes the event.

use super::node::{Node, Said};

/// What a template matches.
#[derive(Clone)]
pub(crate) struct TemplateRules {
    pub(crate) hub: Pattern,
    pub(crate) category: Pattern,
    pub(crate) event: Pattern,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Pattern {
    Any,
    Names(Vec<String>),
    /// Only a deployment knows it.
    Unknown,
}

/// Events that one template takes or does not take as a whole. `None` stands for every name that no rule lists.
struct Cell<'r> {
    hub: Option<&'r str>,
    category: &'static str,
    event: Option<&'r str>,
}

impl Pattern {
    fn read(node: &Node<'_>) -> Self {
        match node.said() {
            Said::Nothing => Self::Any,
            Said::Expression(_) => Self::Unknown,
            Said::Text(text) => {
                let names: Vec<_> =
                    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
                if names.is_empty() || names.iter().any(|name| name == "*") { Self::Any } else { Self::Names(names) }
            }
        }
    }

    /// Whether it surely takes this name, or every name.
    fn takes(&self, name: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Names(names) => name.is_some_and(|name| names.iter().any(|known| known == name)),
            Self::Unknown => false,
        }
    }

    /// The names, or `None` for every name.
    fn names(&self) -> Vec<Option<&str>> {
        match self {
            Self::Names(names) => names.iter().map(|name| Some(name.as_str())).collect(),
            Self::Any | Self::Unknown => vec![None],
        }
    }

    fn listed(&self) -> &[String] {
        match self {
            Self::Names(names) => names,
            Self::Any | Self::Unknown => &[],
        }
    }
}

impl TemplateRules {
    pub(crate) fn read(template: &Node<'_>) -> Self {
        let pattern = |name| Pattern::read(&template.member(name));
        Self { hub: pattern("hubPattern"), category: pattern("categoryPattern"), event: pattern("eventPattern") }
    }

    /// What of the patterns never matches, in words.
    pub(crate) fn never_fires(&self) -> Vec<String> {
        let categories = self.category.listed().iter().filter(|name| known(&CATEGORIES, name).is_none());
        let mut faults: Vec<_> = categories
            .map(|category| {
                format!("the category `{category}` never matches; there are `{CONNECTIONS}` and `{MESSAGES}`")
            })
            .collect();
        if !self.takes_category(CONNECTIONS) {
            return faults;
        }
        let has_messages = self.takes_category(MESSAGES);
        for event in self.event.listed().iter().filter(|event| known(&CONNECTION_EVENTS, event).is_none()) {
            match (meant(event), has_messages) {
                (Some(meant), false) => faults.push(format!("the event `{event}` never fires; SignalR's is `{meant}`")),
                (Some(meant), true) => faults.push(format!(
                    "the event `{event}` never fires; SignalR's is `{meant}`. If it is a method that clients call, set \
                     categoryPattern to `{MESSAGES}`"
                )),
                (None, false) => faults.push(format!(
                    "the event `{event}` never fires; the category `{CONNECTIONS}` has `connected` and `disconnected`"
                )),
                // The name of a method.
                (None, true) => {}
            }
        }
        faults
    }

    /// Names that Microsoft's emulator does not match because of their case. What the service does is not documented.
    pub(crate) fn differs_in_case(&self) -> Vec<String> {
        let categories = self.category.listed().iter().map(|name| (name, known(&CATEGORIES, name)));
        let is_ours = self.takes_category(CONNECTIONS);
        let events = self.event.listed().iter().map(|name| (name, known(&CONNECTION_EVENTS, name).filter(|_| is_ours)));
        let names =
            categories.chain(events).filter_map(|(name, known)| Some((name, known.filter(|known| known != name)?)));
        names.map(|(name, known)| format!("`{name}` may not match because of its case; write `{known}`")).collect()
    }

    fn takes_category(&self, category: &str) -> bool {
        match &self.category {
            Pattern::Names(names) => names.iter().any(|name| name.eq_ignore_ascii_case(category)),
            other => other.takes(None),
        }
    }

    /// Whether earlier templates take every event that this one matches.
    pub(crate) fn is_shadowed_by(&self, earlier: &[&Self]) -> bool {
        let is_known = [&self.hub, &self.category, &self.event].iter().all(|pattern| **pattern != Pattern::Unknown);
        let cells = self.cells();
        is_known && !cells.is_empty() && cells.iter().all(|cell| earlier.iter().any(|rules| rules.takes(cell)))
    }

    fn takes(&self, cell: &Cell<'_>) -> bool {
        self.hub.takes(cell.hub) && self.takes_category(cell.category) && self.event.takes(cell.event)
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells = Vec::new();
        for hub in self.hub.names() {
            for category in CATEGORIES.into_iter().filter(|category| self.takes_category(category)) {
                let events = match category {
                    CONNECTIONS => {
                        CONNECTION_EVENTS.map(Some).into_iter().filter(|name| self.event.takes(*name)).collect()
                    }
                    _ => self.event.names(),
                };
                cells.extend(events.into_iter().map(|event| Cell { hub, category, event }));
            }
        }
        cells
    }
}

/// The name as the service writes it, if it is one of these in any case.
fn known(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.iter().copied().find(|known| known.eq_ignore_ascii_case(name))
}

/// The event that somebody means who writes the name of Web PubSub's.
fn meant(event: &str) -> Option<&'static str> {
    match event.to_ascii_lowercase().as_str() {
        "connect" => Some("connected"),
        "disconnect" => Some("disconnected"),
        _ => None,
    }
}

const CONNECTIONS: &str = "connections";
const MESSAGES: &str = "messages";
const CATEGORIES: [&str; 2] = [CONNECTIONS, MESSAGES];
/// Web PubSub has `connect` as well, and the description of `eventPattern` in Azure's API names it.
const CONNECTION_EVENTS: [&str; 2] = ["connected", "disconnected"];

//! The hub, category and event patterns of an upstream template, and which template takes which event.
//!
//! Azure SignalR Service, "Upstream endpoints", "Rules settings": a pattern is `*`, one name or a comma-separated list;
//! the templates are checked in their order, and the first that matches takes the event.

use crate::node::{Node, Said};

/// What a template matches.
#[derive(Clone)]
pub(crate) struct Rules {
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

impl Rules {
    pub(crate) fn read(template: &Node<'_>) -> Self {
        let pattern = |name| Pattern::read(&template.member(name));
        Self { hub: pattern("hubPattern"), category: pattern("categoryPattern"), event: pattern("eventPattern") }
    }

    /// What of the patterns never matches, in words.
    pub(crate) fn never_fires(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for category in self.category.listed().iter().filter(|name| !CATEGORIES.contains(&name.as_str())) {
            faults.push(match CATEGORIES.iter().find(|known| known.eq_ignore_ascii_case(category)) {
                Some(known) => format!("the category `{category}` may never match; write `{known}`"),
                None => format!("the category `{category}` never matches; there are `{CONNECTIONS}` and `{MESSAGES}`"),
            });
        }
        if !self.category.takes(Some(CONNECTIONS)) {
            return faults;
        }
        let has_messages = self.category.takes(Some(MESSAGES));
        for event in self.event.listed().iter().filter(|event| !CONNECTION_EVENTS.contains(&event.as_str())) {
            let lower = event.to_ascii_lowercase();
            let meant = match lower.as_str() {
                "connect" | "connected" => "connected",
                "disconnect" | "disconnected" => "disconnected",
                // The name of a method, if messages are wanted, too.
                _ if has_messages => continue,
                _ => {
                    faults.push(format!(
                        "the event `{event}` never fires; the category `{CONNECTIONS}` has `connected` and `disconnected`"
                    ));
                    continue;
                }
            };
            let mut fault = format!("the event `{event}` never fires; SignalR's is `{meant}`");
            if has_messages {
                fault.push_str(&format!(". If it is a method that clients call, set categoryPattern to `{MESSAGES}`"));
            }
            faults.push(fault);
        }
        faults
    }

    /// Whether earlier templates take every event that this one matches.
    pub(crate) fn is_shadowed_by(&self, earlier: &[&Self]) -> bool {
        let is_known = [&self.hub, &self.category, &self.event].iter().all(|pattern| **pattern != Pattern::Unknown);
        let cells = self.cells();
        is_known && !cells.is_empty() && cells.iter().all(|cell| earlier.iter().any(|rules| rules.takes(cell)))
    }

    fn takes(&self, cell: &Cell<'_>) -> bool {
        self.hub.takes(cell.hub) && self.category.takes(Some(cell.category)) && self.event.takes(cell.event)
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells = Vec::new();
        for hub in self.hub.names() {
            for category in CATEGORIES.into_iter().filter(|category| self.category.takes(Some(category))) {
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

const CONNECTIONS: &str = "connections";
const MESSAGES: &str = "messages";
const CATEGORIES: [&str; 2] = [CONNECTIONS, MESSAGES];
/// Web PubSub has `connect` as well, and the description of `eventPattern` in Azure's API names it.
const CONNECTION_EVENTS: [&str; 2] = ["connected", "disconnected"];

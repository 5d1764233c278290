//! What endpoints are called in errors, events and metrics, and for a router.

use std::sync::Arc;

use crate::endpoint::{EndpointConfig, Priority};

/// One label for each endpoint, in their order: its name, or its host. Those that share one are told apart by their
/// priority, and where that is the same by a number.
pub(crate) fn labels(configs: &[EndpointConfig]) -> Vec<Arc<str>> {
    let named: Vec<_> = configs.iter().map(|config| (plain(config), config.priority)).collect();
    let label = |(index, &(label, priority)): (usize, &(&str, Priority))| {
        let same_label = named.iter().filter(|(other, _)| *other == label).count();
        if same_label == 1 {
            return Arc::from(label);
        }
        let is_twin = |other: &&(&str, Priority)| **other == (label, priority);
        let priority = match priority {
            Priority::Primary => "primary",
            Priority::Secondary => "secondary",
        };
        if named.iter().filter(is_twin).count() == 1 {
            return Arc::from(format!("{label}/{priority}"));
        }
        let number = named.iter().take(index + 1).filter(is_twin).count();
        Arc::from(format!("{label}/{priority}/{number}"))
    };
    named.iter().enumerate().map(label).collect()
}

fn plain(config: &EndpointConfig) -> &str {
    config.name.as_deref().or_else(|| config.endpoint.host_str()).unwrap_or_default()
}

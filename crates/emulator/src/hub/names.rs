//! What hubs and groups may be called.

/// `^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}$`, for hubs and applications (REST API description 2024-12-01).
pub(crate) fn is_hub_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.len() <= 127
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_`,.[]".contains(&byte))
}

/// 1 to 1024 characters that are not all blank (REST API description 2024-12-01).
pub(crate) fn is_group_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_names_follow_the_pattern() {
        for name in ["chat", "Chat_1", "a`,.[]", &"a".repeat(128)] {
            assert!(is_hub_name(name), "{name}");
        }
        for name in ["", "1chat", "_chat", "chat-room", "chat room", "chät", "a/b", &"a".repeat(129)] {
            assert!(!is_hub_name(name), "{name}");
        }
    }

    #[test]
    fn group_names_are_not_blank() {
        assert!(is_group_name("a") && is_group_name(&"ü".repeat(1024)));
        assert!(!is_group_name("") && !is_group_name(" \t") && !is_group_name(&"ü".repeat(1025)));
    }
}

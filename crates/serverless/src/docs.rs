//! The guide. It has no code; each page is a module.

#[doc = include_str!("../docs/credentials.md")]
pub mod credentials {}

#[doc = include_str!("../docs/cross_tenant.md")]
pub mod cross_tenant {}

#[doc = include_str!("../docs/move_from_access_keys.md")]
pub mod move_from_access_keys {}

#[doc = include_str!("../docs/roles.md")]
pub mod roles {}

#[doc = include_str!("../docs/troubleshoot.md")]
pub mod troubleshoot {}

#[cfg(test)]
mod tests {
    use crate::operation::Operation;
    use crate::role::Role;

    #[test]
    fn page_of_roles_says_what_the_code_does() {
        let page = include_str!("../docs/roles.md");
        for operation in Operation::ALL {
            let line = format!("| `{}` | {} |", operation.as_str(), operation.role().map_or("none", Role::name));
            assert!(page.contains(&line), "{line}");
        }
        for role in Role::ALL {
            assert!(page.contains(&format!("| {} | `{}` |", role.name(), role.id())), "{role}");
        }
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), Operation::ALL.len());
    }
}

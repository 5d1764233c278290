//! The part of OData's filter language that `:execute` is known to use.

use crate::hub::Member;

/// `startswith(userId,'x')`, `userId eq 'x'`, `userId ne 'x'`, `connectionId eq 'x'`, `connectionId ne 'x'`; `null`
/// stands for no user.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Filter {
    field: Field,
    test: Test,
}

#[derive(Debug, Eq, PartialEq)]
enum Field {
    Connection,
    User,
}

#[derive(Debug, Eq, PartialEq)]
enum Test {
    StartsWith(String),
    Equals(Option<String>),
    Differs(Option<String>),
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text.trim()).ok_or_else(|| {
            "The emulator reads startswith(field,'text'), field eq 'text' and field ne 'text' only; \
             a field is userId or connectionId."
                .to_owned()
        })
    }

    fn read(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix("startswith(").and_then(|rest| rest.strip_suffix(')')) {
            let (field, value) = inner.split_once(',')?;
            return Some(Self { field: Field::read(field)?, test: Test::StartsWith(literal(value)??) });
        }
        let (field, rest) = text.split_once(' ')?;
        let (operator, value) = rest.trim_start().split_once(' ')?;
        let value = literal(value)?;
        let test = match operator {
            "eq" => Test::Equals(value),
            "ne" => Test::Differs(value),
            _ => return None,
        };
        Some(Self { field: Field::read(field)?, test })
    }

    pub(super) fn accepts(&self, member: &Member) -> bool {
        let value = match self.field {
            Field::Connection => Some(member.connection_id.as_str()),
            Field::User => member.user_id.as_deref(),
        };
        match &self.test {
            Test::StartsWith(start) => value.is_some_and(|value| value.starts_with(start.as_str())),
            Test::Equals(wanted) => value == wanted.as_deref(),
            Test::Differs(unwanted) => value != unwanted.as_deref(),
        }
    }
}

impl Field {
    fn read(name: &str) -> Option<Self> {
        match name.trim() {
            "connectionId" => Some(Self::Connection),
            "userId" => Some(Self::User),
            _ => None,
        }
    }
}

/// A text in single quotes, which double inside it, or `null`.
fn literal(text: &str) -> Option<Option<String>> {
    let text = text.trim();
    if text == "null" {
        return Some(None);
    }
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let unescaped = inner.replace("''", "\u{0}");
    (!unescaped.contains('\'')).then(|| Some(unescaped.replace('\u{0}', "'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(filter: &str, user: Option<&str>) -> bool {
        let member = Member { connection_id: "c1".to_owned(), user_id: user.map(str::to_owned) };
        Filter::parse(filter).unwrap().accepts(&member)
    }

    #[test]
    fn filters_choose_by_user_and_connection() {
        assert!(accepts("startswith(userId,'an')", Some("anna")));
        assert!(!accepts("startswith(userId, 'an')", Some("bob")));
        assert!(!accepts("startswith(userId,'an')", None));
        assert!(accepts("userId eq 'o''neil'", Some("o'neil")));
        assert!(accepts("userId eq null", None) && accepts("userId ne null", Some("x")));
        assert!(accepts("connectionId ne 'c2'", None));
    }

    #[test]
    fn unknown_filters_are_errors() {
        for text in ["", "userId", "userId gt 'a'", "name eq 'a'", "userId eq a", "userId eq 'a' or userId eq 'b'"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}

//! Values of a template, with their parameters and variables resolved.
//!
//! Member names of ARM templates have no case (Azure Resource Manager, "Understand the structure and syntax of ARM
//! templates"), so every member is found whatever its case.

use std::rc::Rc;
use std::sync::LazyLock;

use serde_json::Value;

/// A template around a value: where its parameters and variables come from.
#[derive(Default)]
pub(crate) struct Scope<'j> {
    template: Option<&'j Value>,
    /// What the deployment around a nested template passes to it, to be read in the scope of that deployment.
    arguments: Option<Node<'j>>,
}

/// A value, and the scope of the expressions in it.
#[derive(Clone)]
pub(crate) struct Node<'j> {
    value: &'j Value,
    scope: Rc<Scope<'j>>,
}

/// What a text says.
pub(crate) enum Said<'j> {
    /// It is absent, null or empty.
    Nothing,
    Text(&'j str),
    /// Only a deployment can evaluate it.
    Expression(&'j str),
}

impl<'j> Node<'j> {
    pub(crate) fn root(value: &'j Value) -> Self {
        Self { value, scope: Rc::default() }
    }

    /// The value itself, unresolved.
    pub(crate) fn value(&self) -> &'j Value {
        self.value
    }

    /// The same value inside a template, whose parameters and variables count from here.
    pub(crate) fn within_template(&self, arguments: Option<Self>) -> Self {
        Self { value: self.value, scope: Rc::new(Scope { template: Some(self.value), arguments }) }
    }

    /// Another value of the same scope.
    pub(crate) fn child(&self, value: &'j Value) -> Self {
        Self { value, scope: Rc::clone(&self.scope) }
    }

    /// A member, resolved. A member of an expression is that expression: only a deployment knows it.
    pub(crate) fn member(&self, name: &str) -> Self {
        let this = self.resolved();
        match this.value {
            Value::Object(_) if this.has(name) => this.child(get(this.value, name)).resolved(),
            Value::Object(_) if this.is_copied(name) => this.child(&COPIED),
            Value::String(text) if is_expression(text) => this,
            _ => this.child(&Value::Null),
        }
    }

    fn has(&self, name: &str) -> bool {
        !get(self.value, name).is_null()
    }

    /// Whether a `copy` loop creates this member.
    fn is_copied(&self, name: &str) -> bool {
        let loops = get(self.value, "copy").as_array();
        loops
            .into_iter()
            .flatten()
            .any(|item| get(item, "name").as_str().is_some_and(|of| of.eq_ignore_ascii_case(name)))
    }

    /// The elements of an array, resolved. Nothing is an empty array.
    ///
    /// # Errors
    ///
    /// The expression, where there is one instead.
    pub(crate) fn elements(&self) -> Result<Vec<Self>, &'j str> {
        let this = self.resolved();
        match this.value {
            Value::Array(items) => Ok(items.iter().map(|item| this.child(item).resolved()).collect()),
            Value::String(text) if is_expression(text) => Err(text),
            _ => Ok(Vec::new()),
        }
    }

    /// The members of an object with their names. Nothing is an empty object.
    ///
    /// # Errors
    ///
    /// The expression, where there is one instead.
    pub(crate) fn members(&self) -> Result<Vec<(&'j str, Self)>, &'j str> {
        let this = self.resolved();
        match this.value {
            Value::Object(members) => {
                Ok(members.iter().map(|(name, value)| (name.as_str(), this.child(value).resolved())).collect())
            }
            Value::String(text) if is_expression(text) => Err(text),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    pub(crate) fn expression(&self) -> Option<&'j str> {
        self.value.as_str().filter(|text| is_expression(text))
    }

    pub(crate) fn said(&self) -> Said<'j> {
        match self.resolved().value.as_str() {
            Some(text) if is_expression(text) => Said::Expression(text),
            Some(text) if !text.trim().is_empty() => Said::Text(text.trim()),
            _ => Said::Nothing,
        }
    }

    /// The parameter or variable, if the value is just that and the file gives it.
    fn resolved(&self) -> Self {
        let mut node = self.clone();
        // A parameter may be another one's default. No chain of a real template is longer.
        for _ in 0..16 {
            match node.referenced() {
                Some(next) if !next.value.is_null() => node = next,
                _ => break,
            }
        }
        node
    }

    fn referenced(&self) -> Option<Self> {
        let inner = self.value.as_str()?.strip_prefix('[')?.strip_suffix(']')?.trim();
        let named = |function: &str| {
            let rest =
                inner.get(function.len()..).filter(|_| inner[..function.len()].eq_ignore_ascii_case(function))?;
            rest.strip_prefix("('")?.strip_suffix("')").filter(|name| !name.contains('\''))
        };
        let template = self.scope.template?;
        let (name, section) = match named("parameters") {
            Some(name) => (name, "parameters"),
            None => (named("variables")?, "variables"),
        };
        let declared = get(get(template, section), name);
        match &self.scope.arguments {
            // A nested template may be evaluated in the scope of the outer one.
            Some(outer) if declared.is_null() => Some(outer.child(self.value)),
            Some(arguments) if section == "parameters" && !arguments.member(name).is_null() => {
                // An argument without a value, such as a reference to a secret, leaves the parameter open.
                Some(arguments.member(name).member("value"))
            }
            _ if section == "parameters" => Some(self.child(get(declared, "defaultValue"))),
            _ => Some(self.child(declared)),
        }
    }
}

/// A member of an object, its name in any case; null if there is none.
pub(crate) fn get<'j>(value: &'j Value, name: &str) -> &'j Value {
    let Value::Object(members) = value else { return &Value::Null };
    members
        .get(name)
        .or_else(|| members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
        .unwrap_or(&Value::Null)
}

pub(crate) fn is_expression(text: &str) -> bool {
    text.starts_with('[') && !text.starts_with("[[") && text.ends_with(']')
}

static COPIED: LazyLock<Value> = LazyLock::new(|| Value::from("[copy]"));

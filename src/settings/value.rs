//! How the values of variables are written.

use super::cloud::CloudChoice;
use crate::error::quoted;

/// A value of a setting.
pub(super) trait Value: Sized {
    /// Reads the value of a variable.
    ///
    /// # Errors
    ///
    /// What is wrong with it and what to write instead.
    fn read(value: &str) -> Result<Self, String>;
}

impl Value for Vec<String> {
    fn read(value: &str) -> Result<Self, String> {
        Ok(value.split(',').map(str::to_owned).collect())
    }
}

impl Value for Option<Vec<String>> {
    fn read(value: &str) -> Result<Self, String> {
        Vec::read(value).map(Some)
    }
}

impl Value for bool {
    fn read(value: &str) -> Result<Self, String> {
        match value {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("{} is neither `true` nor `false`; write one of the two", quoted(other))),
        }
    }
}

/// A flag that is on by default.
impl Value for Option<bool> {
    fn read(value: &str) -> Result<Self, String> {
        bool::read(value).map(Some)
    }
}

/// Seconds.
impl Value for Option<u64> {
    fn read(value: &str) -> Result<Self, String> {
        // `parse` alone accepts a sign.
        let number = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten();
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{} is not a number of seconds; write digits only, like 300", quoted(value))),
        }
    }
}

impl Value for CloudChoice {
    fn read(value: &str) -> Result<Self, String> {
        Ok(Self::Named(value.to_owned()))
    }
}

//! What the rooms share of HTTP: raw paths, queries, answers.

mod answer;
mod form;
mod path;
mod query;

pub(crate) use answer::{Answer, AnswerBody, empty, full, json};
pub(crate) use path::{PathRules, Segments};
pub(crate) use query::Query;

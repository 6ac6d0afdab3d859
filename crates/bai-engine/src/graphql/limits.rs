//! What one query may cost. A short query can ask for the same thing many times, under other names, so its text alone says
//! little about the work and the size of its answer.

use serde_json::Value;

/// The largest text of a query, in bytes.
pub(super) const QUERY_SIZE: usize = 64 << 10;
/// How deep selections and values may be nested.
pub(super) const DEPTH: usize = 32;
/// How many fields a query may have, under their own name or another (an alias).
pub(super) const FIELDS: usize = 1000;
/// How many fields it may have at the top. Each of them is a search.
pub(super) const TOP_FIELDS: usize = 16;
/// The size of all variables, counted once for each use.
pub(super) const VARIABLES_SIZE: usize = 64 << 10;
/// The size of the answer, about.
pub(super) const ANSWER_SIZE: usize = 8 << 20;

/// Something that a query uses up.
pub(super) struct Budget {
    left: usize,
    limit: usize,
    /// What has a limit, with its unit, as the subject of the error.
    what: &'static str,
}

impl Budget {
    /// The fields of a query.
    pub(super) fn of_fields() -> Self {
        Budget { left: FIELDS, limit: FIELDS, what: "number of fields in a query" }
    }

    /// The bytes of its variables.
    pub(super) fn of_variables() -> Self {
        Budget { left: VARIABLES_SIZE, limit: VARIABLES_SIZE, what: "size of a query's variables in bytes" }
    }

    /// The bytes of its answer.
    pub(super) fn of_answer() -> Self {
        Budget { left: ANSWER_SIZE, limit: ANSWER_SIZE, what: "size of an answer in bytes" }
    }

    /// Uses some.
    pub(super) fn spend(&mut self, count: usize) -> Result<(), String> {
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(exceeded(self.what, self.limit)),
        }
    }
}

/// The error for a limit.
pub(super) fn exceeded(what: &str, limit: usize) -> String {
    format!("Query limit exceeded: the {what} is limited to {limit}.")
}

/// The size of a value as JSON, about.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(object) => {
            2 + object.iter().map(|(key, value)| key.len() + size(value) + 4).sum::<usize>()
        }
    }
}

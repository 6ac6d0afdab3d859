//! GraphQL queries with arbitrary bytes.

use super::filter::{Filter, Order};
use super::limits::{self, Budget};
use super::{local_id, parse, project};
use serde_json::{Value, json};

/// A query and, after a byte 0xff, its variables. The answer keeps the limit.
pub fn graphql(bytes: &[u8]) {
    let mut pieces = bytes.splitn(2, |byte| *byte == 0xff);
    let query = String::from_utf8_lossy(pieces.next().unwrap_or_default());
    let variables: Value = serde_json::from_slice(pieces.next().unwrap_or_default()).unwrap_or_default();
    let _ = (Filter::parse(&query), Order::parse(&query), local_id(&query));
    let Ok(fields) = parse::parse(&query, &variables) else { return };
    let source = json!({"items": vec![json!({"id": "x".repeat(100), "name": "work", "a": [1, null]}); 20]});
    if let Ok(answer) = project(&source, &fields, &mut Budget::of_answer()) {
        assert!(answer.to_string().len() <= 4 * limits::ANSWER_SIZE);
    }
}

//! Completion (`docs/wire` §3.8): the request, and an extraction that takes every shape a server has given.

use super::lenient::null_as_default;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The question to the kernel: the code around the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// The text up to the cursor.
    pub code: String,
    /// The position of the cursor.
    #[serde(default, deserialize_with = "null_as_default")]
    pub options: CompletionOptions,
}

/// The position of the cursor. Every field may be missing on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionOptions {
    /// Line of the cursor, from 0.
    #[serde(deserialize_with = "null_as_default")]
    pub row: usize,
    /// Column of the cursor in its line, from 0, in code points.
    #[serde(deserialize_with = "null_as_default")]
    pub col: usize,
    /// The whole line that the cursor is in.
    #[serde(deserialize_with = "null_as_default")]
    pub line: String,
    /// The text after the cursor.
    #[serde(deserialize_with = "null_as_default")]
    pub post: String,
}

impl CompletionRequest {
    /// Describes a cursor at byte `position` of `text`. A position inside a code point, or past the end, is
    /// moved back to the nearest boundary.
    pub fn at(text: &str, position: usize) -> Self {
        let (code, post) = split_at_boundary(text, position);
        let head = code.rsplit('\n').next().unwrap_or_default();
        let tail = post.split('\n').next().unwrap_or_default();
        CompletionRequest {
            code: code.to_owned(),
            options: CompletionOptions {
                row: code.matches('\n').count(),
                col: head.chars().count(),
                line: format!("{head}{tail}"),
                post: post.to_owned(),
            },
        }
    }
}

fn split_at_boundary(text: &str, position: usize) -> (&str, &str) {
    let mut at = position.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.split_at(at)
}

/// The possible completions at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Candidates, in the order of display.
    pub suggestions: Vec<String>,
    /// The position in `code`, in code points, where the text that a suggestion replaces begins. Our engine says so; other
    /// servers do not, and then the longest suffix of the line that begins a suggestion is replaced.
    pub start: Option<usize>,
}

impl Completion {
    /// The reply body of a modern server, with `completions` beside it for older clients.
    pub fn to_wire(&self) -> Value {
        json!({"result": {
            "status": "finished",
            "error": null,
            "suggestions": self.suggestions,
            "start": self.start,
            "completions": {"suggestions": self.suggestions},
        }})
    }

    /// Reads any reply: walks down `result` and `completions` until there is a list, or a
    /// list under `suggestions`. Anything else gives no completion; it is never an error.
    pub fn from_wire(body: &Value) -> Self {
        let mut at = body;
        // No known server nests deeper than four; the bound keeps a hostile body cheap.
        for _ in 0..8 {
            let list = at.as_array().or_else(|| at.get("suggestions")?.as_array());
            if let Some(list) = list {
                let start = at.get("start").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
                let suggestions = list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
                return Completion { suggestions, start };
            }
            match at.get("result").or_else(|| at.get("completions")) {
                Some(inner) => at = inner,
                None => break,
            }
        }
        Completion::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggestions(body: Value) -> Vec<String> {
        Completion::from_wire(&body).suggestions
    }

    #[test]
    fn replies_of_every_server_generation_are_read() {
        assert_eq!(suggestions(json!({"result": ["a", "b"]})), ["a", "b"]);
        let of_2020 = json!({"result": {"status": "finished", "completions": {"suggestions": ["a"]}}});
        assert_eq!(suggestions(of_2020), ["a"]);
        let of_26 = json!({"result": {"status": "finished", "error": null, "suggestions": ["a"]}});
        assert_eq!(suggestions(of_26), ["a"]);
        let through_execute = json!({"result": {"result": {"status": "finished", "suggestions": ["a"]}}});
        assert_eq!(suggestions(through_execute), ["a"]);
    }

    #[test]
    fn no_completion_is_an_empty_list() {
        for body in [
            json!(null),
            json!({"result": {"status": "finished", "completions": null}}),
            json!({"result": {"status": "failed", "error": "x", "suggestions": null}}),
            json!({"result": 7}),
        ] {
            assert!(suggestions(body).is_empty());
        }
        assert_eq!(suggestions(json!({"result": ["a", 3, null, "b"]})), ["a", "b"]);
    }

    #[test]
    fn our_own_reply_is_read_back_unchanged() {
        let completion = Completion { suggestions: vec!["os.path".into()], start: Some(3) };
        assert_eq!(Completion::from_wire(&completion.to_wire()), completion);
    }

    #[test]
    fn the_cursor_is_described_in_code_points() {
        let request = CompletionRequest::at("ä = 1\nö.x\nz", "ä = 1\nö.".len());
        assert_eq!(request.code, "ä = 1\nö.");
        let options = CompletionOptions { row: 1, col: 2, line: "ö.x".into(), post: "x\nz".into() };
        assert_eq!(request.options, options);
        assert_eq!(CompletionRequest::at("ä", 1).code, "");
        assert_eq!(CompletionRequest::at("ab", 99).code, "ab");
    }

    #[test]
    fn null_and_missing_options_are_defaults() {
        for body in [
            json!({"code": "x"}),
            json!({"code": "x", "options": null}),
            json!({"code": "x", "options": {"row": null}}),
        ] {
            let request: CompletionRequest = serde_json::from_value(body).unwrap();
            assert_eq!(request.options, CompletionOptions::default());
        }
    }
}

//! The messages of a Jupyter kernel, translated to console records and other results. Kernels leave out different
//! fields, so only the used fields are required. This module does no I/O.

use bai_protocol::bundle;
use bai_protocol::record::ConsoleRecord;
use jupyter_protocol::Header;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Clears the line on a terminal, as IPython does.
pub(super) const CLEAR_LINE: &str = "\r\x1b[2K";

/// A message of the kernel.
#[derive(Debug, Default)]
pub(super) struct KernelMessage {
    /// Its type, such as `stream`.
    pub(super) kind: String,
    /// The id of the request that it belongs to; empty when it belongs to none.
    pub(super) parent: String,
    /// Its whole header, for an answer to it.
    pub(super) header: Option<Header>,
    content: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
struct HeaderFields {
    #[serde(default)]
    msg_id: String,
    #[serde(default)]
    msg_type: String,
}

impl KernelMessage {
    /// Reads the four JSON texts of a message: header, parent header, metadata, content. `None` when they are
    /// malformed.
    pub(super) fn read(parts: &[impl AsRef<[u8]>]) -> Option<Self> {
        let [header, parent, _, content, ..] = parts else { return None };
        let named: HeaderFields = bai_protocol::json::from_slice(header.as_ref()).ok()?;
        let parent: HeaderFields = bai_protocol::json::from_slice(parent.as_ref()).unwrap_or_default();
        Some(KernelMessage {
            kind: named.msg_type,
            parent: parent.msg_id,
            header: bai_protocol::json::from_slice(header.as_ref()).ok(),
            content: bai_protocol::json::from_slice(content.as_ref()).ok()?,
        })
    }

    fn text(&self, key: &str) -> &str {
        self.content.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn is(&self, key: &str) -> bool {
        self.content.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let items = self.content.get(key).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    fn bundle(&self) -> Map<String, Value> {
        self.content.get("data").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Whether the kernel is `busy`, `idle` or something else.
    pub(super) fn state(&self) -> &str {
        self.text("execution_state")
    }

    /// Whether a reply reports success.
    pub(super) fn went_well(&self) -> bool {
        matches!(self.text("status"), "ok" | "")
    }

    /// Whether to clear output only when more arrives.
    pub(super) fn waits(&self) -> bool {
        self.is("wait")
    }

    /// The start of the completed text, and the suggestions.
    pub(super) fn completions(&self) -> (Option<usize>, Vec<String>) {
        let start = self.content.get("cursor_start").and_then(Value::as_u64);
        (start.and_then(|start| usize::try_from(start).ok()), self.texts("matches"))
    }

    /// The text of a question, and whether it asks for a password.
    pub(super) fn question(&self) -> (String, bool) {
        (self.text("prompt").to_owned(), self.is("password"))
    }

    /// The output in this message. `None` for a message without output.
    pub(super) fn output(&self) -> Option<ConsoleRecord> {
        match self.kind.as_str() {
            "stream" if self.text("name") == "stderr" => {
                Some(ConsoleRecord::Stderr(self.text("text").to_owned()))
            }
            "stream" => Some(ConsoleRecord::Stdout(self.text("text").to_owned())),
            "display_data" | "update_display_data" | "execute_result" => shown(self.bundle()),
            "error" => Some(ConsoleRecord::Stderr(self.traceback())),
            _ => None,
        }
    }

    /// The kernel's traceback, or else the error in one line.
    fn traceback(&self) -> String {
        let traceback = self.texts("traceback").join("\n");
        let (name, value) = (self.text("ename"), self.text("evalue"));
        let text = match (traceback.trim().is_empty(), name.is_empty()) {
            (false, _) => traceback,
            (true, true) => value.to_owned(),
            (true, false) => format!("{name}: {value}"),
        };
        format!("{}\n", text.trim_end())
    }

    /// The exit code of an error; `SystemExit` contains it.
    pub(super) fn exit_code(&self) -> i32 {
        match (self.text("ename"), self.text("evalue")) {
            ("SystemExit", "None" | "") => 0,
            ("SystemExit", value) => value.parse().unwrap_or(1),
            _ => 1,
        }
    }

    /// Text for a pager.
    pub(super) fn pages(&self) -> Vec<ConsoleRecord> {
        let payload = self.content.get("payload").and_then(Value::as_array).into_iter().flatten();
        let pages = payload.filter(|item| item.get("source").and_then(Value::as_str) == Some("page"));
        let texts = pages.filter_map(|page| page.get("data")?.get("text/plain")?.as_str());
        texts.map(|text| ConsoleRecord::Stdout(format!("{}\n", text.trim_end()))).collect()
    }

    /// The answer about a name, and whether the kernel knows it.
    pub(super) fn inspection(&self) -> (ConsoleRecord, bool) {
        let text = self.bundle().remove("text/plain").map(whole).unwrap_or_default();
        if self.is("found") && !text.trim().is_empty() {
            return (ConsoleRecord::Stdout(format!("{}\n", text.trim_end())), true);
        }
        (ConsoleRecord::Stderr("The kernel does not know this name.\n".to_owned()), false)
    }
}

/// The best representation for a terminal.
fn shown(bundle: Map<String, Value>) -> Option<ConsoleRecord> {
    let bundle = bundle.into_iter().map(|(kind, value)| {
        let is_data = kind.ends_with("json");
        (kind, if is_data { value } else { Value::String(whole(value)) })
    });
    Some(match bundle::best(bundle.collect())? {
        ConsoleRecord::Media { mime, data } => ConsoleRecord::Media { mime, data },
        ConsoleRecord::Html(html) => ConsoleRecord::Html(html),
        ConsoleRecord::Stdout(text) => ConsoleRecord::Stdout(text),
        _ => return None,
    })
}

/// A text that some kernels send as a list of lines.
fn whole(value: Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => bundle::text(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kernel_message(kind: &str, content: Value) -> KernelMessage {
        let header = json!({"msg_id": "1", "msg_type": kind});
        let parts = [header, json!({}), json!({}), content].map(|part| part.to_string());
        KernelMessage::read(&parts).unwrap()
    }

    #[test]
    fn incomplete_messages_are_read() {
        let info = kernel_message("kernel_info_reply", json!({}));
        assert_eq!(
            (info.kind.as_str(), info.parent.as_str(), info.went_well()),
            ("kernel_info_reply", "", true)
        );
        assert!(info.header.is_none(), "a header that cannot be answered");
        assert_eq!(kernel_message("stream", json!({})).output(), Some(ConsoleRecord::Stdout(String::new())));
        assert_eq!(
            kernel_message("complete_reply", json!({"matches": ["a", 1]})).completions(),
            (None, vec!["a".into()])
        );
        for parts in [vec!["{}"], vec!["{}", "{}", "{}", "[]"], vec!["", "{}", "{}", "{}"]] {
            assert!(KernelMessage::read(&parts).is_none(), "{parts:?}");
        }
    }

    #[test]
    fn output_becomes_records() {
        let stream = kernel_message("stream", json!({"name": "stderr", "text": "é"}));
        assert_eq!(stream.output(), Some(ConsoleRecord::Stderr("é".into())));
        let media =
            |mime: &str, data: &str| Some(ConsoleRecord::Media { mime: mime.into(), data: data.into() });
        for (data, reply) in [
            (
                json!({"image/png": "AA\nBB==\n", "text/plain": "x"}),
                media("image/png", "data:image/png;base64,AABB=="),
            ),
            (json!({"image/svg+xml": ["<svg>", "</svg>"]}), media("image/svg+xml", "<svg></svg>")),
            (json!({"text/html": "<b>", "text/plain": "x"}), Some(ConsoleRecord::Html("<b>".into()))),
            (json!({"text/latex": "$x$", "text/plain": "<M object>"}), media("text/latex", "$x$")),
            (json!({"application/json": {"a": 1}}), media("application/json", r#"{"a":1}"#)),
            (json!({"text/plain": "42"}), Some(ConsoleRecord::Stdout("42\n".into()))),
            (json!({}), None),
        ] {
            assert_eq!(kernel_message("display_data", json!({"data": data})).output(), reply, "{data}");
        }
        assert_eq!(kernel_message("comm_open", json!({"data": {"text/plain": "x"}})).output(), None);
    }

    #[test]
    fn errors_have_their_traceback_and_their_exit_code() {
        let error = |name: &str, value: &str, traceback: &[&str]| {
            kernel_message("error", json!({"ename": name, "evalue": value, "traceback": traceback}))
        };
        assert_eq!(error("E", "v", &["a", "b\n"]).traceback(), "a\nb\n");
        assert_eq!(error("E", "v", &[]).traceback(), "E: v\n");
        assert_eq!(error("ValueError", "3", &[]).exit_code(), 1);
        for (value, code) in [("3", 3), ("None", 0), ("out of luck", 1)] {
            assert_eq!(error("SystemExit", value, &[]).exit_code(), code);
        }
    }
}

//! The messages of a Jupyter kernel, translated to console records and other results. Kernels leave out different
//! fields, so only the used fields are required. This module does no I/O.

use bai_protocol::bundle;
use bai_protocol::record::ConsoleRecord;
use jupyter_protocol::Header;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::PathBuf;

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

/// What the reply to a cell asks of the client.
#[derive(Debug, PartialEq)]
pub(super) enum Payload {
    /// Text for a pager.
    Page(String),
    /// Text for the next prompt.
    NextInput {
        text: String,
        /// It takes the place of the cell.
        replace: bool,
    },
    /// A file for an editor.
    Edit(PathBuf),
    /// The client is to end.
    Leave,
}

impl Payload {
    fn read(item: &Value) -> Option<Self> {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(match item.get("source")?.as_str()? {
            "page" => {
                Payload::Page(format!("{}\n", item.get("data")?.get("text/plain")?.as_str()?.trim_end()))
            }
            "set_next_input" => Payload::NextInput {
                text: text("text")?,
                replace: item.get("replace").and_then(Value::as_bool).unwrap_or(false),
            },
            "edit_magic" => Payload::Edit(text("filename")?.into()),
            "ask_exit" => Payload::Leave,
            _ => return None,
        })
    }
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

    fn object(&self, key: &str) -> Map<String, Value> {
        self.content.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The content of the message.
    pub(super) fn content(&self) -> &Map<String, Value> {
        &self.content
    }

    /// The bundle of representations that this message displays.
    pub(super) fn displayed(&self) -> Option<&Map<String, Value>> {
        let displays = matches!(self.kind.as_str(), "display_data" | "execute_result");
        self.content.get("data").filter(|_| displays).and_then(Value::as_object)
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
            "display_data" | "update_display_data" | "execute_result" => bundle::displayed(
                whole_texts(self.object("data")),
                &self.object("metadata"),
                &self.object("transient"),
                self.kind == "update_display_data",
            ),
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

    /// What a reply asks of the client.
    pub(super) fn payloads(&self) -> Vec<Payload> {
        let payloads = self.content.get("payload").and_then(Value::as_array).into_iter().flatten();
        payloads.filter_map(Payload::read).collect()
    }

    /// The answer about a name, and whether the kernel knows it.
    pub(super) fn inspection(&self) -> (ConsoleRecord, bool) {
        let text = self.object("data").remove("text/plain").map(whole).unwrap_or_default();
        if self.is("found") && !text.trim().is_empty() {
            return (ConsoleRecord::Stdout(format!("{}\n", text.trim_end())), true);
        }
        (ConsoleRecord::Stderr("The kernel does not know this name.\n".to_owned()), false)
    }
}

/// A bundle whose texts are whole.
fn whole_texts(bundle: Map<String, Value>) -> Map<String, Value> {
    let texts = bundle.into_iter().map(|(kind, value)| {
        let is_data = kind.ends_with("json") || value.is_null();
        (kind, if is_data { value } else { Value::String(whole(value)) })
    });
    texts.collect()
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
    fn a_display_has_its_id_and_its_size() {
        let content = json!({"data": {"image/png": "AA=="}, "metadata": {"image/png": {"width": 8}}, "transient": {"display_id": "d"}});
        let record = |kind| kernel_message(kind, content.clone()).output().unwrap().to_wire();
        let png = json!(["media", ["image/png", "data:image/png;base64,AA=="]]);
        let display = |update| json!(["display", {"id": "d", "update": update, "width": 8, "record": png}]);
        assert_eq!(record("display_data"), display(false));
        assert_eq!(record("update_display_data"), display(true));
    }

    #[test]
    fn replies_ask_for_what_a_prompt_can_do() {
        let payload = json!([
            {"source": "page", "data": {"text/plain": "doc\n\n"}, "start": 0},
            {"source": "set_next_input", "text": "x = 1", "replace": true},
            {"source": "set_next_input", "text": "y"},
            {"source": "edit_magic", "filename": "/tmp/x.py", "line_number": 0},
            {"source": "ask_exit", "keepkernel": false},
            {"source": "dance"}, {"source": 3}, 4, {"source": "set_next_input"},
        ]);
        let reply = kernel_message("execute_reply", json!({"payload": payload}));
        let next = |text: &str, replace| Payload::NextInput { text: text.into(), replace };
        let asked = [
            Payload::Page("doc\n".into()),
            next("x = 1", true),
            next("y", false),
            Payload::Edit("/tmp/x.py".into()),
            Payload::Leave,
        ];
        assert_eq!(reply.payloads(), asked);
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

//! Console records (`docs/wire` §3.3, §5.1): the output of a program, as `[type, payload]` on the wire.

use super::execute::WantedKeys;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

mod display;

pub use display::{Display, PictureSize};

/// One record. Its text is untrusted, since the remote program wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsoleRecord {
    /// Text of standard output.
    Stdout(String),
    /// Text of standard error; also tracebacks, and log lines of the runner.
    Stderr(String),
    /// A picture or another medium, in the encoding of `docs/wire` §5.1.
    Media {
        /// MIME type, such as `image/png`.
        mime: String,
        /// `data:` URI for raster images, XML for SVG, base64 or JSON for others.
        data: String,
    },
    /// Raw HTML.
    Html(String),
    /// A log record. No known runner sends one.
    Log(String),
    /// A value that was displayed, and may be displayed anew in its place. Only for clients that ask for
    /// [`crate::capability::Capability::LiveOutput`], as the next three.
    Display(Display),
    /// The output of the cell so far is to be removed from the screen.
    Clear {
        /// Whether it stays until more output comes.
        wait: bool,
    },
    /// Text for the next prompt of the user.
    NextInput {
        /// The text.
        text: String,
        /// Whether it takes the place of the cell that asked for it.
        replace: bool,
    },
    /// The program asks the user's prompt to end.
    Leave,
    /// A script asks for a secret at the terminal of its client, beside its input. Only for a client that has said that it has one
    /// ([`crate::execute::Script::tty`]); the answer is a request of its own.
    AskSecret {
        /// What is shown there before the answer.
        prompt: String,
    },
    /// The terminal of a script's or a program's own has changed. Only for a client that has asked for one
    /// ([`crate::execute::Script::pty`], [`crate::execute::IncomingExecute::pty`]).
    Terminal(TerminalChange),
    /// A record of an unknown type, with its payload as JSON.
    Unknown {
        /// The type's name.
        kind: String,
        /// The payload.
        payload: Value,
    },
}

/// What happens to the terminal of a script, or of a program that a cell has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalChange {
    /// The script or the program begins, and has it: standard output from here on is what the terminal gives, and the input what
    /// is typed.
    Open,
    /// It has stopped, as Ctrl-Z makes it. [`crate::signal::RunSignal::Continue`] lets it go on. A script without a
    /// terminal is stopped by [`crate::signal::RunSignal::Suspend`] alone.
    Stopped,
    /// What the terminal of a script gives whose standard output is a pipe ([`crate::execute::Piped`]).
    Output(String),
    /// The keys that such a script with [`crate::execute::Script::piped`] wants from here on: one piece of what is typed is asked for.
    Keys(WantedKeys),
    /// The program of a cell has ended, and the cell goes on without a terminal.
    Closed {
        /// How many pieces of input this run has taken so far. A piece beyond them has reached no program.
        taken: u64,
        /// What was typed for the program, and not read by it. The next program of the run reads it first, if there is one.
        unread: String,
    },
}

/// What a record that has no text counts for, so that a queue of them has an end.
const SMALL: usize = 32;

impl ConsoleRecord {
    /// Bytes of payload, about.
    pub fn size(&self) -> usize {
        match self {
            ConsoleRecord::Stdout(text)
            | ConsoleRecord::Stderr(text)
            | ConsoleRecord::Html(text)
            | ConsoleRecord::Log(text) => text.len(),
            ConsoleRecord::Media { mime, data } => mime.len() + data.len(),
            ConsoleRecord::Display(display) => SMALL + display.record.size(),
            ConsoleRecord::NextInput { text, .. } | ConsoleRecord::AskSecret { prompt: text } => {
                SMALL + text.len()
            }
            ConsoleRecord::Terminal(
                TerminalChange::Closed { unread: text, .. } | TerminalChange::Output(text),
            ) => SMALL + text.len(),
            ConsoleRecord::Clear { .. } | ConsoleRecord::Leave | ConsoleRecord::Terminal(_) => SMALL,
            ConsoleRecord::Unknown { payload, .. } => payload.to_string().len(),
        }
    }

    /// The record for a client that does not ask for [`crate::capability::Capability::LiveOutput`]: a display is its record,
    /// and so is an update of it. `None` for what such a client does not get.
    pub fn plain(self) -> Option<Self> {
        match self {
            ConsoleRecord::Display(display) => display.record.plain(),
            ConsoleRecord::Clear { .. } | ConsoleRecord::NextInput { .. } | ConsoleRecord::Leave => None,
            other => Some(other),
        }
    }

    /// Whether this is text of standard output or standard error, and empty.
    pub fn is_empty_text(&self) -> bool {
        matches!(self, ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) if text.is_empty())
    }

    /// The text of standard output or standard error, also that of a display.
    pub fn text(&self) -> Option<&str> {
        match self {
            ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) => Some(text),
            ConsoleRecord::Display(display) => display.record.text(),
            _ => None,
        }
    }

    /// Joins `next` to this record, if both are text of one stream and the text stays within `limit` bytes.
    ///
    /// # Errors
    /// Returns `next` if it cannot be joined.
    pub fn append(&mut self, next: Self, limit: usize) -> Result<(), Self> {
        match (self, next) {
            (ConsoleRecord::Stdout(text), ConsoleRecord::Stdout(more))
            | (ConsoleRecord::Stderr(text), ConsoleRecord::Stderr(more))
                if text.len() + more.len() <= limit =>
            {
                text.push_str(&more);
                Ok(())
            }
            (_, next) => Err(next),
        }
    }

    /// The record with another text, if it is text of standard output or standard error, or a display of such text.
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            ConsoleRecord::Stdout(text) => ConsoleRecord::Stdout(change(text)),
            ConsoleRecord::Stderr(text) => ConsoleRecord::Stderr(change(text)),
            ConsoleRecord::Terminal(TerminalChange::Output(text)) => {
                ConsoleRecord::Terminal(TerminalChange::Output(change(text)))
            }
            ConsoleRecord::Display(mut display) => {
                if let ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) = &mut *display.record {
                    *text = change(std::mem::take(text));
                }
                ConsoleRecord::Display(display)
            }
            other => other,
        }
    }

    /// The record's form on the wire.
    pub fn to_wire(&self) -> Value {
        match self {
            ConsoleRecord::Stdout(text) => json!(["stdout", text]),
            ConsoleRecord::Stderr(text) => json!(["stderr", text]),
            ConsoleRecord::Media { mime, data } => json!(["media", [mime, data]]),
            ConsoleRecord::Html(text) => json!(["html", text]),
            ConsoleRecord::Log(text) => json!(["log", text]),
            ConsoleRecord::Display(display) => json!(["display", display]),
            ConsoleRecord::Clear { wait } => json!(["clear", {"wait": wait}]),
            ConsoleRecord::NextInput { text, replace } => {
                json!(["next-input", {"text": text, "replace": replace}])
            }
            ConsoleRecord::Leave => json!(["leave", null]),
            ConsoleRecord::AskSecret { prompt } => json!(["ask-secret", {"prompt": prompt}]),
            ConsoleRecord::Terminal(TerminalChange::Open) => json!(["terminal", "open"]),
            ConsoleRecord::Terminal(TerminalChange::Stopped) => json!(["terminal", "stopped"]),
            ConsoleRecord::Terminal(TerminalChange::Output(text)) => json!(["terminal", {"output": text}]),
            ConsoleRecord::Terminal(TerminalChange::Keys(wanted)) => json!(["terminal", {"keys": wanted}]),
            ConsoleRecord::Terminal(TerminalChange::Closed { taken, unread }) => {
                json!(["terminal", {"closed": taken, "unread": unread}])
            }
            ConsoleRecord::Unknown { kind, payload } => json!([kind, payload]),
        }
    }

    /// Reads a record. `None` when the value is not a `[type, payload]` pair.
    pub fn from_wire(value: Value) -> Option<Self> {
        let Value::Array(items) = value else { return None };
        let mut items = items.into_iter();
        let Some(Value::String(kind)) = items.next() else { return None };
        let payload = items.next().unwrap_or(Value::Null);
        Some(match kind.as_str() {
            "stdout" => ConsoleRecord::Stdout(text(payload)),
            "stderr" => ConsoleRecord::Stderr(text(payload)),
            "html" => ConsoleRecord::Html(text(payload)),
            "log" => ConsoleRecord::Log(text(payload)),
            "media" => media(payload),
            "display" => match Display::from_wire(payload) {
                Ok(display) => ConsoleRecord::Display(display),
                Err(payload) => ConsoleRecord::Unknown { kind, payload },
            },
            "clear" => ConsoleRecord::Clear { wait: flag(&payload, "wait") },
            "next-input" => {
                ConsoleRecord::NextInput { text: field(&payload, "text"), replace: flag(&payload, "replace") }
            }
            "leave" => ConsoleRecord::Leave,
            "ask-secret" => ConsoleRecord::AskSecret { prompt: field(&payload, "prompt") },
            "terminal" if payload == "open" => ConsoleRecord::Terminal(TerminalChange::Open),
            "terminal" if payload == "stopped" => ConsoleRecord::Terminal(TerminalChange::Stopped),
            "terminal" if let Some(taken) = payload.get("closed").and_then(Value::as_u64) => {
                let unread = field(&payload, "unread");
                ConsoleRecord::Terminal(TerminalChange::Closed { taken, unread })
            }
            "terminal" if payload.get("output").is_some() => {
                ConsoleRecord::Terminal(TerminalChange::Output(field(&payload, "output")))
            }
            "terminal" if let Some(Ok(wanted)) = payload.get("keys").map(WantedKeys::deserialize) => {
                ConsoleRecord::Terminal(TerminalChange::Keys(wanted))
            }
            _ => ConsoleRecord::Unknown { kind, payload },
        })
    }

    /// Cuts a text after `at` bytes, or at the next end of a character, and returns the rest. `None` when there is no rest,
    /// or when this is not text of standard output or standard error.
    pub fn split_off(&mut self, at: usize) -> Option<Self> {
        let (text, kind): (_, fn(String) -> Self) = match self {
            ConsoleRecord::Stdout(text) => (text, ConsoleRecord::Stdout),
            ConsoleRecord::Stderr(text) => (text, ConsoleRecord::Stderr),
            _ => return None,
        };
        if text.len() <= at {
            return None;
        }
        let cut = (at..text.len()).find(|&at| text.is_char_boundary(at))?;
        Some(kind(text.split_off(cut)))
    }
}

/// Media came in three shapes: `[mime, data]`, `{"type", "data"}`, and, from runners that get it wrong, bare HTML
/// (`docs/wire` §5.1 and §10, rows 8 and 11).
fn media(payload: Value) -> ConsoleRecord {
    match payload {
        Value::Array(items) => {
            let mut items = items.into_iter();
            let mime = text(items.next().unwrap_or(Value::Null));
            ConsoleRecord::Media { mime, data: text(items.next().unwrap_or(Value::Null)) }
        }
        Value::Object(mut map) if map.contains_key("data") => {
            let mime = text(map.remove("type").unwrap_or(Value::Null));
            ConsoleRecord::Media { mime, data: text(map.remove("data").unwrap_or(Value::Null)) }
        }
        Value::String(body) => match serde_json::from_str(&body) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => media(inner),
            _ if body.trim_start().starts_with('<') => ConsoleRecord::Html(body),
            _ => ConsoleRecord::Unknown { kind: "media".into(), payload: Value::String(body) },
        },
        payload => ConsoleRecord::Unknown { kind: "media".into(), payload },
    }
}

/// A text of an object; empty if it is missing.
fn field(payload: &Value, name: &str) -> String {
    payload.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A flag of an object; false if it is missing.
fn flag(payload: &Value, name: &str) -> bool {
    payload.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A string unchanged, null as an empty string, and everything else as its JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

impl Serialize for ConsoleRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ConsoleRecord::Stdout(text) => ("stdout", text).serialize(serializer),
            ConsoleRecord::Stderr(text) => ("stderr", text).serialize(serializer),
            ConsoleRecord::Media { mime, data } => ("media", (mime, data)).serialize(serializer),
            ConsoleRecord::Html(text) => ("html", text).serialize(serializer),
            ConsoleRecord::Log(text) => ("log", text).serialize(serializer),
            ConsoleRecord::Display(display) => ("display", display).serialize(serializer),
            ConsoleRecord::Clear { .. }
            | ConsoleRecord::NextInput { .. }
            | ConsoleRecord::Leave
            | ConsoleRecord::AskSecret { .. }
            | ConsoleRecord::Terminal(_) => self.to_wire().serialize(serializer),
            ConsoleRecord::Unknown { kind, payload } => (kind, payload).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ConsoleRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        ConsoleRecord::from_wire(value).ok_or_else(|| serde::de::Error::custom("not a console record"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> ConsoleRecord {
        ConsoleRecord::from_wire(value).unwrap()
    }

    fn png() -> ConsoleRecord {
        ConsoleRecord::Media { mime: "image/png".into(), data: "data:image/png;base64,AA==".into() }
    }

    #[test]
    fn media_are_read_in_every_format() {
        assert_eq!(read(json!(["media", ["image/png", "data:image/png;base64,AA=="]])), png());
        assert_eq!(
            read(json!(["media", {"type": "image/png", "data": "data:image/png;base64,AA=="}])),
            png()
        );
        let as_text = r#"{"type": "image/png", "data": "data:image/png;base64,AA=="}"#;
        assert_eq!(read(json!(["media", as_text])), png());
        let svg = ConsoleRecord::Media { mime: "image/svg+xml".into(), data: "<svg/>".into() };
        assert_eq!(read(json!(["media", ["image/svg+xml", "<svg/>"]])), svg);
        assert_eq!(read(json!(["media", "<table></table>"])), ConsoleRecord::Html("<table></table>".into()));
        assert!(matches!(read(json!(["media", "{broken"])), ConsoleRecord::Unknown { .. }));
        assert!(matches!(read(json!(["media", null])), ConsoleRecord::Unknown { .. }));
        let commits = ConsoleRecord::Media {
            mime: "application/vnd.sorna.gitgraph".into(),
            data: r#"[{"oid":"1"}]"#.into(),
        };
        assert_eq!(read(json!(["media", ["application/vnd.sorna.gitgraph", [{"oid": "1"}]]])), commits);
    }

    #[test]
    fn unknown_types_are_kept_and_unusual_payloads_are_text() {
        assert!(
            matches!(read(json!(["hologram", 3])), ConsoleRecord::Unknown { kind, .. } if kind == "hologram")
        );
        assert_eq!(read(json!(["stdout", null])), ConsoleRecord::Stdout(String::new()));
        assert_eq!(read(json!(["stdout"])), ConsoleRecord::Stdout(String::new()));
        assert_eq!(read(json!(["stderr", 12])), ConsoleRecord::Stderr("12".into()));
        assert_eq!(read(json!(["log", ["INFO", "a"]])), ConsoleRecord::Log(r#"["INFO","a"]"#.into()));
        for nothing in [json!(null), json!([]), json!([1, 2]), json!("stdout"), json!({"stdout": "x"})] {
            assert_eq!(ConsoleRecord::from_wire(nothing), None);
        }
    }

    #[test]
    fn text_of_one_stream_is_joined_up_to_a_limit() {
        let out = |text: &str| ConsoleRecord::Stdout(text.into());
        let mut record = out("ab");
        assert_eq!(record.append(out("c"), 3), Ok(()));
        assert_eq!(record.append(out("d"), 3), Err(out("d")));
        let other = ConsoleRecord::Stderr("d".into());
        assert_eq!(record.append(other.clone(), 9), Err(other));
        assert_eq!((record.size(), png().size(), record), (3, 35, out("abc")));
        assert!(out("").is_empty_text() && !ConsoleRecord::Html(String::new()).is_empty_text());
    }

    #[test]
    fn a_client_that_does_not_watch_gets_the_record_of_a_display() {
        let plain = |value| read(value).plain();
        let display = json!(["display", {"id": null, "update": false, "record": ["html", "<b>"]}]);
        assert_eq!(plain(display), Some(ConsoleRecord::Html("<b>".into())));
        let inner = json!(["display", {"record": ["stdout", "x"]}]);
        assert_eq!(
            plain(json!(["display", {"id": "a", "record": inner}])),
            Some(ConsoleRecord::Stdout("x".into()))
        );
        for ours in [
            json!(["clear", {"wait": true}]),
            json!(["clear", null]),
            json!(["leave", null]),
            json!(["next-input", 3]),
        ] {
            assert_eq!(plain(ours), None);
        }
        assert!(matches!(read(json!(["display", {"id": "a"}])), ConsoleRecord::Unknown { .. }));
    }

    #[test]
    fn records_are_read_back_as_they_were_written() {
        let records = [
            ConsoleRecord::Stdout("ä\u{1b}[0m".into()),
            ConsoleRecord::Stderr("x".into()),
            png(),
            ConsoleRecord::Html("<b>".into()),
            ConsoleRecord::Log("l".into()),
            ConsoleRecord::Unknown { kind: "new".into(), payload: json!({"a": [1]}) },
            ConsoleRecord::Display(Display {
                id: Some("bar".into()),
                update: true,
                size: PictureSize { width: Some(80), height: None },
                record: Box::new(png()),
            }),
            ConsoleRecord::Clear { wait: true },
            ConsoleRecord::NextInput { text: "x = 1\n".into(), replace: true },
            ConsoleRecord::Leave,
            ConsoleRecord::AskSecret { prompt: "pin? ".into() },
            ConsoleRecord::Terminal(TerminalChange::Open),
            ConsoleRecord::Terminal(TerminalChange::Stopped),
            ConsoleRecord::Terminal(TerminalChange::Output("x\u{1b}[0m".into())),
            ConsoleRecord::Terminal(TerminalChange::Keys(WantedKeys::Lines)),
            ConsoleRecord::Terminal(TerminalChange::Closed { taken: 2, unread: "a\r".into() }),
        ];
        for record in records {
            assert_eq!(serde_json::to_value(&record).unwrap(), record.to_wire());
            assert_eq!(read(record.to_wire()), record);
        }
    }
}

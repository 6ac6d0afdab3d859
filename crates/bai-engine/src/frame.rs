//! Writes deliveries as JSON, or text as it is, straight from the pieces. Neighbouring texts of one stream become one record. What a client
//! asks for decides how.

use super::buffer::OutputItem;
use super::run::{Delivery, End, Outcome};
use bai_protocol::binary_frame::{OutputWriter, Stream};
use bai_protocol::byte_text;
use bai_protocol::execute::{IncomingExecute, RunStatus};
use bai_protocol::record::ConsoleRecord;
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;

/// What a client asks for beyond the common API (`docs/wire` §13.4).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// Output that is not UTF-8 byte for byte. Others get U+FFFD.
    pub(super) bytes: bool,
    /// The records for a client that watches. Others get what [`ConsoleRecord::plain`] leaves of them.
    pub(super) live: bool,
    /// Text in binary frames, over a WebSocket whose frames are numbered.
    pub(super) binary: bool,
}

impl Wanted {
    /// What a request asks for.
    pub(super) fn of(request: &IncomingExecute) -> Self {
        Wanted {
            bytes: request.bytes,
            live: request.live,
            binary: request.binary && request.received.is_some(),
        }
    }
}

/// A frame of the execute WebSocket (`docs/wire` §3.10).
pub(super) fn frame(delivery: &Delivery, wanted: Wanted) -> String {
    text(delivery, &Result { delivery, wanted, run_id: None })
}

/// A frame that only says what was printed, for a client that takes it as it is (`docs/wire` §13.3).
pub(super) fn output(delivery: &Delivery, wanted: Wanted) -> Option<Vec<u8>> {
    let number =
        delivery.number.filter(|_| wanted.binary && matches!(delivery.outcome, Outcome::Continued))?;
    let mut frame = OutputWriter::new(number, delivery.items.iter().map(OutputItem::size).sum());
    for item in delivery.items.iter() {
        let (stream, text) = match item {
            OutputItem::Console(ConsoleRecord::Stdout(text)) => (Stream::Stdout, text),
            OutputItem::Console(ConsoleRecord::Stderr(text)) => (Stream::Stderr, text),
            _ => return None,
        };
        frame.push(stream, &byte_text::bytes(text));
    }
    Some(frame.finish())
}

/// The body of a reply to an execute call (`docs/wire` §3.2).
pub(super) fn reply(delivery: &Delivery, wanted: Wanted, run_id: &str) -> String {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        result: Result<'a>,
    }
    text(delivery, &Body { result: Result { delivery, wanted, run_id: Some(run_id) } })
}

/// A frame that only says that the run continues.
pub(super) fn empty_frame() -> String {
    json!({"status": RunStatus::Continued, "console": [], "exitCode": null, "options": null, "files": []})
        .to_string()
}

/// The last frame of a run that ended with an error.
pub(super) fn error_frame(status: RunStatus, msg: &str) -> String {
    json!({"status": status, "msg": msg}).to_string()
}

/// Room for the fields around the console and for some escapes.
const ROOM: usize = 4096;

fn text<T: Serialize>(delivery: &Delivery, value: &T) -> String {
    let bytes: usize = delivery.items.iter().map(OutputItem::size).sum();
    let mut text = Vec::with_capacity(bytes + bytes / 32 + ROOM);
    // Strings, numbers and lists can always be written as JSON.
    let _ = serde_json::to_writer(&mut text, value);
    String::from_utf8(text).unwrap_or_default()
}

struct Result<'a> {
    delivery: &'a Delivery,
    wanted: Wanted,
    run_id: Option<&'a str>,
}

impl Serialize for Result<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (status, exit_code) = match &self.delivery.outcome {
            Outcome::Continued | Outcome::Withdrawn => (RunStatus::Continued, None),
            Outcome::Waiting { .. } => (RunStatus::WaitingInput, None),
            Outcome::Step { status, exit_code } => (status.clone(), Some(*exit_code)),
            Outcome::Ended(End::Finished(exit_code)) => (RunStatus::Finished, Some(*exit_code)),
            Outcome::Ended(End::Destroyed(_)) => (RunStatus::Error, None),
            Outcome::Ended(End::Shutdown) => (RunStatus::ServerRestarting, None),
        };
        let options = match self.delivery.outcome {
            Outcome::Waiting { is_password, question } if self.delivery.counts() => {
                Some(json!({"is_password": is_password, "question": question}))
            }
            Outcome::Waiting { is_password, .. } => Some(json!({"is_password": is_password})),
            _ => None,
        };
        let mut out = serializer.serialize_struct("result", 8)?;
        out.serialize_field("status", &status)?;
        if let Some(id) = self.run_id {
            out.serialize_field("runId", id)?;
        }
        out.serialize_field("console", &Console { items: &self.delivery.items, wanted: self.wanted })?;
        out.serialize_field("exitCode", &exit_code)?;
        out.serialize_field("options", &options)?;
        out.serialize_field::<[(); 0]>("files", &[])?;
        if let Some(OutputItem::Began(id)) = self.delivery.items.last() {
            out.serialize_field("began", id.as_str())?;
        }
        if let Some(number) = self.delivery.number {
            out.serialize_field("seq", &number)?;
        }
        out.end()
    }
}

/// The console of a reply: neighbours of one stream become one record.
struct Console<'a> {
    items: &'a [OutputItem],
    wanted: Wanted,
}

impl Serialize for Console<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut rest = self.items;
        while let [first, ..] = rest {
            let same = rest
                .iter()
                .take_while(|item| stream(item).is_some() && stream(item) == stream(first))
                .count();
            let (these, others) = rest.split_at(same.max(1));
            rest = others;
            match (stream(first), first) {
                (Some(name), _) => {
                    list.serialize_element(&(name, Joined { items: these, bytes: self.wanted.bytes }))?
                }
                (None, OutputItem::Console(record)) => {
                    if let Some(record) = other_record(record, self.wanted) {
                        list.serialize_element(&*record)?;
                    }
                }
                (None, OutputItem::Step { .. } | OutputItem::Began(_)) => {}
            }
        }
        list.end()
    }
}

/// A record that is no text, as the client wants it.
fn other_record(record: &ConsoleRecord, wanted: Wanted) -> Option<Cow<'_, ConsoleRecord>> {
    let ours = match record {
        ConsoleRecord::Display(_)
        | ConsoleRecord::Clear { .. }
        | ConsoleRecord::NextInput { .. }
        | ConsoleRecord::Leave
        | ConsoleRecord::AskSecret { .. }
        | ConsoleRecord::Terminal(_) => record.clone(),
        _ => return Some(Cow::Borrowed(record)),
    };
    let ours = if wanted.live { ours } else { ours.plain()? };
    Some(Cow::Owned(if wanted.bytes {
        ours
    } else {
        ours.map_text(|text| byte_text::replaced(&text).into_owned())
    }))
}

/// The stream that an item is text of.
fn stream(item: &OutputItem) -> Option<&'static str> {
    match item {
        OutputItem::Console(ConsoleRecord::Stdout(_)) => Some("stdout"),
        OutputItem::Console(ConsoleRecord::Stderr(_)) => Some("stderr"),
        _ => None,
    }
}

/// Pieces of text that are one string on the wire, never joined in memory.
struct Joined<'a> {
    items: &'a [OutputItem],
    bytes: bool,
}

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.iter().try_for_each(|item| match item {
            OutputItem::Console(ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text)) => {
                f.write_str(&if self.bytes { text.into() } else { byte_text::replaced(text) })
            }
            _ => Ok(()),
        })
    }
}

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.items {
            [OutputItem::Console(ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text))]
                if self.bytes || byte_text::is_utf8(text) =>
            {
                serializer.serialize_str(text)
            }
            _ => serializer.collect_str(self),
        }
    }
}

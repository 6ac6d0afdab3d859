//! Terminals over a WebSocket: the frames of the `pty` stream (`docs/wire` §7.1) and of ttyd (§7.5). Only the encoding is
//! here; the caller transports the bytes.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Writes padding, and reads base64 with and without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How far each side of the engine's `pty` stream may be ahead of what the other side has acknowledged, in bytes before base64.
/// The echo of a key arrives after the bytes that are on their way.
pub const WINDOW: u64 = 64 * 1024;

/// A frame that breaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a terminal frame that is not what was agreed: {0}")]
pub struct BadFrame(String);

/// A frame of a client on the `pty` stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PtyRequest {
    /// Typed bytes.
    Stdin(Bytes),
    /// The window's size in cells.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Keeps the session from being idle.
    Ping,
    /// Start a new shell.
    Restart,
    /// The total number of output bytes that the client has received over this connection. Sent only to a server that
    /// sends it too. From the first one on, the server stays within [`WINDOW`] of this number.
    Received(u64),
    /// An unknown type of frame. To be ignored.
    Unknown(String),
}

/// A frame of a server on the `pty` stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PtyReply {
    /// Terminal output, cut anywhere.
    Output(Bytes),
    /// A failure, in the server's words.
    Error(String),
    /// The shell has ended, with its exit code if known. The last frame; only from the engine of bai-repl.
    Exit(Option<i32>),
    /// The total number of typed bytes that the server has received over this connection; only from the engine of
    /// bai-repl. It sends 0 first to announce that it counts. From then on the client stays within [`WINDOW`] of this
    /// number.
    Received(u64),
    /// An unknown type of frame. To be ignored.
    Unknown(String),
}

#[derive(Serialize, Deserialize, Default)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    chars: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "columns")]
    cols: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl PtyRequest {
    /// The text of the frame.
    pub fn to_text(&self) -> String {
        match self {
            PtyRequest::Stdin(bytes) => with_base64("stdin", "chars", bytes),
            PtyRequest::Resize { rows, columns } => {
                format!(r#"{{"type":"resize","rows":{rows},"cols":{columns}}}"#)
            }
            PtyRequest::Ping => r#"{"type":"ping"}"#.to_owned(),
            PtyRequest::Restart => r#"{"type":"restart"}"#.to_owned(),
            PtyRequest::Received(bytes) => received(*bytes),
            PtyRequest::Unknown(kind) => text_of(&Wire { kind: kind.as_str().into(), ..Wire::default() }),
        }
    }

    /// Reads a frame, text or binary.
    ///
    /// # Errors
    /// JSON of another shape, or `chars` that is not base64.
    pub fn parse(frame: &[u8]) -> Result<Self, BadFrame> {
        let wire = parse(frame)?;
        Ok(match wire.kind.as_ref() {
            "stdin" => PtyRequest::Stdin(decode(wire.chars.as_deref().unwrap_or_default())?),
            "resize" => PtyRequest::Resize { rows: cells(wire.rows)?, columns: cells(wire.cols)? },
            "ping" => PtyRequest::Ping,
            "restart" => PtyRequest::Restart,
            RECEIVED => PtyRequest::Received(wire.bytes.unwrap_or_default()),
            other => PtyRequest::Unknown(other.chars().take(40).collect()),
        })
    }
}

impl PtyReply {
    /// The text of the frame.
    pub fn to_text(&self) -> String {
        match self {
            PtyReply::Output(bytes) => with_base64("out", "data", bytes),
            PtyReply::Error(message) => text_of(&Wire {
                kind: "error".into(),
                data: Some(message.as_str().into()),
                ..Wire::default()
            }),
            PtyReply::Exit(code) => text_of(&Wire { kind: "exit".into(), code: *code, ..Wire::default() }),
            PtyReply::Received(bytes) => received(*bytes),
            PtyReply::Unknown(kind) => text_of(&Wire { kind: kind.as_str().into(), ..Wire::default() }),
        }
    }

    /// Reads a frame, text or binary: genuine servers changed from one to the other.
    ///
    /// # Errors
    /// JSON of another shape, or `data` that is not base64.
    pub fn parse(frame: &[u8]) -> Result<Self, BadFrame> {
        let wire = parse(frame)?;
        Ok(match wire.kind.as_ref() {
            "out" => PtyReply::Output(decode(wire.data.as_deref().unwrap_or_default())?),
            "error" => PtyReply::Error(wire.data.unwrap_or_default().into_owned()),
            "exit" => PtyReply::Exit(wire.code),
            RECEIVED => PtyReply::Received(wire.bytes.unwrap_or_default()),
            other => PtyReply::Unknown(other.chars().take(40).collect()),
        })
    }
}

const RECEIVED: &str = "received";

fn received(bytes: u64) -> String {
    text_of(&Wire { kind: RECEIVED.into(), bytes: Some(bytes), ..Wire::default() })
}

fn parse(frame: &[u8]) -> Result<Wire<'_>, BadFrame> {
    serde_json::from_slice(frame).map_err(|error| BadFrame(error.to_string()))
}

fn text_of(wire: &Wire<'_>) -> String {
    // It has only strings and numbers, which JSON can always represent.
    serde_json::to_string(wire).unwrap_or_default()
}

/// Makes the same JSON as `text_of`, without a second copy of data that may be megabytes.
fn with_base64(kind: &str, key: &str, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 40);
    text.push_str(r#"{"type":""#);
    text.push_str(kind);
    text.push_str(r#"",""#);
    text.push_str(key);
    text.push_str(r#"":""#);
    BASE64.encode_string(bytes, &mut text);
    text.push_str(r#""}"#);
    text
}

/// Decodes base64. It skips line breaks, which MIME encoders insert.
fn decode(text: &str) -> Result<Bytes, BadFrame> {
    let bad = |error: base64::DecodeError| BadFrame(error.to_string());
    if !text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return BASE64.decode(text).map(Bytes::from).map_err(bad);
    }
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(text).map(Bytes::from).map_err(bad)
}

/// A number of cells, kept between 1 and what fits.
fn cells(number: Option<f64>) -> Result<u16, BadFrame> {
    let number = number.ok_or_else(|| BadFrame("a size without rows or columns".into()))?;
    // `as` saturates, as intended.
    Ok((number as u16).max(1))
}

/// The sub-protocol that a WebSocket to ttyd must ask for; without it ttyd never answers.
pub const TTYD_SUBPROTOCOL: &str = "tty";

/// A message of a client to ttyd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtydRequest<'a> {
    /// The first message: token from `/token` (empty where there is none) and size in cells.
    Hello {
        /// Token.
        token: &'a str,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Typed bytes.
    Input(&'a [u8]),
    /// The window's size in cells.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Stop the output until [`TtydRequest::Resume`].
    Pause,
    /// Continue the output.
    Resume,
}

impl TtydRequest<'_> {
    /// The payload of the binary message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            TtydRequest::Hello { token, rows, columns } => {
                let hello = serde_json::json!({"AuthToken": token, "columns": columns, "rows": rows});
                Bytes::from(hello.to_string())
            }
            TtydRequest::Input(input) => {
                let mut message = BytesMut::with_capacity(input.len() + 1);
                message.put_u8(b'0');
                message.put_slice(input);
                message.freeze()
            }
            TtydRequest::Resize { rows, columns } => {
                Bytes::from(format!(r#"1{{"columns":{columns},"rows":{rows}}}"#))
            }
            TtydRequest::Pause => Bytes::from_static(b"2"),
            TtydRequest::Resume => Bytes::from_static(b"3"),
        }
    }
}

/// A message of ttyd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtydReply {
    /// Terminal output, cut anywhere.
    Output(Bytes),
    /// The title of ttyd's page: its command line and host. Not what programs set.
    Title(Bytes),
    /// Settings for the web terminal, as JSON.
    Preferences(Bytes),
    /// An empty message, or one of an unknown type. To be ignored.
    Unknown,
}

impl TtydReply {
    /// Reads a message, without a copy of its payload.
    pub fn parse(mut message: Bytes) -> Self {
        if message.is_empty() {
            return TtydReply::Unknown;
        }
        match message.split_to(1).first() {
            Some(b'0') => TtydReply::Output(message),
            Some(b'1') => TtydReply::Title(message),
            Some(b'2') => TtydReply::Preferences(message),
            _ => TtydReply::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_official_client_sends() {
        for (request, text) in [
            (
                PtyRequest::Stdin(Bytes::from_static(b"echo hi\n")),
                r#"{"type":"stdin","chars":"ZWNobyBoaQo="}"#,
            ),
            (PtyRequest::Resize { rows: 24, columns: 80 }, r#"{"type":"resize","rows":24,"cols":80}"#),
            (PtyRequest::Ping, r#"{"type":"ping"}"#),
            (PtyRequest::Restart, r#"{"type":"restart"}"#),
            // Not the official client's, but ours.
            (PtyRequest::Received(65_536), r#"{"type":"received","bytes":65536}"#),
        ] {
            assert_eq!(request.to_text(), text);
            assert_eq!(PtyRequest::parse(text.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn sizes_are_clamped_to_those_of_a_terminal() {
        let size = |rows, columns| Ok(PtyRequest::Resize { rows, columns });
        let parse = |text: &str| PtyRequest::parse(text.as_bytes());
        assert_eq!(parse(r#"{"type":"resize","rows":0,"cols":-5}"#), size(1, 1));
        assert_eq!(parse(r#"{"type":"resize","rows":24.0,"cols":1e9}"#), size(24, u16::MAX));
        assert!(parse(r#"{"type":"resize","rows":24}"#).is_err());
        assert!(parse(r#"{"type":"resize","rows":"24","cols":"80"}"#).is_err());
    }

    #[test]
    fn replies_are_read_in_every_format() {
        let all: Vec<u8> = (0..=255).collect();
        let output = PtyReply::Output(all.into());
        assert_eq!(PtyReply::parse(output.to_text().as_bytes()), Ok(output));
        let read = |text: &str| PtyReply::parse(text.as_bytes());
        let hi = Ok(PtyReply::Output(Bytes::from_static(b"hi\n")));
        assert_eq!(read(r#"{"type":"out","data":"aGkK","sid":"x"}"#), hi);
        assert_eq!(read("{\"data\":\"aG\\nkK\",\"type\":\"out\"}"), hi);
        assert_eq!(read(r#"{"type":"out","data":"aGk"}"#), Ok(PtyReply::Output(Bytes::from_static(b"hi"))));
        assert_eq!(read(r#"{"type":"out","data":null}"#), Ok(PtyReply::Output(Bytes::new())));
        assert_eq!(read(r#"{"type":"exit","code":3}"#), Ok(PtyReply::Exit(Some(3))));
        assert_eq!(read(r#"{"type":"exit"}"#), Ok(PtyReply::Exit(None)));
        assert_eq!(read(&PtyReply::Received(0).to_text()), Ok(PtyReply::Received(0)));
        assert_eq!(read(r#"{"type":"new"}"#), Ok(PtyReply::Unknown("new".into())));
        let error = PtyReply::Error("no \u{1b} \"shell\"".into());
        assert_eq!(read(&error.to_text()), Ok(error));
        for bad in ["", "[]", "{}", "null", r#"{"type":"out","data":"%%%"}"#, r#"{"type":"out","data":7}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(PtyReply::parse(b"\xff\xfe").is_err());
    }

    #[test]
    fn ttyd_messages_begin_with_their_type() {
        let hello = TtydRequest::Hello { token: "a\"b", rows: 24, columns: 80 };
        let hello: serde_json::Value = serde_json::from_slice(&hello.to_bytes()).unwrap();
        assert_eq!(hello, serde_json::json!({"AuthToken": "a\"b", "columns": 80, "rows": 24}));
        assert_eq!(TtydRequest::Input(b"ls\r").to_bytes().as_ref(), b"0ls\r");
        let resize = TtydRequest::Resize { rows: 3, columns: 10 }.to_bytes();
        assert_eq!(resize.as_ref(), br#"1{"columns":10,"rows":3}"#);
        let parse = |text: &'static [u8]| TtydReply::parse(Bytes::from_static(text));
        assert_eq!(parse(b"0\xe4\xff"), TtydReply::Output(Bytes::from_static(b"\xe4\xff")));
        assert_eq!(parse(b"1bash"), TtydReply::Title(Bytes::from_static(b"bash")));
        assert_eq!(parse(b"2{}"), TtydReply::Preferences(Bytes::from_static(b"{}")));
        assert_eq!((parse(b""), parse(b"9")), (TtydReply::Unknown, TtydReply::Unknown));
    }
}

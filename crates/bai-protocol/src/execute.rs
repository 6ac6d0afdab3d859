//! Code execution (`docs/wire` §3): requests and replies over HTTP, and the frames of the WebSocket.

use super::lenient;
use super::record::ConsoleRecord;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// The mode of an execute request. The words are traps: it is `continue` and `input`, never `continued` or
/// `user-input` (`docs/wire` §10, rows 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Run code in the session's namespace.
    Query,
    /// Run the three batch steps.
    Batch,
    /// Ask for more output of the run.
    Continue,
    /// Send a line to the program that waits for input.
    Input,
    /// An old alias of the complete endpoint.
    Complete,
    /// Follow the output that no run owns. For servers with [`crate::capability::Capability::IdleOutput`], over a WebSocket.
    Listen,
}

/// The commands of a batch run; an empty one skips its step, `*` asks for the heuristic (`docs/wire` §3.7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchOptions {
    /// The step `clean`.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub clean: String,
    /// The step `build`.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub build: String,
    /// The step `exec`.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub exec: String,
    /// Instead of the steps the interpreter ends, as it does by itself. For servers with
    /// [`crate::capability::Capability::LastWords`].
    #[serde(deserialize_with = "lenient::null_as_default", skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
}

/// What makes a query a script: it behaves as a file that the language's own program runs. Its value is not shown, and its
/// standard input is a stream of bytes. For servers with [`crate::capability::Capability::Scripts`]. Texts that are no UTF-8
/// are written as [`crate::byte_text`] does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Script {
    /// The name as it was typed: the first argument of the program. `-c` is code of a command line, and `-` or nothing is code
    /// from standard input.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub name: String,
    /// The absolute path of its file on the machine of the client; that of a folder ends in a slash. Modules beside it are found if the session is on the same
    /// machine.
    pub path: Option<String>,
    /// The arguments of the program.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub args: Vec<String>,
    /// Whether a person types the input.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub terminal: bool,
    /// Whether the session ends with this script: then its threads and exit handlers come to their end first.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub last: bool,
    /// Whether it can ask for a secret at a terminal beside its input, for servers with
    /// [`crate::capability::Capability::Secrets`]. The question is [`crate::record::ConsoleRecord::AskSecret`].
    #[serde(deserialize_with = "lenient::null_as_default", skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// The type of the terminal (`TERM`) at which it was started, for servers with
    /// [`crate::capability::Capability::ScriptTerminals`]: it gets one of its own, in the window of the run. Whether it has one is
    /// told by [`crate::record::ConsoleRecord::Terminal`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pty: Option<String>,
    /// The streams that are pipes beside that terminal, for servers with
    /// [`crate::capability::Capability::SplitTerminals`]. `None` if all three are the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piped: Option<Piped>,
}

/// Which standard streams of a script are pipes, and not the terminal that it has. Then the terminal is shared with other programs:
/// keys are for the script only while it wants them ([`WantedKeys`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Piped {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Standard error is the same pipe as standard output, so that the order of both is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
}

/// The keys that a script with [`Script::piped`] wants now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WantedKeys {
    /// It does not read its terminal.
    #[default]
    None,
    /// It reads lines: the terminal of the script echoes and edits them. Keys that send signals keep their meaning for all programs, and
    /// a piece ends with a line at the latest.
    Lines,
    /// It has changed the modes of its terminal: every key is for it.
    All,
}

/// The body of `POST /{s}/keys`: what was typed for a script that wants keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TypedKeys {
    /// The run of the script.
    pub run_id: String,
    /// The bytes, as [`crate::byte_text`] writes them.
    pub keys: String,
}

/// The line that ends the input of the program that asks, as Ctrl-D does. For servers with
/// [`crate::capability::Capability::Scripts`].
pub const END_OF_INPUT: &str = "\u{4}";

/// A piece of the standard input of a run, for servers with [`crate::capability::Capability::Scripts`]. Over a WebSocket it is
/// a binary frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPiece {
    /// The bytes, as [`crate::byte_text`] writes them.
    pub input: String,
    /// Whether the input ends with it.
    pub end: bool,
    /// Whether more is at hand: the next piece is asked for before the program has read this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ahead: bool,
}

/// The window in which a person sees the output of a run, for servers with
/// [`crate::capability::Capability::Windows`]. A run without one writes to a file or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its width in characters.
    pub columns: u16,
    /// Its height in lines.
    pub rows: u16,
    /// Whether it shows colours.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub colors: bool,
}

/// The window has changed. Over a WebSocket it is a binary frame, since text is a line of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowChange {
    /// The window as it is now.
    pub window: Window,
}

/// The body of `POST /{P}/{s}`. Writes the run id under both of its names, since each generation of servers
/// reads only one (`docs/wire` §3.1).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecuteRequest {
    /// The mode.
    pub mode: Mode,
    /// Source text for `query`, the typed text for `input`, else empty.
    pub code: String,
    /// The run id as older servers name it.
    #[serde(rename = "runId")]
    run_id_old: String,
    /// The run id as servers from 25.6 on name it.
    run_id: String,
    /// An object, empty except in the first call of a batch run.
    pub options: Value,
    /// The last frame that was received, for the engine of bai-repl only. The engine then numbers its frames (`seq`) and
    /// repeats those after this one. 0 before the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    /// For servers with the capability `byte-output`: output that is not UTF-8 arrives as [`crate::byte_text`] writes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bytes: bool,
    /// For servers with the capability `live-output`: the records for a client that watches arrive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    live: bool,
    /// For servers with the capability `scripts`: this query is a script.
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<Script>,
    /// For servers with the capability `scripts`: `code` is a piece of the input ([`InputPiece`]), and this is its `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<bool>,
    /// For servers with the capability `windows`: where a person sees the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// For servers with the capability `cell-terminals`: the type of the terminal at which the cell was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pty: Option<String>,
    /// Beside `end`: the piece's `ahead`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ahead: bool,
}

impl ExecuteRequest {
    /// The first call of a query run.
    pub fn query(run_id: &RunId, code: &str) -> Self {
        Self::new(Mode::Query, run_id, code, Value::Object(Default::default()))
    }

    /// The first call of a script.
    pub fn script(run_id: &RunId, code: &str, script: &Script) -> Self {
        ExecuteRequest { script: Some(script.clone()), ..Self::query(run_id, code) }
    }

    /// The first call of a batch run.
    pub fn batch(run_id: &RunId, options: &BatchOptions) -> Self {
        Self::new(Mode::Batch, run_id, "", serde_json::to_value(options).unwrap_or_default())
    }

    /// A call for more output.
    pub fn resume(run_id: &RunId) -> Self {
        Self::new(Mode::Continue, run_id, "", Value::Object(Default::default()))
    }

    /// An answer to `waiting-input`; no newline is added on the way.
    pub fn input(run_id: &RunId, text: &str) -> Self {
        Self::new(Mode::Input, run_id, text, Value::Object(Default::default()))
    }

    /// A piece of the input as the answer to `waiting-input`.
    pub fn piece(run_id: &RunId, piece: &InputPiece) -> Self {
        ExecuteRequest { end: Some(piece.end), ahead: piece.ahead, ..Self::input(run_id, &piece.input) }
    }

    /// Adds the number of the last received frame, if the frames are numbered.
    pub fn counting(self, received: Option<u64>) -> Self {
        ExecuteRequest { received, ..self }
    }

    /// Asks for output byte for byte, if `bytes` is set.
    pub fn with_bytes(self, bytes: bool) -> Self {
        ExecuteRequest { bytes, ..self }
    }

    /// Asks for the records for a client that watches, if `live` is set.
    pub fn with_live(self, live: bool) -> Self {
        ExecuteRequest { live, ..self }
    }

    /// Adds the window in which a person sees the output.
    pub fn in_window(self, window: Option<Window>) -> Self {
        ExecuteRequest { window, ..self }
    }

    /// Adds the type of the terminal at which the cell was typed.
    pub fn at_terminal(self, pty: Option<&str>) -> Self {
        ExecuteRequest { pty: pty.map(str::to_owned), ..self }
    }

    fn new(mode: Mode, run_id: &RunId, code: &str, options: Value) -> Self {
        let id = run_id.as_str().to_owned();
        ExecuteRequest {
            mode,
            code: code.to_owned(),
            run_id_old: id.clone(),
            run_id: id,
            options,
            received: None,
            bytes: false,
            live: false,
            script: None,
            end: None,
            window: None,
            pty: None,
            ahead: false,
        }
    }
}

/// The id of one execution. The client makes it, so that it is never lost (`docs/wire` §3.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId(String);

impl RunId {
    /// Makes a new id of 32 hexadecimal digits.
    pub fn random() -> Self {
        RunId(uuid::Uuid::new_v4().simple().to_string())
    }

    /// An id that was read from the wire.
    pub fn from_wire(text: impl Into<String>) -> Self {
        RunId(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An execute body as a server reads it: either name of the run id, null where something may be missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct IncomingExecute {
    /// The mode, or `None` when missing or null.
    pub mode: Option<String>,
    /// Source or input text.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub code: String,
    #[serde(rename = "runId")]
    run_id_old: Option<String>,
    run_id: Option<String>,
    /// Batch commands or the cursor, by mode.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub options: Value,
    /// The last frame that the client has, if it counts them, as ours does.
    pub received: Option<u64>,
    /// Whether the client takes output that is not UTF-8 as [`crate::byte_text`] writes it.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub bytes: bool,
    /// Whether the client takes the records for one that watches.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub live: bool,
    /// Over a WebSocket: whether the client takes binary frames ([`crate::binary_frame`]), and may send them.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub binary: bool,
    /// What makes the query a script.
    pub script: Option<Script>,
    /// Set if the text is a piece of the input: whether the input ends with it.
    pub end: Option<bool>,
    /// Where a person sees the output.
    pub window: Option<Window>,
    /// The type of the terminal (`TERM`) at which a query was typed that has lines of a shell: each program that such a line starts
    /// gets one of its own, in the window of the run. That is told by [`crate::record::ConsoleRecord::Terminal`].
    pub pty: Option<String>,
    /// Beside `end`: whether the next piece is asked for before the program has read this one.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub ahead: bool,
}

impl IncomingExecute {
    /// The run id, under either name.
    pub fn run_id(&self) -> Option<RunId> {
        let id = self.run_id.as_ref().or(self.run_id_old.as_ref())?;
        (!id.is_empty()).then(|| RunId::from_wire(id.as_str()))
    }

    /// The batch commands. Those that are missing or malformed are empty.
    pub fn batch(&self) -> BatchOptions {
        serde_json::from_value(self.options.clone()).unwrap_or_default()
    }
}

/// The state of a run after a reply or a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RunStatus {
    /// Still running.
    Continued,
    /// The program waits for a line.
    WaitingInput,
    /// The batch step `clean` is over.
    CleanFinished,
    /// The batch step `build` is over.
    BuildFinished,
    /// The run is over.
    Finished,
    /// The agent's time limit was reached. The WebSocket server loops on it, so no further frame follows.
    ExecTimeout,
    /// WebSocket only: something failed, `msg` says what, the socket closes.
    Error,
    /// WebSocket only: the server shuts down, the socket closes.
    ServerRestarting,
    /// A status that this crate does not know. The run continues.
    Unknown(String),
}

const STATUSES: [(&str, RunStatus); 8] = [
    ("continued", RunStatus::Continued),
    ("waiting-input", RunStatus::WaitingInput),
    ("clean-finished", RunStatus::CleanFinished),
    ("build-finished", RunStatus::BuildFinished),
    ("finished", RunStatus::Finished),
    ("exec-timeout", RunStatus::ExecTimeout),
    ("error", RunStatus::Error),
    ("server-restarting", RunStatus::ServerRestarting),
];

impl From<String> for RunStatus {
    fn from(text: String) -> Self {
        let known = STATUSES.iter().find(|(name, _)| *name == text);
        known.map_or(RunStatus::Unknown(text), |(_, status)| status.clone())
    }
}

impl From<RunStatus> for String {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Unknown(text) => text,
            known => STATUSES.iter().find(|(_, s)| *s == known).map_or("", |(name, _)| name).to_owned(),
        }
    }
}

/// The result of an execute call, and a server frame of the execute WebSocket, which lacks the run id
/// (`docs/wire` §3.2, §3.10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteResult {
    /// The run's state.
    pub status: RunStatus,
    /// The run's id; HTTP only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// What was printed since the last reply. Null or a missing key gives an empty list; values that are not records are left out.
    #[serde(default, deserialize_with = "records")]
    pub console: Vec<ConsoleRecord>,
    /// Set with the three `finished` statuses; may be null even there.
    #[serde(default, deserialize_with = "lenient::exit_code")]
    pub exit_code: Option<i32>,
    /// Set with `waiting-input`; null, missing and empty all mean visible input.
    #[serde(default)]
    pub options: Option<Value>,
    /// Files that the run left in its output folder; old servers only.
    #[serde(default)]
    pub files: Option<Value>,
    /// The message of `error` and `server-restarting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// The frame's number; only from the engine of bai-repl, and only for a client that counts.
    #[serde(default, deserialize_with = "lenient::number", skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The run that has begun after this output, which belonged to none; only for a client that listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<String>,
}

impl ExecuteResult {
    /// A result with only a status.
    pub fn new(status: RunStatus) -> Self {
        ExecuteResult {
            status,
            run_id: None,
            console: Vec::new(),
            exit_code: None,
            options: None,
            files: None,
            msg: None,
            seq: None,
            began: None,
        }
    }

    /// Whether the input must not be shown.
    pub fn is_password(&self) -> bool {
        let flag = self.options.as_ref().and_then(|options| options.get("is_password"));
        flag.and_then(Value::as_bool).unwrap_or(false)
    }

    /// The number of the open question, from servers that number frames: each question of a run has another one.
    pub fn question(&self) -> Option<u64> {
        self.options.as_ref()?.get("question")?.as_u64()
    }
}

fn records<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ConsoleRecord>, D::Error> {
    lenient::list(deserializer)
}

/// The body of a reply to an execute call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecuteReply {
    /// The result.
    pub result: ExecuteResult,
}

/// The first frame that a client sends on the execute WebSocket (`docs/wire` §3.10).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamRequest {
    /// `query` or `batch`.
    pub mode: Mode,
    /// Source text of a query.
    pub code: String,
    /// Commands of a batch run, else an empty object.
    pub options: Value,
}

impl StreamRequest {
    /// A query.
    pub fn query(code: &str) -> Self {
        StreamRequest { mode: Mode::Query, code: code.to_owned(), options: Value::Object(Default::default()) }
    }

    /// A batch run.
    pub fn batch(options: &BatchOptions) -> Self {
        let options = serde_json::to_value(options).unwrap_or_default();
        StreamRequest { mode: Mode::Batch, code: String::new(), options }
    }

    /// The output that no run owns.
    pub fn listen() -> Self {
        StreamRequest { mode: Mode::Listen, ..StreamRequest::query("") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(value: Value) -> ExecuteResult {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_run_id_is_sent_under_both_names() {
        let id = RunId::from_wire("7d1f");
        let wire = serde_json::to_value(ExecuteRequest::query(&id, "1")).unwrap();
        assert_eq!(
            wire,
            json!({"mode": "query", "code": "1", "runId": "7d1f", "run_id": "7d1f", "options": {}})
        );
        let wire = serde_json::to_value(ExecuteRequest::resume(&id)).unwrap();
        assert_eq!((&wire["mode"], &wire["code"]), (&json!("continue"), &json!("")));
        let wire = serde_json::to_value(ExecuteRequest::input(&id, "Ann")).unwrap();
        assert_eq!((&wire["mode"], &wire["code"]), (&json!("input"), &json!("Ann")));
        let batch = BatchOptions { build: "make".into(), ..Default::default() };
        let wire = serde_json::to_value(ExecuteRequest::batch(&id, &batch)).unwrap();
        assert_eq!(wire["options"], json!({"clean": "", "build": "make", "exec": ""}));
    }

    #[test]
    fn run_ids_are_long_and_new() {
        assert_eq!(RunId::random().as_str().len(), 32);
        assert_ne!(RunId::random(), RunId::random());
    }

    #[test]
    fn a_server_reads_either_name_and_null_anywhere() {
        let read = |value| serde_json::from_value::<IncomingExecute>(value).unwrap();
        assert_eq!(read(json!({"run_id": "a", "runId": "b"})).run_id(), Some(RunId::from_wire("a")));
        assert_eq!(read(json!({"run_id": null, "runId": "b"})).run_id(), Some(RunId::from_wire("b")));
        assert_eq!(read(json!({"runId": ""})).run_id(), None);
        let empty = read(json!({"mode": null, "code": null, "options": null, "runId": null}));
        assert_eq!((empty.mode.as_deref(), empty.code.as_str(), empty.run_id()), (None, "", None));
        assert_eq!(empty.batch(), BatchOptions::default());
        let batch = read(json!({"options": {"clean": null, "build": "*", "buildLog": true}})).batch();
        assert_eq!(batch, BatchOptions { build: "*".into(), ..Default::default() });
    }

    #[test]
    fn null_and_missing_console_are_empty() {
        for value in [
            json!({"status": "finished", "console": null}),
            json!({"status": "finished"}),
            json!({"status": "finished", "console": "?"}),
            json!({"status": "finished", "console": [null, 3, []]}),
        ] {
            assert_eq!(result(value).console, []);
        }
    }

    #[test]
    fn unusual_exit_codes_are_read_or_unknown() {
        let code = |value| result(json!({"status": "finished", "exitCode": value})).exit_code;
        assert_eq!(code(json!(3)), Some(3));
        assert_eq!(code(json!("3")), Some(3));
        assert_eq!(code(json!(-9)), Some(-9));
        assert_eq!(code(json!(1e12)), Some(i32::MAX));
        assert_eq!(code(json!(null)), None);
        assert_eq!(code(json!("x")), None);
        assert_eq!(code(json!({})), None);
    }

    #[test]
    fn the_password_flag_may_be_missing_in_every_way() {
        let flag = |options| result(json!({"status": "waiting-input", "options": options})).is_password();
        assert!(flag(json!({"is_password": true})));
        for visible in
            [json!({"is_password": false}), json!({}), json!(null), json!([]), json!({"is_password": null})]
        {
            assert!(!flag(visible));
        }
        assert!(!result(json!({"status": "waiting-input"})).is_password());
    }

    #[test]
    fn an_unknown_status_is_not_an_error() {
        assert_eq!(result(json!({"status": "paused"})).status, RunStatus::Unknown("paused".into()));
        for (name, status) in STATUSES {
            assert_eq!(result(json!({"status": name})).status, status);
        }
        let error = result(json!({"status": "error", "msg": "BackendError: x"}));
        assert_eq!((error.status, error.msg.as_deref()), (RunStatus::Error, Some("BackendError: x")));
    }

    #[test]
    fn a_frame_is_written_as_the_genuine_server_writes_it() {
        let mut frame = ExecuteResult::new(RunStatus::Finished);
        frame.exit_code = Some(0);
        frame.console = vec![ConsoleRecord::Stdout("42".into())];
        let wire = serde_json::to_value(&frame).unwrap();
        let expected = json!({"status": "finished", "console": [["stdout", "42"]], "exitCode": 0, "options": null, "files": null});
        assert_eq!(wire, expected);
    }
}

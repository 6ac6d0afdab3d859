//! What a server can do beyond the common API, as named in its answer to `GET /`.
//!
//! Servers differ by what they announce, never by their name. A genuine cluster announces no capability. An unknown
//! name is ignored, so that a newer server can be used by an older client.

use crate::lenient;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

/// One thing that a server can do beyond the common API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Capability {
    /// A run over the WebSocket gets the id that the client sends as `runId`, so that it can be found again.
    RunIds,
    /// The frames of a run are numbered (`seq`) for a client that sends `received`, and the server sends again what
    /// the client has not received.
    NumberedFrames,
    /// The output of a run that no client follows is kept for the client that resumes it.
    KeptOutput,
    /// The state of a session names its active run (`currentRunId`).
    CurrentRun,
    /// A run whose client has gone does not block its session: the next run starts.
    AbandonableRuns,
    /// An interrupt can name the run (`runId`) that it is for: the run of another client goes on.
    RunInterrupts,
    /// An interrupt ends a pending request for input. Elsewhere an empty line has to answer it.
    InterruptEndsInput,
    /// Batch steps lose no output, and their end always arrives.
    WholeBatch,
    /// The state of a session may have a `note` for the user.
    SessionNotes,
    /// The sessions end when the server ends.
    SessionsEndWithServer,
    /// Rich results (HTML, pictures, tables) arrive as the kernel made them.
    RichOutput,
    /// The kernels complete code.
    Completion,
    /// A signature may cover the body too ([`crate::sign::BODY_SHA256`]).
    SignedBodies,
    /// Names of files that are not UTF-8 are written as [`crate::byte_text`] does, also in requests, and an uploaded
    /// file may have any name.
    ByteNames,
    /// The number of a port names an app, if a program of the session's user listens there.
    AnyPort,
    /// Output that is not UTF-8 arrives as [`crate::byte_text`] writes it, at a client that sends `bytes: true`.
    ByteOutput,
    /// Files of a session outlive its end, unless it was destroyed: its status is LOST then.
    LostSessions,
    /// A file of any size can be read from any byte on (`Range`), and the server tells checksums of files.
    FileRanges,
    /// A query may be a script ([`crate::execute::Script`]), and the input of a program may be a stream of bytes with an end.
    Scripts,
    /// A session can be for one script alone, and begin with the environment of its creator, instead of that of the server's process.
    CreatorEnvironment,
    /// Output may be shown in the place of earlier output, at a client that sends `live: true`
    /// ([`crate::record::ConsoleRecord::Display`]).
    LiveOutput,
    /// An uploaded file replaces none if its part has the header `If-None-Match: *`.
    ExclusiveUploads,
    /// Output that no run owns reaches a client that listens ([`crate::execute::Mode::Listen`]) at once.
    IdleOutput,
    /// A run can end the interpreter, and gets what that prints at its end ([`crate::execute::BatchOptions::end`]).
    LastWords,
    /// An interrupt can be for what goes on between two runs alone.
    IdleInterrupts,
    /// A run knows the window in which a person sees its output ([`crate::execute::Window`]), also when it changes.
    Windows,
    /// An interrupt that names its run can be another signal, such as that of a closed pipe ([`crate::signal::RunSignal`]).
    Signals,
    /// A script can ask for a secret at the terminal of its client, whatever its input is ([`crate::execute::Script::tty`]).
    Secrets,
    /// A script can have a terminal of its own ([`crate::execute::Script::pty`]), and all signals of
    /// [`crate::signal::RunSignal`] reach a program.
    ScriptTerminals,
    /// Each standard stream of such a script can be a pipe beside its terminal ([`crate::execute::Script::piped`]).
    SplitTerminals,
    /// The programs that the lines of a shell in a cell start can have a terminal of their own ([`crate::execute::IncomingExecute::pty`]).
    CellTerminals,
    /// Text that a run prints comes in binary frames ([`crate::binary_frame`]), and its input may, at a client that sends `binary: true`.
    BinaryFrames,
}

/// The capabilities of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// Whether the server has this capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Capabilities(capabilities.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words: Vec<Capability> = lenient::list(deserializer)?;
        Ok(words.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_and_other_types_are_ignored() {
        let read = |text: &str| serde_json::from_str::<Capabilities>(text).unwrap();
        let some = read(r#"["run-ids", "time-travel", 7, "interrupt-ends-input"]"#);
        assert!(some.has(Capability::RunIds) && some.has(Capability::InterruptEndsInput));
        assert!(!some.has(Capability::NumberedFrames));
        for empty in ["null", "[]", "\"run-ids\"", "{}"] {
            assert_eq!(read(empty), Capabilities::default(), "{empty}");
        }
    }

    #[test]
    fn written_capabilities_are_read_back() {
        let all: Capabilities =
            [Capability::SessionsEndWithServer, Capability::RichOutput].into_iter().collect();
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, r#"["sessions-end-with-server","rich-output"]"#);
        assert_eq!(serde_json::from_str::<Capabilities>(&text).unwrap(), all);
    }
}

//! The operations of a kernel runner (`docs/wire` §9.2).

use bai_protocol::complete::CompletionRequest;
use bai_protocol::execute::{Script, Window};
use bai_protocol::signal::RunSignal;

/// One request to the runner. `Code`, `Script`, `Clean`, `Build` and `Exec` wait in the FIFO queue (`docs/wire` §9.4). The
/// others are served at once, also while a task runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Run source text in the session's namespace. Ends with [`Reply::Finished`](super::Reply::Finished).
    Code(String),
    /// Run source text as a program of its language: its value is not shown, and its standard input is the bytes of
    /// [`Op::InputPiece`]. Ends with [`Reply::Finished`](super::Reply::Finished).
    Script(String, Script),
    /// The batch step `clean`. Ends with [`Reply::CleanFinished`](super::Reply::CleanFinished).
    Clean(Step),
    /// The batch step `build`. Ends with [`Reply::BuildFinished`](super::Reply::BuildFinished).
    Build(Step),
    /// The batch step `exec`. Ends with [`Reply::Finished`](super::Reply::Finished).
    Exec(Step),
    /// Let the interpreter end as it does by itself: exit handlers run, threads are waited for. The next `Code` starts another one.
    /// Ends with [`Reply::Finished`](super::Reply::Finished).
    End,
    /// A line for the program that waits for input, without its newline. Dropped when no program waits.
    Input(String),
    /// Bytes for the program that waits for input. Dropped when no program waits.
    InputPiece {
        /// The bytes, with their newlines.
        bytes: Vec<u8>,
        /// Whether the input ends with them.
        end: bool,
        /// Whether more is at hand: [`Reply::WaitingInput`](super::Reply::WaitingInput) comes before the program has read them.
        ahead: bool,
    },
    /// The secret that the script has asked for ([`ConsoleRecord::AskSecret`](bai_protocol::record::ConsoleRecord::AskSecret)), or
    /// that there is none. Dropped when it has not asked.
    Secret(Option<String>),
    /// What was typed for the script whose terminal is shared ([`Piped`](bai_protocol::execute::Piped)). Dropped when there is none.
    Keys(Vec<u8>),
    /// The window in which a person sees the output, from now on. `None` if it goes to a file or a program.
    Window(Option<Window>),
    /// The type of the terminal (`TERM`) that programs may have from now on which a cell starts by a line of a shell. `None` if they
    /// have the streams of the session.
    Pty(Option<String>),
    /// Nobody is at that terminal any more: a program that has it gets SIGHUP.
    HangUp,
    /// Suggestions for the text at the cursor. Answered with [`Reply::Completion`](super::Reply::Completion).
    Complete(CompletionRequest),
    /// Interrupt the running task with a real SIGINT to its process group. Has no reply of its own.
    Interrupt,
    /// Let a signal reach the program of the running task: the process of a program, or of the last script of a session. For other
    /// tasks SIGTERM and SIGHUP are an interrupt. Has no reply of its own.
    Signal(RunSignal),
    /// Answered with [`Reply::Status`](super::Reply::Status).
    Status,
}

/// The work of a batch step (`docs/wire` §3.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// No work: the step is reported as done with exit code 0.
    Skip,
    /// `*`: `make` if there is a `Makefile`, else the language's usual command.
    Heuristic,
    /// A shell command.
    Command(String),
}

impl Step {
    /// Reads the wire's form: null or an empty text skips the step, `*` means the heuristic, any other text is a command.
    pub fn from_wire(text: Option<&str>) -> Self {
        match text {
            None | Some("") => Step::Skip,
            Some("*") => Step::Heuristic,
            Some(command) => Step::Command(command.to_owned()),
        }
    }
}

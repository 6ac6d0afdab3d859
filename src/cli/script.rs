//! Runs code without a prompt: `-c`, a file, or standard input. Only the output of the remote program goes to standard output;
//! the exit code is that of the remote program.

mod answers;
mod ending;
mod own_terminal;
mod signals;

use self::answers::answered;
use self::ending::{EarlyEnd, Ending};
use self::own_terminal::{ScriptTerminal, typed};
use self::signals::{passed, stops_late};
use super::batch_steps::BatchSteps;
use super::display::{script_window, terminal_window};
use super::error::CliError;
use super::exit_status::{ExitStatus, Interrupt};
use super::input::{InputReply, InputSource, Wanted};
use super::output::{Output, OutputMessage, UnreadStreams};
use super::replacement_note::ReplacementNote;
use super::secret_question::SecretQuestion;
use super::stop_signals::StopSignals;
use crate::repl::{ANSWER_LOST, FrontEnd, output_lost};
use crate::terminal::{FatalSignal, HeldKeys, PassedSignals};
use bai_client::{Capability, Cell, ComputeSession, ConsoleRecord, Rest, Run, RunEvent, RunOptions, Window};
use bai_protocol::language::{self, likely_of_image};
use bytes::Bytes;
use nix::sys::signal::SigSet;
use serde_json::json;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// One run that is being followed.
struct ScriptRun<'a> {
    session: &'a ComputeSession,
    run: Run,
    output: &'a Output,
    /// The streams that nobody reads any more.
    unread: UnreadStreams,
    input: &'a InputSource,
    signals: &'a mut StopSignals,
    steps: BatchSteps<'a>,
    /// Changes of the window, if the output goes to one.
    resizes: Option<Signal>,
    interrupted: Option<Instant>,
    /// How the last Ctrl-C came.
    interrupt: Option<Interrupt>,
    /// The signal that ends this program once the remote one has ended, and until when it waits for that.
    ending: Option<(FatalSignal, tokio::time::Instant)>,
    /// Signals that are for the program.
    passed: Option<PassedSignals>,
    /// Those that were passed on to it.
    signalled: SigSet,
    /// The program was asked to stop, and this program waits for that until then.
    stops_until: Option<tokio::time::Instant>,
    /// Whether this program alone was asked to stop.
    stops_alone: bool,
    /// Whether the script is to have a terminal of its own.
    wants_terminal: bool,
    /// Whether other programs have the user's terminal too, since streams of the script lead elsewhere.
    is_split: bool,
    /// The user's terminal while it is the script's.
    terminal: Option<ScriptTerminal>,
    /// Holds back what is typed for the terminal of the script, until it has one.
    typed_ahead: Option<HeldKeys>,
    /// Whether signals and closed pipes reach the program itself, if it is a process. Else they interrupt it.
    passes_signals: bool,
    /// Whether the server takes the input as bytes with an end.
    takes_pieces: bool,
    /// Whether a line can end it.
    takes_end: bool,
    /// Whether the open question takes such a piece.
    asks_piece: bool,
    /// The answer that is being read. Output goes on meanwhile: the server may ask before the program does.
    answer: Option<oneshot::Receiver<InputReply>>,
    /// The secret that the program has asked for.
    secret: Option<SecretQuestion>,
    /// A piece of the input that was read for a question which has ended by itself.
    unsent: Option<(Bytes, Rest)>,
    /// Whether what steps before the last one print goes to standard error.
    builds_aside: bool,
    no_input_reported: bool,
    /// Whether a part of the output is lost.
    output_lost: bool,
    replacement: ReplacementNote,
}

/// Runs a cell in the session, and returns when it ends.
pub(super) async fn run(
    session: &ComputeSession,
    cell: Cell,
    mut options: RunOptions,
    mut output: Output,
    input: &InputSource,
    signals: &mut StopSignals,
    steps: BatchSteps<'_>,
) -> Result<ExitStatus, CliError> {
    let unread = output.unread_streams();
    let replacement = ReplacementNote::of(session, &options).await;
    let takes_pieces = session.api().has(Capability::Scripts).await;
    let passes_signals = is_program(&cell) && session.api().has(Capability::Signals).await;
    let takes_all = passes_signals && session.api().has(Capability::ScriptTerminals).await;
    let passed = takes_all.then(PassedSignals::listen).and_then(Result::ok);
    let wants_terminal = matches!(&cell, Cell::Script(_, script) if script.pty.is_some());
    let is_split = matches!(&cell, Cell::Script(_, script) if script.piped.is_some());
    options.window = options.window.or_else(|| is_split.then(terminal_window).flatten());
    // Where the script has none, the keys are given back before it begins.
    let typed_ahead = input.take_held().filter(|_| wants_terminal);
    let takes_end = takes_pieces || matches!(cell, Cell::Kernel(_));
    let resizes = options.window.and_then(|_| signal(SignalKind::window_change()).ok());
    let ends_session = cell.ends_its_session();
    let gets_input = match &cell {
        Cell::Kernel(script) => script.gets_input(),
        Cell::Batch(_) => session.api().has(Capability::WholeBatch).await,
        Cell::Query(_) | Cell::Script(..) => true,
    };
    let run = session.execute(cell, options).await?;
    let mut script = ScriptRun {
        session,
        run,
        output: &output,
        unread,
        input,
        signals,
        steps,
        resizes,
        interrupted: None,
        interrupt: None,
        ending: None,
        passed,
        signalled: SigSet::empty(),
        stops_until: None,
        stops_alone: false,
        wants_terminal,
        is_split,
        terminal: None,
        typed_ahead,
        passes_signals,
        takes_pieces,
        takes_end,
        asks_piece: false,
        answer: None,
        secret: None,
        unsent: None,
        builds_aside: session.api().has(Capability::WholeBatch).await,
        no_input_reported: false,
        output_lost: false,
        replacement,
    };
    let ended = script.follow().await;
    let ending = Ending {
        session,
        ends_session,
        passes_signals: script.passes_signals,
        was_interrupted: script.interrupted.is_some(),
        interrupt: script.interrupt,
        signal: script.ending.map(|(signal, _)| signal),
        signalled: script.signalled,
    };
    // Until the output is written.
    let _terminal = (script.terminal.take(), script.typed_ahead.take());
    drop(script);
    if !gets_input && input.has_unread() {
        eprintln!(
            "bai-repl: standard input did not reach the program: nobody can give it any in this session; upload a file \
             instead (--with FILE, or bai-repl upload), and let the program read that"
        );
    }
    ending.exit(ended, output).await
}

/// Whether a script of this image is a process of its own, where the server has scripts.
pub(super) fn is_process(image: &str) -> bool {
    !image.starts_with("jupyter:") && likely_of_image(image) != Some(&language::SQLITE)
}

/// Whether it runs in a process of its own, as far as the session's server has one.
fn is_program(cell: &Cell) -> bool {
    match cell {
        Cell::Script(_, script) => script.last,
        Cell::Batch(_) => true,
        _ => false,
    }
}

async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// Waits until a program that ends has had its time.
async fn over(ending: Option<(FatalSignal, tokio::time::Instant)>) {
    match ending {
        Some((_, limit)) => tokio::time::sleep_until(limit).await,
        None => std::future::pending().await,
    }
}

impl ScriptRun<'_> {
    async fn follow(&mut self) -> Result<ExitStatus, EarlyEnd> {
        if let Some(message) = self.steps.begin() {
            self.say(message).await?;
        }
        loop {
            let event = tokio::select! {
                biased;
                signal = self.signals.recv() => {
                    self.stop(signal).await?;
                    continue;
                }
                signal = passed(&mut self.passed) => {
                    self.pass(signal).await;
                    continue;
                }
                () = stops_late(self.stops_until) => {
                    self.suspend().await;
                    continue;
                }
                () = self.output.closed() => return Err(EarlyEnd::Output),
                stream = self.unread.next() => {
                    self.reader_gone(stream).await?;
                    continue;
                }
                () = next(&mut self.resizes) => {
                    self.window().into_iter().for_each(|window| self.run.resize(window));
                    self.say(OutputMessage::Resize(crate::terminal::size())).await?;
                    continue;
                }
                () = over(self.ending) => {
                    return Err(self.ending.map_or(EarlyEnd::Interrupted, |(signal, _)| EarlyEnd::Fatal(signal)));
                }
                // However much the program prints, Ctrl-C reaches it.
                bytes = typed(&mut self.terminal) => {
                    self.send_keys(bytes);
                    continue;
                }
                event = self.run.next() => event,
                answer = SecretQuestion::answered(&mut self.secret) => {
                    self.secret = None;
                    self.give_secret(answer).await?;
                    continue;
                }
                answer = answered(&mut self.answer) => {
                    self.answer = None;
                    self.give(answer).await?;
                    continue;
                }
            };
            match event {
                Some(RunEvent::Console(ConsoleRecord::AskSecret { prompt })) => {
                    self.ask_secret(&prompt).await
                }
                Some(RunEvent::Console(ConsoleRecord::Terminal(change))) => {
                    self.terminal_changed(change).await?
                }
                Some(RunEvent::Console(record)) => {
                    self.replacement.check(&record).await;
                    let record = self.in_its_place(record);
                    let after = self.output.after(&record);
                    self.say(OutputMessage::Record(record)).await?;
                    if let Some(message) = after {
                        self.say(message).await?;
                    }
                }
                Some(RunEvent::WaitingInput { .. }) if self.has_keyboard() => self.wants_keys(),
                Some(RunEvent::WaitingInput { is_password }) => {
                    self.give_keys_back();
                    self.asks_piece = self.takes_pieces;
                    let wanted = self.wanted(is_password);
                    self.ask(wanted).await;
                }
                Some(RunEvent::WaitingPiece) => {
                    self.asks_piece = true;
                    self.ask(Wanted::Piece).await;
                }
                Some(RunEvent::StepFinished { step, exit_code }) => {
                    self.say(self.steps.finished(step, exit_code)).await?;
                    if let Some(message) = self.steps.begin_after(step, exit_code) {
                        self.say(message).await?;
                    }
                }
                Some(RunEvent::Finished { exit_code }) => {
                    self.say(OutputMessage::Event(json!({"event": "finished", "exitCode": exit_code})))
                        .await?;
                    // A success without all of its output is none.
                    let whole = if self.output_lost { ExitStatus::Lost } else { ExitStatus::Ok };
                    return Ok(exit_code.filter(|code| *code != 0).map_or(whole, ExitStatus::Remote));
                }
                Some(RunEvent::Lost(lost)) => return self.lost(lost).await,
                Some(RunEvent::NotStarted { waited, activity, .. }) => {
                    eprintln!("bai-repl: {}", activity.delay(waited));
                }
                Some(RunEvent::AnswerLost) => eprintln!("bai-repl: {ANSWER_LOST}"),
                Some(RunEvent::OutputLost(error)) => {
                    self.output_lost = true;
                    let why = error.to_string();
                    self.say(OutputMessage::Event(json!({"event": "output_lost", "why": why}))).await?;
                    CliError::from(output_lost(&error, FrontEnd::CommandLine)).report();
                }
                Some(_) => {}
                None => return Ok(ExitStatus::Lost),
            }
        }
    }

    /// Passes a message to the writer, and handles signals while the writer has no room for it.
    async fn say(&mut self, message: OutputMessage) -> Result<(), EarlyEnd> {
        loop {
            tokio::select! {
                biased;
                signal = self.signals.recv() => self.stop(signal).await?,
                room = self.output.messages().reserve() => {
                    room.map_err(|_| EarlyEnd::Output)?.send(message);
                    return Ok(());
                }
            }
        }
    }

    /// The window of the program.
    fn window(&self) -> Option<Window> {
        if self.is_split { terminal_window() } else { script_window() }
    }

    /// What the build prints is not the program's output.
    fn in_its_place(&self, record: ConsoleRecord) -> ConsoleRecord {
        match record {
            ConsoleRecord::Stdout(text) if self.builds_aside && self.steps.are_before_the_last() => {
                ConsoleRecord::Stderr(text)
            }
            record => record,
        }
    }
}

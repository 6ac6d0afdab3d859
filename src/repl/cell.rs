//! The life of one cell, from its submission to its footer: output as it comes, questions answered in place, Ctrl-C in
//! three steps, and what to say at the end.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::editor::{Answer, Editor, printable};
use super::flood::{self, Flood};
use super::menu::{self, Choice, Keyboard};
use super::session::{CellEvent, Remote, RemoteRun, Trouble};
use super::spinner::{QUIET, TICK, elapsed, since};
use super::stage::{Stage, StageError, Waited, open};
use crate::protocol::record::ConsoleRecord;
use crate::render::Stream;
use crate::terminal::{SecretError, read_secret};
use crate::theme::Role;

/// A second Ctrl-C within this time asks what to do.
const AGAIN: Duration = Duration::from_secs(2);
/// How long output is collected before it is shown, while more keeps coming.
const BATCH: Duration = Duration::from_millis(8);
/// How much text is given to the terminal between two looks at Ctrl-C.
const PIECE: usize = 64 * 1024;
/// How long a run may take to end after the session was restarted under it.
const END_LIMIT: Duration = Duration::from_secs(5);

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellEnd {
    /// With an exit code, when the server knows it.
    Finished(Option<i32>),
    /// It was never begun, or its end will never be known.
    Lost {
        /// The session takes another cell.
        usable: bool,
    },
    /// The kernel was started anew under it.
    Restarted,
    /// The session was destroyed under it.
    Destroyed,
    /// It runs on; the person leaves.
    LeftRunning,
}

/// How a cell is run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellOptions {
    /// Tell the time also of a quick success.
    pub(super) timed: bool,
    /// The session outlives this program, so that a cell can be left running.
    pub(super) outlives: bool,
    /// The code is ours: it is none of the person's cells.
    pub(super) ours: bool,
}

/// Why following a run stopped.
enum Pause {
    End(CellEnd),
    Question { is_password: bool },
    Menu,
}

/// What is typed or pasted for later.
#[derive(Debug, Default)]
pub(super) struct TypedAhead {
    /// Lines for questions to come; the last may be unfinished.
    answers: Option<String>,
    /// Keys that were pressed before a menu was shown.
    pub(super) keys: String,
}

/// Runs one cell to its end. Blocks the thread that owns the keyboard.
pub(super) fn run(
    runtime: &Handle,
    stage: &mut Stage,
    editor: &mut Editor,
    session: &dyn Remote,
    code: &str,
    options: CellOptions,
) -> Result<(CellEnd, TypedAhead), StageError> {
    let start = Instant::now();
    stage.interrupts.came();
    stage.console.begin_cell();
    let begun = runtime.block_on(stage.wait(String::new, session.execute(code.to_owned())))?;
    let run = match begun {
        Waited::Done(Ok(run)) => run,
        Waited::Done(Err(trouble)) => {
            stage.trouble(&trouble)?;
            return Ok((CellEnd::Lost { usable: true }, TypedAhead::default()));
        }
        Waited::Interrupted => {
            stage.note("not run")?;
            return Ok((CellEnd::Lost { usable: true }, TypedAhead::default()));
        }
    };
    let mut life = Life {
        runtime,
        stage,
        editor,
        session,
        run: Some(run),
        start,
        interrupted: None,
        silent_since_interrupt: false,
        flood: Flood::default(),
        typed: TypedAhead::default(),
        end_of_file_said: false,
        options,
    };
    let end = life.live()?;
    let start = life.start;
    let mut typed = std::mem::take(&mut life.typed);
    // What was pasted for questions that never came is not thrown away.
    typed.keys.push_str(&typed.answers.take().unwrap_or_default());
    let interrupted = life.interrupted.is_some();
    footer(stage, &end, since(start), options.timed, interrupted)?;
    Ok((end, typed))
}

struct Life<'a> {
    runtime: &'a Handle,
    stage: &'a mut Stage,
    editor: &'a mut Editor,
    session: &'a dyn Remote,
    /// Gone when the run was left or taken from us.
    run: Option<Box<dyn RemoteRun>>,
    start: Instant,
    /// When Ctrl-C was pressed last.
    interrupted: Option<Instant>,
    /// A program that printed since may have caught the interrupt and gone on, which is its right.
    silent_since_interrupt: bool,
    flood: Flood,
    typed: TypedAhead,
    end_of_file_said: bool,
    options: CellOptions,
}

impl Life<'_> {
    fn live(&mut self) -> Result<CellEnd, StageError> {
        loop {
            let mode = self.stage.hold_keys()?;
            let pause = self.runtime.clone().block_on(self.follow())?;
            let end = match pause {
                Pause::End(end) => Some(end),
                Pause::Menu => self.runtime.clone().block_on(self.menu())?,
                Pause::Question { is_password } => {
                    drop(mode);
                    let asked = Instant::now();
                    self.answer(is_password)?;
                    // The person's time is not the program's.
                    self.start += since(asked);
                    None
                }
            };
            if let Some(end) = end {
                self.stage.clear_spinner()?;
                open(self.stage.console.end_cell()?)?;
                return Ok(end);
            }
        }
    }

    /// Shows what comes until something is to be done about it.
    async fn follow(&mut self) -> Result<Pause, StageError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut quiet_since = Instant::now();
        loop {
            let Some(run) = &mut self.run else { return Ok(Pause::End(CellEnd::Lost { usable: true })) };
            let event = tokio::select! {
                biased;
                () = self.stage.interrupts.next() => {
                    if self.interrupt() {
                        return Ok(Pause::Menu);
                    }
                    continue;
                }
                _ = self.stage.window.recv() => {
                    self.stage.resized();
                    continue;
                }
                event = run.next() => event,
                _ = tick.tick() => {
                    if since(quiet_since) >= QUIET {
                        let label = if self.interrupted.is_some() { "interrupted; Ctrl-C again for more" } else { "" };
                        self.stage.spin(since(self.start), label)?;
                    }
                    continue;
                }
            };
            self.stage.clear_spinner()?;
            if let Some(pause) = self.show(event)? {
                return Ok(pause);
            }
            quiet_since = Instant::now();
        }
    }

    /// Shows an event and those that are here already; what is collected is written every few milliseconds.
    fn show(&mut self, first: Option<CellEvent>) -> Result<Option<Pause>, StageError> {
        let (mut begun, mut event) = (Instant::now(), first);
        let pause = loop {
            if !matches!(event, Some(CellEvent::Console(ConsoleRecord::Stdout(_) | ConsoleRecord::Stderr(_))))
            {
                self.end_flood()?;
            }
            if let Some(pause) = self.event(event)? {
                break Some(pause);
            }
            let Some(next) = self.run.as_mut().and_then(|run| run.next().now_or_never()) else { break None };
            event = next;
            if since(begun) >= BATCH {
                open(self.stage.console.flush()?)?;
                begun = Instant::now();
                if self.stage.interrupts.came() && self.interrupt() {
                    break Some(self.event(event)?.unwrap_or(Pause::Menu));
                }
            }
        };
        self.end_flood()?;
        open(self.stage.console.flush()?)?;
        Ok(pause)
    }

    /// Shows the end of what was held back after an interrupt.
    fn end_flood(&mut self) -> Result<(), StageError> {
        let Some(rest) = self.flood.rest() else { return Ok(()) };
        if rest.skipped > 0 {
            self.stage.note(&format!("[{} of output are not shown]", flood::bytes(rest.skipped)))?;
        }
        for (stream, text) in rest.tail {
            open(self.stage.console.text(stream, &text)?)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Option<CellEvent>) -> Result<Option<Pause>, StageError> {
        self.silent_since_interrupt &= !matches!(event, Some(CellEvent::Console(_)));
        Ok(match event {
            Some(CellEvent::Console(ConsoleRecord::Stdout(text))) => self.text(Stream::Stdout, &text)?,
            Some(CellEvent::Console(ConsoleRecord::Stderr(text))) => self.text(Stream::Stderr, &text)?,
            Some(CellEvent::Console(record)) => {
                open(self.stage.console.record(&record)?)?;
                None
            }
            Some(CellEvent::WaitingInput { is_password }) => Some(Pause::Question { is_password }),
            Some(CellEvent::NotStarted { waited }) => {
                let time = elapsed(waited);
                self.stage.note(&format!(
                    "the session has not begun with this cell after {time}; it may be busy"
                ))?;
                None
            }
            Some(CellEvent::Resumed) => {
                self.stage.note("the connection was lost and is back; nothing is missing")?;
                None
            }
            Some(CellEvent::Finished { exit_code }) => Some(Pause::End(CellEnd::Finished(exit_code))),
            Some(CellEvent::Lost { trouble, usable }) => {
                self.stage.trouble(&trouble)?;
                Some(Pause::End(CellEnd::Lost { usable }))
            }
            None => Some(Pause::End(CellEnd::Lost { usable: true })),
        })
    }

    /// Text in pieces, so that Ctrl-C is heard however much it is.
    fn text(&mut self, stream: Stream, text: &str) -> Result<Option<Pause>, StageError> {
        let mut rest = text;
        let mut menu = None;
        while !rest.is_empty() {
            let mut end = PIECE.min(rest.len());
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let Some((piece, tail)) = rest.split_at_checked(end) else { break };
            if self.flood.admits(stream, piece) {
                open(self.stage.console.text(stream, piece)?)?;
            }
            rest = tail;
            if self.stage.interrupts.came() && self.interrupt() {
                menu = Some(Pause::Menu);
            }
        }
        Ok(menu)
    }

    /// Ctrl-C was pressed: stops the program. True when the person wants more than that.
    fn interrupt(&mut self) -> bool {
        let again = self.interrupted.is_some_and(|last| since(last) < AGAIN || self.silent_since_interrupt);
        self.interrupted = Some(Instant::now());
        self.flood.interrupted();
        self.silent_since_interrupt = true;
        if let Some(run) = &self.run {
            run.interrupt();
        }
        again
    }

    /// The program waits for a line.
    fn answer(&mut self, is_password: bool) -> Result<(), StageError> {
        let waiting = self.typed.answers.take();
        let (ready, initial) = match waiting.as_deref().map(|text| text.split_once('\n')) {
            Some(Some((line, rest))) => (Some(line.to_owned()), rest.to_owned()),
            Some(None) => (None, waiting.unwrap_or_default()),
            None => (None, String::new()),
        };
        if let Some(line) = ready {
            self.typed.answers = (!initial.is_empty()).then_some(initial);
            let echo = if is_password { "\n".to_owned() } else { format!("{}\n", printable(&line)) };
            open(self.stage.console.text(Stream::Stdout, &echo)?)?;
            open(self.stage.console.flush()?)?;
            self.send(Zeroizing::new(line));
            return Ok(());
        }
        if is_password {
            self.typed.answers = (!initial.is_empty()).then_some(initial);
            return self.secret();
        }
        let prompt = self.stage.console.take_partial_line()?;
        let answer = self.editor.read_answer(&prompt, &initial);
        self.stage.console.line_was_read();
        self.stage.resized();
        match answer {
            Answer::Line { text, rest } => {
                self.typed.answers = rest;
                self.send(Zeroizing::new(text));
            }
            Answer::Interrupted => _ = self.interrupt(),
            Answer::End => self.send_end()?,
            Answer::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn secret(&mut self) -> Result<(), StageError> {
        open(self.stage.console.flush()?)?;
        let secret = read_secret();
        self.stage.raw("\n")?;
        self.stage.console.line_was_read();
        match secret {
            Ok(secret) => {
                use secrecy::ExposeSecret;
                self.send(Zeroizing::new(secret.expose_secret().to_owned()));
            }
            Err(SecretError::Interrupted) => _ = self.interrupt(),
            Err(SecretError::Eof) => self.send_end()?,
            Err(SecretError::Io(error)) => return Err(error.into()),
            Err(SecretError::NotATerminal) => {
                self.stage.trouble(&Trouble {
                    sentence: "cannot ask for a password: standard input is not a terminal".to_owned(),
                    hint: Some("an empty line was sent".to_owned()),
                })?;
                self.send(Zeroizing::default());
            }
        }
        Ok(())
    }

    fn send(&self, text: Zeroizing<String>) {
        // An answer that comes too late (the run was interrupted meanwhile) is not wanted any more.
        let _taken = self.run.as_ref().is_some_and(|run| run.send_input(text));
    }

    fn send_end(&mut self) -> Result<(), StageError> {
        if !std::mem::replace(&mut self.end_of_file_said, true) {
            self.stage.note("the protocol cannot say end of file; an empty line was sent")?;
        }
        self.send(Zeroizing::default());
        Ok(())
    }

    /// Asks what to do with a program that does not stop. Gives how the cell ends, if it does.
    async fn menu(&mut self) -> Result<Option<CellEnd>, StageError> {
        let keyboard = Keyboard::open()?;
        self.typed.keys.push_str(&keyboard.drain());
        self.stage.line(Some(Role::Note), menu::question(self.options.outlives))?;
        let mut held = Vec::new();
        let choice = loop {
            let Some(run) = &mut self.run else { break Choice::Wait };
            tokio::select! {
                biased;
                () = self.stage.interrupts.next() => run.interrupt(),
                _ = self.stage.window.recv() => self.stage.resized(),
                key = keyboard.key() => {
                    if let Some(choice) = menu::choice(key?, self.options.outlives) {
                        break choice;
                    }
                }
                event = run.next(), if held.len() < 256 => {
                    let over = !matches!(event, Some(CellEvent::Console(_)));
                    held.push(event);
                    if over {
                        break Choice::Wait;
                    }
                }
            }
        };
        for event in held {
            match self.event(event)? {
                Some(Pause::End(end)) => return Ok(Some(end)),
                Some(Pause::Question { is_password }) => {
                    // After so many Ctrl-Cs nobody wants to answer.
                    let _ = is_password;
                    self.send(Zeroizing::default());
                }
                Some(Pause::Menu) | None => {}
            }
        }
        open(self.stage.console.flush()?)?;
        self.interrupted = None;
        match choice {
            Choice::Wait => Ok(None),
            Choice::Restart => self.restart().await,
            Choice::Leave => {
                if let Some(run) = self.run.take() {
                    run.leave();
                }
                Ok(Some(CellEnd::LeftRunning))
            }
            Choice::Destroy => {
                let done =
                    self.stage.wait(|| "destroying the session".to_owned(), self.session.destroy()).await?;
                match done {
                    Waited::Done(Ok(())) => Ok(Some(CellEnd::Destroyed)),
                    Waited::Done(Err(trouble)) => self.stage.trouble(&trouble).map(|()| None),
                    Waited::Interrupted => Ok(None),
                }
            }
        }
    }

    async fn restart(&mut self) -> Result<Option<CellEnd>, StageError> {
        match self.stage.wait(|| "restarting the kernel".to_owned(), self.session.restart()).await? {
            Waited::Done(Ok(())) => {}
            Waited::Done(Err(trouble)) => return self.stage.trouble(&trouble).map(|()| None),
            Waited::Interrupted => return Ok(None),
        }
        let deadline = tokio::time::Instant::now() + END_LIMIT;
        while let Some(run) = &mut self.run {
            match tokio::time::timeout_at(deadline, run.next()).await {
                Ok(Some(CellEvent::Console(record))) => open(self.stage.console.record(&record)?)?,
                Ok(Some(CellEvent::Finished { .. } | CellEvent::Lost { .. }) | None) | Err(_) => {
                    self.run = None
                }
                Ok(Some(_)) => {}
            }
        }
        Ok(Some(CellEnd::Restarted))
    }
}

/// The line after a cell, when there is something to say.
fn footer(
    stage: &mut Stage,
    end: &CellEnd,
    time: Duration,
    timed: bool,
    interrupted: bool,
) -> Result<(), StageError> {
    stage.fresh_line()?;
    let signs = stage.paint.signs();
    let dot = signs.dot;
    match end {
        CellEnd::Finished(Some(0) | None) if timed || time >= QUIET => {
            stage.line(Some(Role::FooterOk), &format!("{} {}", signs.ok, elapsed(time)))
        }
        CellEnd::Finished(Some(0) | None) => Ok(()),
        // An exception says itself what it is.
        CellEnd::Finished(Some(1)) => {
            stage.line(Some(Role::FooterFail), &format!("{} {}", signs.fail, elapsed(time)))
        }
        CellEnd::Finished(Some(code)) if interrupted && *code == 130 => {
            stage.line(Some(Role::FooterFail), &format!("{} interrupted {dot} {}", signs.fail, elapsed(time)))
        }
        CellEnd::Finished(Some(code)) => stage.line(
            Some(Role::FooterFail),
            &format!("{} exit code {code} {dot} {}", signs.fail, elapsed(time)),
        ),
        CellEnd::Restarted => {
            stage.note("the kernel is new: all variables are gone (:replay runs the cells again)")
        }
        CellEnd::Destroyed => stage.note("the session is destroyed (:new opens another)"),
        CellEnd::Lost { .. } | CellEnd::LeftRunning => Ok(()),
    }
}

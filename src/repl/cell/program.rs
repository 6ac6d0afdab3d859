//! A program of a cell that has the terminal, as a script that is started at one: the keyboard and the screen are its own until
//! it ends. Keys pass as they are typed, also those that interrupt, end or suspend. Only a cell with a line of the shell may ask
//! for it, since the program's output passes unfiltered.

use super::{PauseReason, RunningCell};
use crate::render::Stream;
use crate::repl::keyboard::typed_text;
use crate::repl::terminal::{TerminalError, open};
use crate::terminal::{Keyboard, OwnLines, PassthroughGuard, suspend};
use bai_client::{Cell, RunEvent, RunSignal};
use bai_protocol::record::{ConsoleRecord, TerminalChange};

/// Whether the cell has a line of the shell, as IPython writes it, or a magic that may run one, also if the code keeps the output:
/// `lines = !COMMAND`.
pub(super) fn asks_for_terminal(cell: &Cell) -> bool {
    let is_of_shell = |text: &str| match text.trim_start().strip_prefix("%%") {
        Some(magic) => ["!", "sx", "system"].iter().any(|name| magic.starts_with(name)),
        None => text.trim_start().starts_with(['!', '%']),
    };
    let starts_program = |line: &str| line.split('=').any(is_of_shell) || line.contains("get_ipython()");
    matches!(cell, Cell::Query(code) if code.lines().any(starts_program))
}

/// The terminal, as far as programs of a cell may have it.
#[derive(Debug, Default)]
pub(super) struct ProgramTerminal {
    /// Whether they may.
    is_allowed: bool,
    is_open: bool,
    /// Whether the server waits for keys.
    is_asked: bool,
    /// How many pieces of keys were sent, and the last one.
    sent: u64,
    last: Vec<u8>,
    /// Keys that were read, and not sent.
    unsent: Vec<u8>,
    /// What programs have not read.
    unread: Vec<u8>,
}

impl ProgramTerminal {
    pub(super) fn of(is_allowed: bool) -> Self {
        ProgramTerminal { is_allowed, ..Self::default() }
    }

    /// The type of the terminal that programs may have.
    pub(super) fn kind(&self) -> Option<String> {
        self.is_allowed.then(crate::terminal::kind)
    }

    /// Whether a program has it.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Notes a change. Returns whether a program has it now.
    pub(super) fn change(&mut self, change: TerminalChange) -> bool {
        match change {
            TerminalChange::Open => {
                self.is_open = self.is_allowed;
                // It reads first what the one before it has not read.
                self.unread.clear();
            }
            TerminalChange::Closed { taken, unread } => {
                (self.is_open, self.is_asked) = (false, false);
                self.unread = unread.into_bytes();
                if std::mem::replace(&mut self.sent, taken) > taken {
                    self.unread.append(&mut self.last);
                }
            }
            // The last two are a script's.
            TerminalChange::Stopped | TerminalChange::Output(_) | TerminalChange::Keys(_) => {}
        }
        self.is_open
    }

    /// Notes a question. Returns whether it is for keys.
    pub(super) fn is_asked_for_keys(&mut self) -> bool {
        self.is_asked = self.is_open;
        self.is_open
    }

    /// What was typed and not read by any program.
    pub(super) fn take_unread(&mut self) -> String {
        self.unread.append(&mut self.unsent);
        typed_text(&std::mem::take(&mut self.unread))
    }
}

impl RunningCell<'_> {
    /// Gives the program the terminal until it ends. Returns what follows if that is not the rest of the cell.
    pub(super) async fn give_terminal(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        self.terminal.clear_spinner()?;
        self.end_flood()?;
        self.end_fold()?;
        self.terminal.begin_program()?;
        let (keyboard, passing) = (Keyboard::take()?, PassthroughGuard::enter());
        let result = self.follow_program(keyboard, &passing).await;
        drop(passing);
        self.terminal.end_program()?;
        result
    }

    async fn follow_program(
        &mut self,
        mut keyboard: Keyboard,
        passing: &PassthroughGuard,
    ) -> Result<Option<PauseReason>, TerminalError> {
        while self.program.is_open() {
            self.send_keys();
            let Some(run) = &mut self.run else { break };
            let event = tokio::select! {
                biased;
                // However much the program prints, Ctrl-C reaches it.
                bytes = keyboard.read(), if self.program.is_asked => {
                    self.program.unsent = bytes?;
                    if self.program.unsent.is_empty() {
                        // It is gone; the signal about that follows.
                        self.program.is_asked = false;
                    }
                    continue;
                }
                () = self.terminal.interrupts.next() => {
                    run.signal(RunSignal::Interrupt);
                    continue;
                }
                _ = self.terminal.window.recv() => {
                    // Also after another program has had the terminal.
                    keyboard.make_raw();
                    self.resized();
                    continue;
                }
                event = run.next() => event,
            };
            match event {
                Some(RunEvent::Console(ConsoleRecord::Stdout(text))) => {
                    self.fold.keep(&text);
                    open(self.terminal.console.text(Stream::Stdout, &text)?)?;
                    open(self.terminal.console.flush()?)?;
                    passing.update(self.terminal.console.passed());
                }
                Some(RunEvent::Console(ConsoleRecord::Terminal(TerminalChange::Stopped))) => {
                    suspend(true);
                    keyboard.make_raw();
                    self.resized();
                    if let Some(run) = &self.run {
                        run.signal(RunSignal::Continue);
                    }
                }
                Some(RunEvent::QuestionWithdrawn) => self.program.is_asked = false,
                event => {
                    let _lines = OwnLines::begin();
                    if let Some(pause @ PauseReason::End(_)) = self.event(event).await? {
                        return Ok(Some(pause));
                    }
                    open(self.terminal.console.flush()?)?;
                }
            }
        }
        Ok(None)
    }

    /// Sends keys that were read, if the server waits for them.
    fn send_keys(&mut self) {
        let program = &mut self.program;
        if program.unsent.is_empty() || !program.is_asked {
            return;
        }
        program.is_asked = false;
        if self.run.as_ref().is_some_and(|run| run.send_keys(program.unsent.clone())) {
            program.sent += 1;
            program.last = std::mem::take(&mut program.unsent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_with_a_line_of_the_shell_asks_for_the_terminal() {
        for (code, asks) in [
            ("!ls", true),
            ("for x in y:\n    !echo {x}", true),
            ("%pip install x", true),
            ("%%time\n!ls", true),
            ("!!ls", true),
            ("files = !ls", true),
            ("if x:\n    x, y=%sx ls", true),
            ("get_ipython().getoutput('ls')", true),
            ("%%sx\nls", true),
            ("%%bash\nls", false),
            ("x != y\nx % y\nx %= y\nx == y", false),
        ] {
            assert_eq!(asks_for_terminal(&Cell::query(code)), asks, "{code}");
        }
    }

    #[test]
    fn keys_that_no_program_has_read_are_kept() {
        let mut terminal = ProgramTerminal::of(true);
        assert!(terminal.change(TerminalChange::Open) && terminal.is_asked_for_keys());
        (terminal.sent, terminal.last, terminal.unsent) = (2, b"b\r".to_vec(), b"c\x1b[A".to_vec());
        assert!(!terminal.change(TerminalChange::Closed { taken: 1, unread: "a\n".into() }));
        assert!(!terminal.is_asked_for_keys());
        assert_eq!(terminal.take_unread(), "a\nb\nc");
        // A server that was not asked gets nothing.
        assert!(!ProgramTerminal::of(false).change(TerminalChange::Open));
    }
}

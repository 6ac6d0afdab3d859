//! The standard input of an interpreter: a pipe, or the terminal of a script's own.

use super::own_terminal::TerminalInput;
use super::stdin::{ReaderEvent, StandardInput};
use nix::unistd::Pid;

/// Where standard input comes from.
pub(super) enum Input {
    Pipe(StandardInput),
    Terminal(TerminalInput),
}

impl Input {
    /// Waits until input is to be asked for, or is not wanted any more. Cancel-safe.
    pub(super) async fn reader_event(&mut self, leader: Pid) -> ReaderEvent {
        match self {
            Input::Pipe(pipe) => pipe.reader_event(leader).await,
            Input::Terminal(terminal) => {
                terminal.wanted().await;
                ReaderEvent::Waits
            }
        }
    }

    /// Sends bytes. A terminal has no end: Ctrl-D is a byte of what is typed.
    pub(super) fn send(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        match self {
            Input::Pipe(pipe) => pipe.send(bytes, end, ahead),
            Input::Terminal(terminal) => terminal.send(bytes),
        }
    }

    /// What was typed into a terminal that has not taken it.
    pub(super) fn take_unwritten(&mut self) -> Vec<u8> {
        match self {
            Input::Pipe(_) => Vec::new(),
            Input::Terminal(terminal) => terminal.take_unwritten().to_vec(),
        }
    }

    /// The next wait has been announced by the driver.
    pub(super) fn wait_was_announced(&mut self) {
        if let Input::Pipe(pipe) = self {
            pipe.wait_was_announced();
        }
    }

    /// The program has stopped, or goes on.
    pub(super) fn hold(&mut self, is_held: bool) {
        if let Input::Terminal(terminal) = self {
            terminal.hold(is_held);
        }
    }

    /// SIGINT was sent.
    pub(super) fn was_interrupted(&mut self, leader: Pid) {
        match self {
            Input::Pipe(pipe) => pipe.was_interrupted(leader),
            Input::Terminal(terminal) => terminal.ask_again(),
        }
    }

    /// A new cell begins.
    pub(super) fn renew(&mut self) {
        match self {
            Input::Pipe(pipe) => pipe.renew(),
            Input::Terminal(terminal) => terminal.ask_again(),
        }
    }

    /// A cell is over.
    pub(super) fn cell_is_over(&mut self, leader: Pid) {
        if let Input::Pipe(pipe) = self {
            pipe.cell_is_over(leader);
        }
    }
}

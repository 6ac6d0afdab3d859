//! What a program reads: its standard input, which is a pipe or the terminal of a script's own, and the keys of a terminal beside it.

use super::own_terminal::TerminalInput;
use super::stdin::{ReaderEvent, StandardInput};
use super::terminal_keys::TerminalKeys;
use bai_protocol::record::{ConsoleRecord, TerminalChange};
use nix::unistd::Pid;

/// Where standard input comes from.
pub(super) enum Input {
    Pipe(StandardInput),
    Terminal(TerminalInput),
    /// A terminal that is shared with other programs, and standard input, if that is a pipe.
    Split(Option<StandardInput>, TerminalKeys),
    /// The program has ended.
    Over,
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
            Input::Split(pipe, keys) => {
                let pipe = async {
                    match pipe {
                        Some(pipe) => pipe.reader_event(leader).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! { biased;
                    wanted = keys.changed(leader) => ReaderEvent::Keys(wanted),
                    event = pipe => event,
                }
            }
            Input::Over => std::future::pending().await,
        }
    }

    /// Sends bytes. A terminal has no end: Ctrl-D is a byte of what is typed.
    pub(super) fn send(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        match self {
            Input::Pipe(pipe) => pipe.send(bytes, end, ahead),
            Input::Terminal(terminal) => terminal.send(bytes),
            Input::Split(pipe, _) => pipe.iter_mut().for_each(|pipe| pipe.send(bytes, end, ahead)),
            Input::Over => {}
        }
    }

    /// Types bytes into a terminal that is shared.
    pub(super) fn type_keys(&mut self, bytes: &[u8]) {
        if let Input::Split(_, keys) = self {
            keys.send(bytes);
        }
    }

    /// Whether the keys that were told last follow modes of the program's own, which are those of what it wrote before.
    pub(super) fn had_own_modes(&self) -> bool {
        matches!(self, Input::Split(_, terminal) if terminal.had_own_modes())
    }

    /// Output has just been read. Returns what is to be told before it: the modes that the program has set before it wrote that.
    pub(super) fn before_output(&mut self) -> Option<ConsoleRecord> {
        match self {
            Input::Split(_, keys) => {
                keys.take_changed_modes().map(|wanted| ConsoleRecord::Terminal(TerminalChange::Keys(wanted)))
            }
            Input::Pipe(_) | Input::Terminal(_) | Input::Over => None,
        }
    }

    /// What was typed into a terminal that has not taken it.
    pub(super) fn take_unwritten(&mut self) -> Vec<u8> {
        match self {
            Input::Pipe(_) | Input::Split(..) | Input::Over => Vec::new(),
            Input::Terminal(terminal) => terminal.take_unwritten().to_vec(),
        }
    }

    /// The next wait has been announced by the driver.
    pub(super) fn wait_was_announced(&mut self) {
        if let Input::Pipe(pipe) | Input::Split(Some(pipe), _) = self {
            pipe.wait_was_announced();
        }
    }

    /// The program has stopped, or goes on.
    pub(super) fn hold(&mut self, is_held: bool) {
        match self {
            Input::Pipe(_) | Input::Over => {}
            Input::Terminal(terminal) => terminal.hold(is_held),
            Input::Split(_, keys) => keys.hold(is_held),
        }
    }

    /// SIGINT was sent.
    pub(super) fn was_interrupted(&mut self, leader: Pid) {
        match self {
            Input::Pipe(pipe) => pipe.was_interrupted(leader),
            Input::Split(pipe, keys) => {
                keys.was_interrupted();
                pipe.iter_mut().for_each(|pipe| pipe.was_interrupted(leader));
            }
            Input::Terminal(terminal) => terminal.ask_again(),
            Input::Over => {}
        }
    }

    /// A new cell begins.
    pub(super) fn renew(&mut self) {
        match self {
            Input::Pipe(pipe) | Input::Split(Some(pipe), _) => pipe.renew(),
            Input::Split(None, _) | Input::Over => {}
            Input::Terminal(terminal) => terminal.ask_again(),
        }
    }

    /// A cell is over.
    pub(super) fn cell_is_over(&mut self, leader: Pid) {
        if let Input::Pipe(pipe) | Input::Split(Some(pipe), _) = self {
            pipe.cell_is_over(leader);
        }
    }
}

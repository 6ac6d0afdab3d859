//! The signals that this program gets while it follows a script, and the readers of its output that go away: what is for the
//! program is handed on, and the rest ends or suspends this one.

use super::ScriptRun;
use super::ending::{DRAIN_LIMIT, EarlyEnd, runs_processes};
use crate::cli::exit_status::Interrupt;
use crate::cli::stop_signals::StopSignal;
use crate::terminal::{FatalSignal, PassedSignals, suspend};
use bai_client::{OutputStream, RunSignal};
use nix::sys::signal::Signal;
use std::time::Duration;

/// A second Ctrl-C within this time ends this program without waiting for the remote one, if that is no process which gets
/// each of them.
const SECOND_INTERRUPT_LIMIT: Duration = Duration::from_secs(2);
/// One interrupt may come as two signals: `timeout` sends one to its child and one to the group.
const SAME_INTERRUPT_LIMIT: Duration = Duration::from_millis(100);
/// How long a program may take to stop, before this one stops without it.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Waits for the next signal to pass on.
pub(super) async fn passed(signals: &mut Option<PassedSignals>) -> Signal {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits until a program has had its time to stop.
pub(super) async fn stops_late(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

impl ScriptRun<'_> {
    /// Handles a signal that stops a command.
    pub(super) async fn stop(&mut self, signal: StopSignal) -> Result<(), EarlyEnd> {
        match signal {
            StopSignal::Interrupt if self.has_keyboard() => {
                self.interrupt = Some(Interrupt::Signal);
                self.run.signal(RunSignal::Interrupt);
                Ok(())
            }
            StopSignal::Interrupt => self.interrupt().await,
            StopSignal::Fatal(signal) if self.reaches_program().await => {
                self.signals.go_on();
                self.signalled.add(signal.into());
                self.run.signal(match signal {
                    FatalSignal::Terminate => RunSignal::Terminate,
                    FatalSignal::HangUp => RunSignal::HangUp,
                });
                Ok(())
            }
            // As Ctrl-C does; what the program prints on its way out arrives.
            StopSignal::Fatal(signal) if self.ending.is_none() => {
                self.ending = Some((signal, tokio::time::Instant::now() + DRAIN_LIMIT));
                self.run.interrupt();
                Ok(())
            }
            StopSignal::Fatal(signal) => Err(EarlyEnd::Fatal(signal)),
        }
    }

    /// Whether a signal reaches the program itself.
    pub(super) async fn reaches_program(&mut self) -> bool {
        self.passes_signals = self.passes_signals && runs_processes(self.session).await;
        self.passes_signals
    }

    /// Nobody reads a stream of the output any more.
    pub(super) async fn reader_gone(&mut self, stream: OutputStream) -> Result<(), EarlyEnd> {
        match stream {
            stream if self.reaches_program().await => self.run.signal(RunSignal::ReaderGone { stream }),
            OutputStream::Stdout => return Err(EarlyEnd::Output),
            OutputStream::Stderr => {}
        }
        Ok(())
    }

    /// Interrupts the program.
    pub(super) async fn interrupt(&mut self) -> Result<(), EarlyEnd> {
        let now = std::time::Instant::now();
        match self.interrupted.map(|before| now.duration_since(before)) {
            Some(since) if since < SAME_INTERRUPT_LIMIT => return Ok(()),
            Some(since) if since < SECOND_INTERRUPT_LIMIT && !self.reaches_program().await => {
                return Err(EarlyEnd::Interrupted);
            }
            _ => {}
        }
        self.interrupted = Some(now);
        self.interrupt = Some(Interrupt::Signal);
        self.secret = None;
        self.run.interrupt();
        Ok(())
    }

    /// Hands on a signal that is for the program.
    pub(super) async fn pass(&mut self, signal: Signal) {
        self.signalled.add(signal);
        let signal = match signal {
            Signal::SIGCONT => {
                // Another program may have had the terminal meanwhile.
                if let Some(keyboard) = self.terminal.as_mut().and_then(|terminal| terminal.keyboard.as_mut())
                {
                    keyboard.make_raw();
                }
                return;
            }
            Signal::SIGTSTP if !self.reaches_program().await => return self.suspend().await,
            Signal::SIGTSTP => {
                self.stops_alone = true;
                // One with a terminal decides itself whether it stops.
                self.stops_until = self.terminal.is_none().then(|| tokio::time::Instant::now() + STOP_LIMIT);
                RunSignal::Suspend
            }
            Signal::SIGUSR1 => RunSignal::User1,
            Signal::SIGUSR2 => RunSignal::User2,
            _ => RunSignal::Quit,
        };
        self.run.signal(signal);
    }

    /// Whether this program is to stop when the other one has.
    pub(super) fn may_stop(&self) -> bool {
        self.terminal.is_some() || self.stops_until.is_some()
    }

    /// The program has stopped, and so does this one. Then both go on.
    pub(super) async fn suspend(&mut self) {
        self.stops_until = None;
        self.output.flush().await;
        self.give_shared_back();
        // Where Ctrl-Z was a key of the script's terminal, the programs around this one have not seen it.
        suspend(self.terminal.is_some() && !std::mem::take(&mut self.stops_alone));
        self.take_shared_again();
        self.run.signal(RunSignal::Continue);
    }
}

//! The signals that stop a command without a prompt: Ctrl-C, SIGTERM and SIGHUP. A command makes one [`StopSignals`] before
//! it creates or uses a session and hands it on, so that a signal that comes between two waits is not lost.

use super::error::CliError;
use super::exit_status::{ExitStatus, Interrupt};
use crate::terminal::{FatalSignal, FatalSignals, listen_fatal, listen_interrupts};
use std::io;
use tokio::sync::watch;

/// A signal that stops a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopSignal {
    /// Ctrl-C: the remote program is interrupted.
    Interrupt,
    /// This program must end soon.
    Fatal(FatalSignal),
}

impl StopSignal {
    /// The exit status of a command that the signal has stopped.
    pub(super) fn exit(self) -> ExitStatus {
        match self {
            StopSignal::Interrupt => ExitStatus::Interrupted(Interrupt::Signal),
            StopSignal::Fatal(signal) => ExitStatus::of_signal(signal),
        }
    }
}

/// The signals that stop a command, from the creation of this value on.
#[derive(Debug)]
pub(super) struct StopSignals {
    interrupts: Interrupts,
    /// `None` where another part of the command receives them.
    fatal: Option<FatalSignals>,
}

impl StopSignals {
    /// Listens from now on. Before this call each of the signals ends the program at once, so it is made when there is something
    /// to put in order first, and not while a server is waited for.
    ///
    /// # Errors
    /// When the runtime cannot register the signals.
    pub(super) fn listen() -> Result<Self, CliError> {
        let failed = |error| CliError::new(ExitStatus::Failed, error);
        let fatal = listen_fatal().map_err(failed)?;
        Ok(Self { interrupts: Interrupts::listen().map_err(failed)?, fatal: Some(fatal) })
    }

    /// Ctrl-C for one of several parts of the command that run at the same time. It includes a Ctrl-C that this value has not
    /// received yet.
    pub(super) fn interrupts(&self) -> Self {
        Self { interrupts: self.interrupts.clone(), fatal: None }
    }

    /// The command goes on after SIGTERM or SIGHUP.
    pub(super) fn go_on(&mut self) {
        self.fatal.iter_mut().for_each(FatalSignals::go_on);
    }

    /// Waits for the next signal. Cancel-safe.
    pub(super) async fn recv(&mut self) -> StopSignal {
        tokio::select! {
            biased;
            signal = fatal(&mut self.fatal) => StopSignal::Fatal(signal),
            () = self.interrupts.recv() => StopSignal::Interrupt,
        }
    }
}

async fn fatal(signals: &mut Option<FatalSignals>) -> FatalSignal {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

/// How often Ctrl-C was pressed. A clone has what the original has not received yet.
#[derive(Clone, Debug)]
struct Interrupts(watch::Receiver<u64>);

impl Interrupts {
    fn listen() -> io::Result<Self> {
        let signals = listen_interrupts()?;
        let (count, receiver) = watch::channel(0);
        let Some(mut signals) = signals else { return Ok(Self(receiver)) };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = signals.recv() => count.send_modify(|count| *count += 1),
                    () = count.closed() => return,
                }
            }
        });
        Ok(Self(receiver))
    }

    async fn recv(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_of_a_command_gets_a_ctrl_c_that_came_before_it_began() {
        let (count, receiver) = watch::channel(0);
        let mut signals = StopSignals { interrupts: Interrupts(receiver), fatal: None };
        count.send_modify(|count| *count += 1);
        let mut part = signals.interrupts();
        assert_eq!(part.recv().await, StopSignal::Interrupt);
        assert_eq!(signals.recv().await, StopSignal::Interrupt);
        let mut later = signals.interrupts();
        let none = tokio::time::timeout(std::time::Duration::ZERO, later.recv()).await;
        assert!(none.is_err(), "it was received before this part began");
    }
}

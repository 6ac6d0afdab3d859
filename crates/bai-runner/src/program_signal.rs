//! Signals from outside for one running program: those that its client gets, and the closed pipe of a reader that has gone.

use super::outputs::Outputs;
use super::process::Process;
use bai_protocol::signal::{OutputStream, RunSignal};
use nix::sys::signal::Signal;

/// Lets the signal reach the program, but not the processes that it has started, as `kill` does.
pub(super) fn deliver(signal: RunSignal, process: &mut Process, outputs: &mut Outputs) {
    match signal {
        RunSignal::Terminate => process.signal_leader(Signal::SIGTERM),
        RunSignal::HangUp => process.signal_leader(Signal::SIGHUP),
        RunSignal::ReaderGone { stream: OutputStream::Stdout } => outputs.out.close(),
        RunSignal::ReaderGone { stream: OutputStream::Stderr } => outputs.err.close(),
        RunSignal::Interrupt => process.signal_leader(Signal::SIGINT),
        RunSignal::Quit => process.signal_leader(Signal::SIGQUIT),
        RunSignal::User1 => process.signal_leader(Signal::SIGUSR1),
        RunSignal::User2 => process.signal_leader(Signal::SIGUSR2),
        RunSignal::Suspend => process.suspend(),
        RunSignal::Continue => process.go_on(),
        other => tracing::warn!(?other, "an unknown signal"),
    }
}

//! How a run that was followed, or is followed no longer, becomes the exit status of this program.

use super::{ScriptRun, is_process};
use crate::cli::error::{CliError, exit_of};
use crate::cli::exit_status::{ExitStatus, Interrupt};
use crate::cli::output::{Output, OutputMessage};
use crate::cli::settle::settle;
use crate::render::Flow;
use crate::terminal::FatalSignal;
use bai_client::{ComputeSession, LostRun, SessionState};
use nix::sys::signal::SigSet;
use serde_json::json;
use std::time::Duration;

/// Time limit for the end of a program after the reader of its output is gone.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Why the loop ended before the run.
pub(super) enum EarlyEnd {
    /// The writer has no reader or failed.
    Output,
    /// The user pressed Ctrl-C again.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Fatal(FatalSignal),
}

/// What is known of a run that is followed no longer.
pub(super) struct Ending<'a> {
    pub(super) session: &'a ComputeSession,
    pub(super) ends_session: bool,
    /// Whether signals and closed pipes have reached the program itself.
    pub(super) passes_signals: bool,
    pub(super) was_interrupted: bool,
    /// How the last Ctrl-C came.
    pub(super) interrupt: Option<Interrupt>,
    /// The signal that ends this program once the remote one has ended.
    pub(super) signal: Option<FatalSignal>,
    /// The signals that were passed on to the program itself.
    pub(super) signalled: SigSet,
}

impl Ending<'_> {
    /// Writes the rest of the output. Returns the exit status.
    pub(super) async fn exit(
        self,
        ended: Result<ExitStatus, EarlyEnd>,
        output: Output,
    ) -> Result<ExitStatus, CliError> {
        match ended {
            Ok(_) | Err(EarlyEnd::Output) if let Some(signal) = self.signal => {
                let _ = output.finish().await;
                Ok(ExitStatus::of_signal(signal))
            }
            Ok(exit) => {
                let flow = output.finish().await?;
                let exit = match exit {
                    // It has seen the closed pipe itself.
                    exit if self.passes_signals
                        && (!self.was_interrupted || runs_processes(self.session).await) =>
                    {
                        exit
                    }
                    // Many kernels tell an interrupt as any other failure. A program's own code stays.
                    ExitStatus::Remote(1) if self.was_interrupted => ExitStatus::Remote(130),
                    exit => exit_with_reader(flow, exit),
                };
                Ok(match (exit, self.interrupt) {
                    (ExitStatus::Remote(130), Some(how)) => ExitStatus::Interrupted(how),
                    _ => exit.after_signals(self.signalled),
                })
            }
            Err(EarlyEnd::Interrupted) => Ok(ExitStatus::Interrupted(Interrupt::Signal)),
            Err(EarlyEnd::Fatal(signal)) => {
                // A session that ends needs no run that has ended well.
                if !self.ends_session {
                    settle(self.session).await;
                }
                Ok(ExitStatus::of_signal(signal))
            }
            Err(EarlyEnd::Output) => {
                let outcome = output.finish().await;
                self.session.settle(DRAIN_LIMIT).await;
                outcome.map(|_| ExitStatus::Ok)
            }
        }
    }
}

/// Whether what runs in this session is a process of its own, and not a part of a kernel that knows no signals.
pub(super) async fn runs_processes(session: &ComputeSession) -> bool {
    let info = session.info().await;
    let image = info.ok().and_then(|info| info.image().map(str::to_owned)).unwrap_or_default();
    is_process(&image)
}

/// A reader that is gone had enough output, so that is a success.
fn exit_with_reader(flow: Flow, exit: ExitStatus) -> ExitStatus {
    if flow == Flow::Closed { ExitStatus::Ok } else { exit }
}

impl ScriptRun<'_> {
    /// The run is lost: says why, and what follows.
    pub(super) async fn lost(&mut self, lost: LostRun) -> Result<ExitStatus, EarlyEnd> {
        self.leave_terminal().await;
        let why = lost.error.to_string();
        self.say(OutputMessage::Event(json!({"event": "lost", "why": why, "exitCode": lost.exit_code})))
            .await?;
        let hint = match lost.session {
            SessionState::Usable => "the session can still be used".to_owned(),
            SessionState::Stuck => {
                format!("the session takes no more code: bai-repl rm {} destroys it", self.session.name())
            }
            SessionState::Gone => "the session is gone".to_owned(),
            _ => "the server does not answer, so the state of the session is unknown".to_owned(),
        };
        let exit = match exit_of(lost.error.kind()) {
            ExitStatus::Failed | ExitStatus::Connect | ExitStatus::TimedOut => ExitStatus::Lost,
            other => other,
        };
        let exit = CliError::new(exit, &lost.error).hint(hint).report();
        Ok(lost.exit_code.map_or(exit, ExitStatus::Remote))
    }
}

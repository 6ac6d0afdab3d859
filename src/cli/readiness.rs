//! Checks that a session runs code, and installs the prelude, before a script's code is sent. Code that waits for another
//! client's program cannot be withdrawn without harm, but a run that ends at once can (`docs/wire` §3.6).

use super::error::CliError;
use super::exit_status::ExitStatus;
use super::stop_signals::StopSignals;
use crate::repl::PreludeUse;
use bai_client::{
    Api, Capability, Cell, ClientError, ComputeSession, Prelude, RunEvent, RunOptions, Transport,
};
use bai_protocol::language;
use std::sync::Arc;
use std::time::Duration;

/// Default time that a script waits for a session to run code.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);

/// What became of a script that has waited for too long.
pub(super) const NOT_RUN: &str = "the code was not run";

/// Whether the kernel of this image gets the prelude.
pub(super) async fn prelude_use(api: &Api, image: &str, wanted: bool) -> PreludeUse {
    let capabilities = api.capabilities().await;
    // The prelude is not tried with other languages.
    let takes_it = language::likely_of_image(image).is_some_and(|language| language.takes_prelude);
    match () {
        () if !Prelude::is_useful(&capabilities) || !takes_it => PreludeUse::Needless,
        () if wanted => PreludeUse::Wanted,
        () => PreludeUse::Unwanted,
    }
}

/// How long a script waits for a session to run code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The user did not say.
    Default,
    /// The user set a limit.
    Limit(Duration),
    /// The user wants none.
    Unlimited,
}

impl Patience {
    /// From `--max-wait`.
    pub(super) fn of(max_wait: Option<u32>) -> Self {
        match max_wait {
            None => Patience::Default,
            Some(0) => Patience::Unlimited,
            Some(seconds) => Patience::Limit(Duration::from_secs(seconds.into())),
        }
    }

    /// Whether the session must answer before the script's code is sent. Without a limit the script's own run can wait, if an
    /// abandoned run does not block the session on this server.
    fn needs_answer(self, abandonable_runs: bool) -> bool {
        self != Patience::Unlimited || !abandonable_runs
    }

    /// The time, if it has an end.
    pub(super) fn limit(self) -> Option<Duration> {
        match self {
            Patience::Default => Some(DEFAULT_PATIENCE),
            Patience::Limit(limit) => Some(limit),
            Patience::Unlimited => None,
        }
    }
}

/// How the wait for a session's answer ended.
pub(super) enum Readiness {
    /// It runs code; with the prelude, if that was installed.
    Ready(Option<Arc<Prelude>>),
    /// A signal ended the wait.
    Ended(ExitStatus),
}

/// Installs the prelude in a cluster's session if it is wanted, and waits until the session answers.
///
/// # Errors
/// [`ExitStatus::TimedOut`] if the session does not answer within `patience`, or the error of the server.
pub(super) async fn make_ready(
    session: &ComputeSession,
    prelude: PreludeUse,
    patience: Patience,
    signals: &mut StopSignals,
) -> Result<Readiness, CliError> {
    if !patience.needs_answer(session.api().has(Capability::AbandonableRuns).await) {
        return Ok(Readiness::Ready(None));
    }
    let limit = async {
        match patience.limit() {
            Some(patience) => tokio::time::sleep(patience).await,
            None => std::future::pending().await,
        }
    };
    // This is a separate task: dropping its run would interrupt what the session runs.
    let asking = tokio::spawn(ask(session.clone(), prelude));
    tokio::select! {
        biased;
        signal = signals.recv() => Ok(Readiness::Ended(signal.exit())),
        asked = asking => match asked {
            Ok(answered) => answered.map(Readiness::Ready).map_err(CliError::from),
            Err(error) => Err(CliError::new(ExitStatus::Failed, error)),
        },
        () = limit => Err(no_answer(session, NOT_RUN, patience.limit().unwrap_or_default())),
    }
}

/// Runs empty code, or installs the prelude, and waits until that ends. A server hands what the session printed between two
/// runs to the next run, so the empty run's output is kept for the script's own.
async fn ask(session: ComputeSession, prelude: PreludeUse) -> Result<Option<Arc<Prelude>>, ClientError> {
    if prelude == PreludeUse::Wanted {
        let prelude = Arc::new(Prelude::new(session));
        let installing = prelude.install();
        let telling = async {
            let mut told = None;
            loop {
                let (activity, error) = prelude.unanswered(told).await;
                told = Some(activity);
                eprintln!("bai-repl: {error}");
            }
        };
        return tokio::select! {
            installed = installing => installed.map(|_| Some(Arc::clone(&prelude))),
            () = telling => Ok(None),
        };
    }
    // A polled run ends when its turn comes, even if this client has gone.
    let options = RunOptions { bytes: true, repeats: true, ..RunOptions::over(Transport::Poll) };
    let mut run = session.execute(Cell::Query(String::new()), options).await?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(record) => session.keep_output(record),
            RunEvent::NotStarted { waited, activity, .. } => {
                eprintln!("bai-repl: {}", activity.delay(waited))
            }
            RunEvent::Lost(lost) => return Err(lost.error),
            _ => {}
        }
    }
    Ok(None)
}

/// The error for a session that has not answered for this time. `what` says what became of the command.
pub(super) fn no_answer(session: &ComputeSession, what: &str, patience: Duration) -> CliError {
    let name = session.name();
    let why = format!(
        "{what}: {name} has not answered for {} s; something else runs in it, or it is stuck",
        patience.as_secs()
    );
    let hint = format!(
        "--max-wait SECONDS waits longer, bai-repl interrupt {name} stops what runs in it, and bai-repl rm {name} destroys \
         it if it is stuck"
    );
    CliError::new(ExitStatus::TimedOut, why).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_waits_without_end_only_if_the_user_wants_that() {
        for abandonable in [true, false] {
            assert!(Patience::Default.needs_answer(abandonable));
            assert!(Patience::Limit(Duration::from_secs(1)).needs_answer(abandonable));
        }
        assert!(!Patience::Unlimited.needs_answer(true) && Patience::Unlimited.needs_answer(false));
        assert_eq!(Patience::Default.limit(), Some(Duration::from_secs(60)));
    }
}

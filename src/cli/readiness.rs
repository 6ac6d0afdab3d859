//! Whether a session takes code, and with the prelude, before a script's code is sent: what waits behind another client's
//! program cannot be withdrawn without harm, but a question that ends at once can (`docs/wire` §3.6).

use super::args::Open;
use super::error::CliError;
use super::exit_status::ExitStatus;
use crate::repl::PreludeUse;
use crate::terminal::FatalSignals;
use bai_client::{
    Api, Capability, Cell, ClientError, ComputeSession, Prelude, RunEvent, RunOptions, Transport,
};
use bai_protocol::language;
use std::sync::Arc;
use std::time::Duration;

/// How long a script waits for a session to take code, by default.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the kernel of this image gets the prelude, and why not.
pub(super) async fn prelude_use(api: &Api, image: &str, wanted: bool) -> PreludeUse {
    let capabilities = api.capabilities().await;
    let complete = capabilities.has(Capability::RichOutput) && capabilities.has(Capability::Completion);
    // Elsewhere the prelude is not even tried.
    let takes_it = language::likely_of_image(image).is_some_and(|language| language.takes_prelude);
    match () {
        () if complete || !takes_it => PreludeUse::Needless,
        () if wanted => PreludeUse::Wanted,
        () => PreludeUse::Unwanted,
    }
}

/// How long a script waits for a session to take code: `--max-wait`, where 0 means for ever.
pub(super) fn patience(open: &Open) -> Option<Duration> {
    match open.creation.max_wait {
        None => Some(PATIENCE),
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds.into())),
    }
}

/// Brings the prelude to a cluster's session where it is wanted, and sees in any case whether the session answers. The
/// exit code when a signal ended the wait.
///
/// # Errors
/// [`ExitStatus::TimedOut`] when it does not answer for as long as `patience` says; else what the server says.
pub(super) async fn make_ready(
    session: &ComputeSession,
    prelude: PreludeUse,
    patience: Option<Duration>,
    fatal: &mut FatalSignals,
) -> Result<Option<ExitStatus>, CliError> {
    // Where an abandoned run blocks no session, the script's own run can wait and be given up.
    if session.api().has(Capability::AbandonableRuns).await {
        return Ok(None);
    }
    let limit = async {
        match patience {
            Some(patience) => tokio::time::sleep(patience).await,
            None => std::future::pending().await,
        }
    };
    // A task of its own: to drop its run would interrupt whatever the session is at.
    let asking = tokio::spawn(ask(session.clone(), prelude));
    tokio::select! {
        biased;
        signal = fatal.recv() => Ok(Some(ExitStatus::of_signal(signal))),
        _ = tokio::signal::ctrl_c() => Ok(Some(ExitStatus::Remote(130))),
        asked = asking => match asked {
            Ok(answered) => answered.map(|()| None).map_err(CliError::from),
            Err(error) => Err(CliError::new(ExitStatus::Failed, error)),
        },
        () = limit => Err(no_answer(session, patience.unwrap_or_default())),
    }
}

/// One short run, read to its end.
async fn ask(session: ComputeSession, prelude: PreludeUse) -> Result<(), ClientError> {
    if prelude == PreludeUse::Wanted {
        let prelude = Arc::new(Prelude::new(session));
        let installing = prelude.install();
        let telling = async {
            prelude.unanswered().await;
            tell_silence();
            std::future::pending().await
        };
        return tokio::select! {
            installed = installing => installed.map(drop),
            () = telling => Ok(()),
        };
    }
    // Requests that wait one by one: such a run ends when its turn comes, even if this client has gone.
    let mut run = session.execute(Cell::Query(String::new()), RunOptions::over(Transport::Poll)).await?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::NotStarted { .. } => tell_silence(),
            RunEvent::Lost(lost) => return Err(lost.error),
            _ => {}
        }
    }
    Ok(())
}

fn tell_silence() {
    eprintln!("bai-repl: the session has not answered for 5 s: something else runs in it, or it is stuck");
}

fn no_answer(session: &ComputeSession, patience: Duration) -> CliError {
    let name = session.name();
    let why = format!(
        "the code was not run: {name} takes none for {} s now; something else runs in it, or it is stuck",
        patience.as_secs()
    );
    let hint = format!(
        "--max-wait SECONDS waits longer, bai-repl interrupt {name} stops what runs in it, and bai-repl rm {name} ends it if \
         it is stuck"
    );
    CliError::new(ExitStatus::TimedOut, why).hint(hint)
}

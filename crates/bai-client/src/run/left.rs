//! What a client finds in a session that it comes to: a cell that runs, and a run whose client has gone before it had collected its end. A server
//! with the capability `current-run` tells both (`docs/wire` §13.2). That of a cluster gives the session no other code until somebody collects that (`docs/wire` §3.6). With the id of the run, which the
//! names of the kept output tell, anybody can. A cell under that id would do, too, but a request that waits for its turn would take the end of that
//! cell for its own.
//!
//! A client that has gone between an interrupt and the empty line that the server needs at a question (`docs/wire` §3.10) leaves a run that has ended in its kernel
//! and not for its server. The kept output tells that too, and anybody can send the line.
//!
//! A client that only wants its own cell to begin collects the end of what was left before it, and shows none of it. It puts a mark beside the kept output then, by
//! which the next one that attaches finds it.
//!
//! Whether the other client lives cannot be known while its cell runs. So a run of a living client may be followed, too; both clients then find
//! what the other one has got in the kept output.

use super::activity::{Activity, Sight, look_at_kernel};
use super::answering::ask;
use super::driver::Start;
use super::ring::{self, Ended, Mark, Newest, Ring};
use super::{Run, RunEvent, RunOptions, Transport, poll};
use crate::error::ClientError;
use crate::prelude;
use crate::session::ComputeSession;
use crate::session_ref::SessionRef;
use bai_protocol::capability::Capability;
use bai_protocol::execute::RunId;
use bai_protocol::info::SessionInfo;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::time::{Duration, SystemTime};

/// How soon a session answers that waits for nobody.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How long a release may take before the session counts as one that does not answer. Where a run has no end to collect, the server takes 2 s.
const RELEASE_LIMIT: Duration = Duration::from_secs(8);

/// What occupies a session that a client comes to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Occupation {
    /// Whether a cell runs. Else an earlier client had left before one ended, and its output is there.
    pub is_running: bool,
    /// Since when the cell runs, by the clock of the session, if that is known.
    pub since: Option<SystemTime>,
    /// Whether the session takes other code only after the client of the cell has collected its end.
    pub needs_client: bool,
    /// The run, if it can be followed.
    run: Option<RunId>,
    /// The run of a client that is there, if it can be taken over.
    of_other: Option<RunId>,
}

impl Occupation {
    /// What a server tells that knows which runs have been left.
    fn told(info: &SessionInfo) -> Option<Occupation> {
        let (current, left) = (info.current_run(), info.left_run());
        let is_running = current.is_some();
        let of_other = current.clone().filter(|current| left.as_ref() != Some(current));
        // One that was left waits until what runs for another client is over.
        let run = left.filter(|left| current.as_ref().is_none_or(|current| current == left));
        (is_running || run.is_some()).then_some(Occupation {
            is_running,
            since: None,
            needs_client: false,
            run,
            of_other,
        })
    }

    /// Whether [`Occupation::taken_over`] would let it be followed.
    pub fn can_be_taken_over(&self) -> bool {
        self.run.is_none() && self.of_other.is_some()
    }

    /// The same, to follow the run of a client that is there: that one is told and hears no more of it. What can be followed in any case is
    /// unchanged.
    #[must_use]
    pub fn taken_over(self) -> Self {
        Occupation { run: self.run.or_else(|| self.of_other.clone()), ..self }
    }

    /// Whether [`ComputeSession::follow_left`] can follow it.
    pub fn can_be_followed(&self) -> bool {
        self.run.is_some()
    }
}

impl ComputeSession {
    /// What occupies the session of which the server has just told this: a cell of an earlier client or of another one, or the end of a
    /// run which an earlier client has not collected. The session is released from the latter. `None` if there is nothing, or if the
    /// session does not tell.
    pub async fn occupation(&self, info: &SessionInfo) -> Option<Occupation> {
        let capabilities = self.api().capabilities().await;
        if capabilities.has(Capability::CurrentRun) {
            return Occupation::told(info);
        }
        if !prelude::is_useful(&capabilities) {
            return None;
        }
        let ((sight, since), kept) = tokio::join!(look_at_kernel(&self.at), Ring::look(&self.at));
        let kept = kept.ok().flatten();
        let newest = kept.as_ref().and_then(Ring::newest);
        let end = match &newest {
            Some(newest) => newest.end(&self.at).await.ok()?,
            None => None,
        };
        match sight {
            Sight::Lives(Activity::Cell) => {
                let run = newest.and_then(|newest| newest.id()).filter(|_| end.is_none());
                Some(Occupation { is_running: true, since, needs_client: run.is_none(), run, of_other: None })
            }
            Sight::Lives(Activity::Nothing) => {
                let run = self.first_left(kept?, newest, end).await?;
                Some(Occupation {
                    is_running: false,
                    since: None,
                    needs_client: false,
                    run: Some(run),
                    of_other: None,
                })
            }
            _ => None,
        }
    }

    /// Releases the session if it waits for the client of the newest run. Returns the first of the runs that were left and that nobody has shown.
    async fn first_left(&self, kept: Ring, newest: Option<Newest>, end: Option<Ended>) -> Option<RunId> {
        let Some((is_shown, id)) = newest.and_then(|newest| Some((newest.is_shown, newest.id()?))) else {
            return kept.left();
        };
        let was_left = release_if_left(&self.at, &id, end).await?;
        kept.left().or((was_left && !is_shown).then_some(id))
    }

    /// Follows a run that another client has left, from its beginning as far as the session keeps that. `None` if it cannot be followed. The
    /// session takes the next run when it is over.
    ///
    /// # Errors
    /// As [`ComputeSession::execute`].
    pub async fn follow_left(
        &self,
        occupation: &Occupation,
        options: RunOptions,
    ) -> Result<Option<Run>, ClientError> {
        let Some(id) = occupation.run.clone() else { return Ok(None) };
        let run = match self.api().capabilities().await.has(Capability::CurrentRun) {
            true => self.resume(id, options).await?,
            false => {
                let options = RunOptions { transport: Transport::Poll, ..options };
                self.start(Start::Left { id, is_open: occupation.is_running }, options).await?
            }
        };
        self.is_last(&run);
        Ok(Some(run))
    }
}

/// Releases the session from the run that has written to the files last. Returns whether the session answers.
pub(super) fn release_newest(session: SessionRef) -> BoxFuture<'static, bool> {
    async move {
        let Ok(Some(kept)) = Ring::look(&session).await else { return false };
        let Some(newest) = kept.newest() else { return false };
        let Some(id) = newest.id() else { return false };
        let end = newest.end(&session).await.ok().flatten();
        release(&session, &id, end).await.is_some()
    }
    .boxed()
}

/// Releases the session if it waits for the client of this run, and returns whether it did. `None` if it does not answer.
async fn release_if_left(session: &SessionRef, id: &RunId, end: Option<Ended>) -> Option<bool> {
    let mut knocking = std::pin::pin!(knock(session));
    if let Ok(answers) = tokio::time::timeout(ANSWER_LIMIT, &mut knocking).await {
        return answers.then_some(false);
    }
    let was_left = release(session, id, end).await;
    knocking.await.then_some(was_left?)
}

/// Collects the end of a run, and marks it as left. Returns whether there was one. `None` if the session does not answer, which may be for the turn
/// of another run: this goes on then, so that the turn of this one ends as well.
async fn release(session: &SessionRef, id: &RunId, end: Option<Ended>) -> Option<bool> {
    let lacks_answer = end.is_some_and(|end| end.lacks_answer);
    let (session, run) = (session.clone(), id.clone());
    let collecting = tokio::spawn(async move {
        let was_left = poll::collect(session.clone(), run.clone(), lacks_answer).await;
        if matches!(was_left, Ok(true)) {
            ring::mark(&session, &run, Mark::Left).await;
        }
        was_left
    });
    let was_left = tokio::time::timeout(RELEASE_LIMIT, collecting).await.ok()?.ok()?.ok();
    tracing::info!(%id, ?was_left, "the end of a run of an earlier client was to be collected");
    was_left
}

/// Asks the session a question. Returns whether it answers.
async fn knock(session: &SessionRef) -> bool {
    let Ok(mut run) = ask(session, Start::Knock).await else { return false };
    loop {
        match run.next().await {
            Some(RunEvent::WaitingInput { .. }) => drop(run.send_input(String::new())),
            Some(RunEvent::Finished { .. }) => return true,
            Some(RunEvent::NotStarted { .. }) => {
                run.leave();
                return false;
            }
            Some(RunEvent::Lost(_)) | None => return false,
            Some(_) => {}
        }
    }
}

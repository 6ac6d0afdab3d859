//! Waits until a session takes code, for somebody who may not wait for ever. A question that still waits for its turn does no harm when its
//! client goes: it ends when its turn comes. A step of a batch would occupy the session of a cluster then (`docs/wire` §3.6).

use super::activity::Delay;
use super::driver::{Start, start_in_turn};
use super::turn::Turns;
use super::{Cell, Run, RunEvent, RunOptions, Transport};
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A question that is not interrupted when it is dropped: an interrupt would reach what the session runs instead.
struct Question(Option<Run>);

/// Runs empty code, and says in `delay` what the session does instead. Cancel-safe.
pub(crate) async fn until_it_answers(session: &SessionRef, delay: &Delay) -> Result<(), ClientError> {
    let run = ask(session, Start::Cell(Cell::query(""))).await?;
    let mut question = Question(Some(run));
    while let Some(event) = question.next().await {
        match event {
            RunEvent::NotStarted { waited, activity, .. } => delay.is(activity, waited),
            RunEvent::WaitingInput { .. } => question.answer(),
            RunEvent::Finished { .. } => return Ok(()),
            RunEvent::Lost(lost) => return Err(lost.error),
            _ => {}
        }
    }
    Err(ClientError::new(ErrorKind::Lost, "use the session", "its answer has no end"))
}

/// Begins a question that takes no turn: nobody of this process waits for its end, and what waits for a turn may be what it is for.
pub(super) async fn ask(session: &SessionRef, question: Start) -> Result<Run, ClientError> {
    let turns = Turns::new(Arc::new(Semaphore::new(1)));
    let options = RunOptions { repeats: true, ..RunOptions::over(Transport::Poll) };
    start_in_turn(session.clone(), &turns, question, options).await
}

impl Question {
    async fn next(&mut self) -> Option<RunEvent> {
        self.0.as_mut()?.next().await
    }

    /// Nobody asks the user here.
    fn answer(&mut self) {
        if let Some(run) = &mut self.0 {
            run.send_input(String::new());
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run.leave();
        }
    }
}

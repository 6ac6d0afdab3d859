//! What the run's task does about output that a broken connection has not brought: it reads what the kernel keeps, and ends the run when both
//! sources are at their end. How the two become one is in `kept`, and when to look in `catch_up`.

use super::{Driver, RunEvent};
use crate::error::{ClientError, ErrorKind};
use crate::run::activity::Sight;
use crate::run::catch_up::{Fetched, Outcome};
use crate::run::kept::not_kept;
use crate::run::link::Link;
use crate::run::link_event::LinkEnd;
use crate::run::lost_run;
use crate::run::machine::NextAction;
use crate::run::ring::{self, Mark};
use crate::run::{Answer, SessionState};
use bai_protocol::capability::Capability;
use bai_protocol::execute::{ExecuteResult, RunStatus};
use std::time::Duration;

/// A run whose end is known for this time without a word of the server needs another way to end there.
const END_IS_LOST: Duration = Duration::from_secs(1);
/// How long a run that is over waits until the one before it is marked as left.
const RELEASING_LIMIT: Duration = Duration::from_secs(3);

impl Driver {
    /// The part of a frame of the connection that follows what was shown.
    pub(super) fn in_order(&mut self, frame: ExecuteResult) -> ExecuteResult {
        let Some(catch_up) = &mut self.catch_up else { return frame };
        let asked = if let Link::Poll(poll) = &self.link { Some(poll.asked()) } else { None };
        if frame.status == RunStatus::Continued && frame.console.is_empty() {
            catch_up.heard_nothing(asked);
        }
        let frame = catch_up.kept.frame(frame, catch_up.is_alone(asked));
        let waits = frame.status == RunStatus::WaitingInput;
        catch_up.heard(waits);
        frame
    }

    /// A connection that is being restored has lost what it was bringing.
    pub(super) fn broke(&mut self, error: &ClientError) {
        tracing::info!(%error, "the connection of a run broke");
        self.session.api.breaks();
        match &mut self.catch_up {
            Some(catch_up) => catch_up.broke(),
            None => self.machine.emit(RunEvent::OutputLost(not_kept())),
        }
    }

    /// The server failed on some output.
    pub(super) fn output_lost(&mut self, error: ClientError) {
        match &mut self.catch_up {
            Some(catch_up) => catch_up.broke(),
            None => self.machine.emit(RunEvent::OutputLost(error)),
        }
    }

    /// Says that a break has cost nothing, once that is known.
    pub(super) fn restored(&mut self) {
        if self.catch_up.as_mut().is_some_and(|catch_up| catch_up.is_whole_again()) {
            self.machine.resumed();
        }
    }

    pub(super) fn look_for_output(&mut self) {
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.look(&self.session);
        }
    }

    /// A look for kept output is over.
    pub(super) async fn fetched(&mut self, fetched: Result<Fetched, ClientError>) {
        let Some(catch_up) = &mut self.catch_up else { return };
        let outcome = catch_up.fetched(fetched);
        let is_away = outcome == Outcome::Away;
        let frames = match outcome {
            Outcome::Bytes(bytes) => {
                let frames = catch_up.kept.read(&bytes);
                if let Some(error) = catch_up.kept.loss() {
                    self.machine.emit(RunEvent::OutputLost(error));
                }
                frames
            }
            Outcome::Nothing => self.doubted_answer().into_iter().collect(),
            Outcome::Away => Vec::new(),
            Outcome::NotBegun if self.begins_again() => Vec::new(),
            Outcome::NotBegun | Outcome::InVain => return self.read_in_vain().await,
        };
        if !is_away {
            self.restored();
        }
        for frame in frames {
            self.beginning.is_over();
            match self.frame(frame) {
                NextAction::Await | NextAction::Close => {}
                NextAction::Continue => self.go_on(),
                next => self.act(next).await,
            }
        }
        if matches!(self.link, Link::Broken(_)) {
            return self.end_without_connection();
        }
        if let Some(ending) = self.catch_up.as_mut().and_then(|catch_up| catch_up.kept.ending()) {
            let next = self.frame(ending);
            self.act(next).await;
        }
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.review();
        }
    }

    /// The question whose answer was lost with the connection, once the files should have told that it came.
    fn doubted_answer(&mut self) -> Option<ExecuteResult> {
        let catch_up = self.catch_up.as_mut()?;
        let waits = matches!(&self.link, Link::Poll(poll) if poll.has_answer());
        if waits || !catch_up.kept.doubts_answer() || !catch_up.answer_should_be_known() {
            return None;
        }
        catch_up.kept.ask_again()
    }

    /// Asks the server for more.
    pub(super) fn go_on(&mut self) {
        let Link::Poll(poll) = &mut self.link else { return };
        match &mut self.catch_up {
            Some(catch_up) if catch_up.kept.has_finished() => {}
            Some(catch_up) if catch_up.has_ended_for(END_IS_LOST) && catch_up.kept.lacks_answer() => {
                catch_up.kept.answered();
                poll.answer(&Answer::Line(Default::default()));
            }
            Some(catch_up) if catch_up.has_ended_for(END_IS_LOST) => poll.release(),
            _ => poll.go_on(),
        }
    }

    /// Sends the code of a run again that has not reached its kernel.
    fn begins_again(&mut self) -> bool {
        let Link::Poll(poll) = &mut self.link else { return false };
        poll.begin_again()
    }

    /// The files cannot help.
    async fn read_in_vain(&mut self) {
        let Some(mut catch_up) = self.catch_up.take() else { return };
        let ending = catch_up.kept.ending_with_loss();
        if let Link::Broken(error) = &self.link {
            let end = LinkEnd { error: error.clone(), resumable: true };
            return self.ended(end);
        }
        self.machine.emit(RunEvent::OutputLost(not_kept()));
        if let Some(ending) = ending {
            let next = self.frame(ending);
            self.act(next).await;
        }
    }

    /// The connection is over before the run. Returns the end if the files cannot help.
    pub(super) fn ended_with_kept(&mut self, end: LinkEnd) -> Option<LinkEnd> {
        let sends_again =
            self.capabilities.has(Capability::RunIds) && self.capabilities.has(Capability::NumberedFrames);
        if end.resumable && !sends_again {
            self.session.api.breaks();
        }
        let is_read = end.resumable && self.drain.is_none() && matches!(self.link, Link::Socket(_));
        match &mut self.catch_up {
            Some(catch_up) if is_read && !catch_up.is_in_vain() => {
                catch_up.broke();
                self.link = Link::Broken(end.error);
                None
            }
            _ => Some(end),
        }
    }

    /// The end of a run whose connection is lost for good.
    fn end_without_connection(&mut self) {
        let Some(catch_up) = &self.catch_up else { return };
        let Link::Broken(error) = &self.link else { return };
        if self.machine.is_waiting() {
            let why = "the program asks for input, and the connection that could bring it has broken";
            let error = ClientError::new(ErrorKind::Lost, "follow the run", why).into_sentence();
            return self.lose(error, SessionState::Stuck);
        }
        let Some(code) = catch_up.kept.end() else { return };
        let why = format!("the connection broke ({}); no output is missing", error.why());
        let error = ClientError::new(ErrorKind::Lost, "follow the run", why).into_sentence();
        self.ended = Some(code);
        if self.ends_session {
            return self.finish();
        }
        let session = self.session.clone();
        // The program has come to its end, so that a trial interrupts nothing.
        self.link = Link::Asking(error, Box::pin(async move { lost_run::examine(&session, false).await }));
    }

    /// The last event of a run whose end only the files have told.
    pub(super) fn finish(&mut self) {
        let exit_code = self.ended;
        let ending = ExecuteResult { exit_code, ..ExecuteResult::new(RunStatus::Finished) };
        self.frame(ending);
    }

    /// Finishes what it has begun for others: the mark of a run that was left, and that of one which is shown to its end by the files.
    pub(super) async fn leave_marks(&mut self) {
        if self.drain.is_some() || self.ends_session {
            return;
        }
        if let Some(releasing) = self.releasing.take() {
            let _ = tokio::time::timeout(RELEASING_LIMIT, releasing).await;
        }
        if let Some(catch_up) = &self.catch_up
            && catch_up.has_shown_end()
        {
            ring::mark(&self.session, catch_up.name(), Mark::Shown).await;
        }
    }

    /// Whether the end of the kernel or the session is told later, after what is left of the output.
    pub(super) fn reads_on(&mut self, sight: &Sight) -> bool {
        let Some(catch_up) = &mut self.catch_up else { return false };
        let reads_on = matches!(sight, Sight::KernelEnded { .. })
            && catch_up.kept.is_behind()
            && !catch_up.is_at_end()
            && !catch_up.is_in_vain();
        if reads_on {
            catch_up.hurry();
            self.watch.rest();
            self.watch.hurry(END_IS_LOST);
        }
        reads_on
    }
}

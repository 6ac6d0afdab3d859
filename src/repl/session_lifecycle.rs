//! The session of the prompt: it is opened while the user types the first line, awaited by the first cell, and destroyed or
//! kept when the user leaves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::cell::{self, CellOptions, Work};
use super::completion::CompletionSource;
use super::editor::Notifier;
use super::idle_output::IdleOutput;
use super::options::{OnLeave, ReplExit};
use super::session::{OpenProgress, PromptSession, SessionError};
use super::state::{LoopAction, Repl, SessionPhase};
use super::terminal::{TerminalError, WaitOutcome};
use bai_client::{Activity, Cell, Occupation, SessionState};
use bai_protocol::execute::BatchOptions;

/// How long a signal may take to end this program after it has parted with the session.
const DEATH_LIMIT: Duration = Duration::from_secs(1);
/// How many runs of earlier clients are followed one after the other.
const MOST_LEFT: usize = 32;
/// How long the answer is waited for whether the session lives, and what it runs.
const CHECK_LIMIT: Duration = Duration::from_secs(2);
/// How long leaving waits for a session that no server has confirmed yet.
const UNCONFIRMED_LIMIT: Duration = Duration::from_secs(1);

impl Repl {
    /// Parts with the session when a signal such as SIGHUP ends this program.
    pub(super) fn part_on_fatal_signals(&mut self) -> Result<(), TerminalError> {
        let _guard = self.runtime.enter();
        let mut signals = crate::terminal::listen_fatal()?;
        let parting = Arc::clone(&self.parting);
        self.fatal_signals = Some(self.runtime.spawn(async move {
            let signal = signals.recv().await;
            parting.part().await;
            signal.die();
        }));
        Ok(())
    }

    /// Parts with the session when the terminal has gone. A signal may say that too.
    pub(super) fn part_without_terminal(&mut self) {
        if self.open_session().is_none() {
            return;
        }
        let (parting, task) = (Arc::clone(&self.parting), self.fatal_signals.take());
        self.runtime.block_on(async move {
            if !parting.part().await
                && let Some(task) = task
            {
                // It ends this program.
                let _ = tokio::time::timeout(DEATH_LIMIT, task).await;
            }
        });
    }

    /// Starts to open the session in the background.
    pub(super) fn start_opening(&mut self) {
        let (progress, status, give_up) = OpenProgress::new();
        let (sender, done) = oneshot::channel();
        let opening = (self.opener)(progress);
        let completer = Arc::clone(&self.completer);
        let at_prompt = Arc::clone(&self.at_prompt);
        let notifier = self.editor.notifier();
        let (parting, on_leave) = (Arc::clone(&self.parting), self.on_leave);
        let pending_note = Arc::clone(&self.pending_note);
        self.stop_listening();
        let (idle, listening) = (Arc::clone(&self.idle), Arc::clone(&self.listening));
        let told = self.occupation.as_ref().map(|_| Activity::Cell);
        let is_left = self.occupation.as_ref().is_some_and(Occupation::can_be_followed);
        self.runtime.spawn(async move {
            let opened = opening.await;
            match &opened {
                Ok(session) => {
                    let source: Arc<dyn CompletionSource> = Arc::<PromptSession>::clone(session);
                    completer.set_source(Some(source));
                    session.connect_ahead().await;
                    if idle.can_show() {
                        let task = tokio::spawn(listen(Arc::clone(session), idle)).abort_handle();
                        *listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
                    }
                    if !is_left {
                        let preparing = session.prepare(told);
                        tokio::spawn(show_error(preparing, Arc::clone(&at_prompt), notifier.clone()));
                    }
                    match session.note().map(str::to_owned) {
                        Some(note) if at_prompt.load(Ordering::Relaxed) && notifier.show(&note) => {}
                        note => *pending_note.lock().unwrap_or_else(PoisonError::into_inner) = note,
                    }
                    parting.is_from(Arc::clone(session), on_leave);
                }
                Err(error) if at_prompt.load(Ordering::Relaxed) => {
                    let hint = error.hint.as_ref().map(|hint| format!("{hint}\n")).unwrap_or_default();
                    // If the notifier cannot show it, the next cell reports it.
                    let _ = notifier.show(&format!("{error}\n{hint}:new tries again, :quit leaves"));
                }
                Err(_) => {}
            }
            // The prompt may have ended already.
            let _ = sender.send(opened);
        });
        self.phase = SessionPhase::Opening { done, status, give_up };
    }

    /// Says what occupied the session when it was looked up, and follows the runs of other clients to their ends, if that is possible. The
    /// session takes other code then.
    pub(super) fn tell_occupation(&mut self) -> Result<LoopAction, TerminalError> {
        let mut has_followed = false;
        for _ in 0..MOST_LEFT {
            let Some(occupation) = self.occupation.take() else { break };
            self.terminal.note(&occupied(&occupation))?;
            if !occupation.can_be_followed() {
                break;
            }
            has_followed = true;
            let options = CellOptions { ours: true, outlives: self.outlives, ..CellOptions::default() };
            let (_, then) = self.run_work(Work::Left(occupation), options)?;
            if then == LoopAction::Quit {
                return Ok(then);
            }
            self.occupation = self.next_occupation();
        }
        if let Some(session) = self.open_session().filter(|_| has_followed && !self.lost) {
            let _inside = self.runtime.enter();
            let (at_prompt, notifier) = (Arc::clone(&self.at_prompt), self.editor.notifier());
            self.runtime.spawn(show_error(session.prepare(None), at_prompt, notifier));
        }
        Ok(LoopAction::Continue)
    }

    /// What occupies the session after a run that was followed: earlier clients may have left several.
    fn next_occupation(&mut self) -> Option<Occupation> {
        let session = self.open_session().filter(|_| !self.lost)?;
        // This is a separate task: a look that is cut off would interrupt what the session runs.
        let looking = self.runtime.spawn(async move { session.occupation().await });
        self.runtime.block_on(async { tokio::time::timeout(CHECK_LIMIT, looking).await }).ok()?.ok()?
    }

    /// Leaves what the session prints between two cells to others.
    fn stop_listening(&self) {
        let task = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        task.iter().for_each(tokio::task::AbortHandle::abort);
    }

    /// Waits for the session. `None` if there is no session; then the reason is shown.
    pub(super) fn session(&mut self) -> Result<Option<Arc<PromptSession>>, TerminalError> {
        if let SessionPhase::Opening { done, status, .. } = &mut self.phase {
            let label = || match status.borrow().as_str() {
                "" => "opening the session".to_owned(),
                status => format!("opening the session: {status}"),
            };
            let waited = self.runtime.block_on(self.terminal.wait(label, done))?;
            self.phase = match waited {
                WaitOutcome::Done(Ok(Ok(session))) => SessionPhase::Open(session),
                WaitOutcome::Done(Ok(Err(error))) => SessionPhase::Failed(error),
                WaitOutcome::Done(Err(_)) => SessionPhase::Failed(SessionError::new(
                    "the session could not be opened: the attempt was aborted",
                    None,
                )),
                WaitOutcome::Interrupted => {
                    self.terminal.note("not run; the session is still being opened")?;
                    return Ok(None);
                }
            };
        }
        let note = self.pending_note.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(note) = note {
            self.terminal.note(&note)?;
        }
        match &self.phase {
            SessionPhase::Open(session) => return Ok(Some(Arc::clone(session))),
            SessionPhase::Failed(error) => {
                let error = error.clone();
                self.terminal.error(&error)?;
                self.terminal.note("there is no session: :new tries again, :quit leaves")?;
            }
            SessionPhase::Destroyed => {
                self.terminal.note("there is no session: :new opens one, :quit leaves")?
            }
            SessionPhase::Gone => {
                self.terminal.note("the session is gone: :restart or :new opens it again, :quit leaves")?
            }
            SessionPhase::Opening { .. } => {}
        }
        Ok(None)
    }

    /// Shows an error of a request about the session. The prompt forgets a session that is gone.
    pub(super) fn session_error(&mut self, error: &SessionError) -> Result<(), TerminalError> {
        self.terminal.error(error)?;
        if error.session_is_gone { self.session_is_gone() } else { Ok(()) }
    }

    /// Forgets the session, which has ended without the prompt, and says what the user can do.
    pub(super) fn session_is_gone(&mut self) -> Result<(), TerminalError> {
        self.forget_session();
        self.phase = SessionPhase::Gone;
        self.terminal.note(
            "the session is gone, with its variables: :restart or :new opens it again, :replay also runs its cells \
             again",
        )
    }

    /// The session, if it is open now. Does not wait.
    pub(super) fn open_session(&mut self) -> Option<Arc<PromptSession>> {
        if let SessionPhase::Opening { done, .. } = &mut self.phase
            && let Ok(opened) = done.try_recv()
        {
            self.phase = opened.map_or_else(SessionPhase::Failed, SessionPhase::Open);
        }
        match &self.phase {
            SessionPhase::Open(session) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Whether the session is destroyed when the user leaves.
    pub(super) fn leaving_destroys_session(&self) -> bool {
        self.on_leave == OnLeave::Destroy && self.left_running.is_none()
    }

    /// Forgets the session, which is gone. Its cells are kept, so that they can be run again in the next session.
    pub(super) fn forget_session(&mut self) {
        self.phase = SessionPhase::Destroyed;
        self.parting.forget();
        self.completer.set_source(None);
        self.lost = false;
    }

    /// Waits for a session that is being opened until it can be destroyed. It need not be running for that.
    fn wait_until_destroyable(&mut self) -> Result<(), TerminalError> {
        let SessionPhase::Opening { done, status, give_up } = &mut self.phase else { return Ok(()) };
        let is_confirmed = !status.borrow().is_empty();
        let limit = if is_confirmed { Duration::MAX } else { UNCONFIRMED_LIMIT };
        if is_confirmed {
            give_up.cancel();
        }
        let label = || "waiting for the session, to destroy it; Ctrl-C leaves without that".to_owned();
        // The timer must be created on the runtime.
        let opened = async move { tokio::time::timeout(limit, done).await };
        match self.runtime.block_on(self.terminal.wait(label, opened))? {
            WaitOutcome::Done(Ok(Ok(Ok(session)))) => self.phase = SessionPhase::Open(session),
            WaitOutcome::Done(_) => {}
            WaitOutcome::Interrupted => self.terminal.note("the session may still be created")?,
        }
        Ok(())
    }

    /// Destroys or keeps the session, and says which.
    pub(super) fn leave(&mut self) -> Result<ReplExit, TerminalError> {
        let ended = if self.leaving_destroys_session() { self.end_kernel() } else { Ok(()) };
        self.stop_listening();
        // Also if the terminal has gone meanwhile.
        let session = self.destroy_or_keep_session()?;
        ended?;
        if let Some(listening) = self.fatal_signals.take() {
            listening.abort();
            // The next prompt must not start to listen before this one has stopped.
            let _ = self.runtime.block_on(listening);
        }
        let session_was_lost = matches!(self.phase, SessionPhase::Gone);
        Ok(ReplExit { next: self.next.take(), session, session_was_lost })
    }

    /// Lets a kernel that has run cells end as it does by itself, and shows what it prints then.
    pub(super) fn end_kernel(&mut self) -> Result<(), TerminalError> {
        let Some(session) = self.open_session().filter(|_| !self.cells.is_empty() && !self.lost) else {
            return Ok(());
        };
        let knows = async { tokio::time::timeout(UNCONFIRMED_LIMIT, session.has_last_words()).await };
        if self.runtime.block_on(knows).unwrap_or(false) {
            let end = BatchOptions { end: true, ..BatchOptions::default() };
            let options = CellOptions { ours: true, is_end: true, ..CellOptions::default() };
            cell::run(
                &self.runtime,
                &mut self.terminal,
                &mut self.editor,
                &session,
                &self.idle,
                Cell::Batch(end).into(),
                options,
            )?;
        }
        Ok(())
    }

    fn destroy_or_keep_session(&mut self) -> Result<Option<String>, TerminalError> {
        if self.on_leave == OnLeave::Destroy {
            self.wait_until_destroyable()?;
        }
        let Some(session) = self.open_session() else { return Ok(None) };
        let name = session.name().to_owned();
        if self.on_leave == OnLeave::Keep && self.left_running.is_none() {
            let label = || "waiting for the kernel".to_owned();
            self.runtime.block_on(self.terminal.wait(label, session.settle()))?;
        }
        if self.on_leave == OnLeave::Keep || self.left_running.is_some() {
            let label = || "asking whether the session lives".to_owned();
            let checked = async { tokio::time::timeout(CHECK_LIMIT, session.check()).await };
            let known = match self.runtime.block_on(self.terminal.wait(label, checked))? {
                WaitOutcome::Done(Ok(Err(error))) if error.session_is_gone => {
                    self.phase = SessionPhase::Gone;
                    self.terminal.error(&error)?;
                    self.terminal.note(&format!("session {name} is gone, with its variables"))?;
                    return Ok(None);
                }
                WaitOutcome::Done(Ok(Ok(()))) => "",
                _ => ", as far as is known: its server does not answer",
            };
            if !self.quiet {
                let stays = match self.left_running {
                    None => format!("stays{known}; bai-repl attach {name} continues with it"),
                    Some(SessionState::Usable) => {
                        format!("and its program run on{known}; bai-repl attach {name} goes to them")
                    }
                    Some(_) => format!(
                        "and its program run on{known}, but the session takes no more code; its files can be \
                         fetched, and bai-repl rm {name} ends it"
                    ),
                };
                self.terminal.note(&format!("session {name} {stays}"))?;
            }
            return Ok(Some(name));
        }
        let label = || format!("destroying session {name}");
        match self.runtime.block_on(self.terminal.wait(label, session.destroy()))? {
            WaitOutcome::Done(Ok(())) if self.quiet => {}
            WaitOutcome::Done(Ok(())) => self.terminal.note(&format!("session {name} is destroyed"))?,
            WaitOutcome::Done(Err(error)) if error.session_is_gone => {
                self.terminal.note(&format!("session {name} is gone: {error}"))?;
            }
            WaitOutcome::Done(Err(error)) => self.terminal.error(&error)?,
            WaitOutcome::Interrupted => self.terminal.note(&format!("session {name} may still exist"))?,
        }
        Ok(None)
    }
}

/// Receives what the session prints between two cells.
async fn listen(session: Arc<PromptSession>, idle: Arc<IdleOutput>) {
    if let Some(listener) = session.listen().await {
        idle.follow(listener).await;
    }
}

/// What occupies the session, in words.
fn occupied(occupation: &Occupation) -> String {
    if !occupation.is_running {
        return "an earlier client has left a cell, which has ended since; this is its output".to_owned();
    }
    let since = occupation.since.map(|since| format!(", since {}", crate::format::clock(since)));
    let what = format!(
        "the session still runs a cell of an earlier client, or of another one{}",
        since.unwrap_or_default()
    );
    if occupation.can_be_followed() {
        return format!("{what}; its output follows, and Ctrl-C interrupts it");
    }
    if occupation.can_be_taken_over() {
        return format!(
            "{what}; what you type waits for its end, :interrupt interrupts it, and `bai-repl attach --take` takes it over"
        );
    }
    let until = if occupation.needs_client { "until that client has got its end" } else { "for its end" };
    format!("{what}; what you type waits {until}, and :interrupt interrupts it")
}

/// Shows an error above the line that the user types, if a new session does not answer. A cell that waits reports the same
/// error.
async fn show_error(
    preparing: BoxFuture<'static, Option<SessionError>>,
    at_prompt: Arc<AtomicBool>,
    notifier: Notifier,
) {
    if let Some(error) = preparing.await
        && at_prompt.load(Ordering::Relaxed)
    {
        let hint = error.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        let _ = notifier.show(&format!("{error}{hint}"));
    }
}

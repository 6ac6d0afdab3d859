//! Runs the commands that the prompt shares with the command line, and switches to another session.

use std::time::Duration;

use super::command_actions::CommandResult;
use super::delegated::DelegatedCommand;
use super::options::NextSession;
use super::session::SessionError;
use super::shell_words;
use super::state::{LoopAction, Repl};
use super::terminal::WaitOutcome;

/// Time limit for an interrupted command to end by itself.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(2);

impl Repl {
    /// Shows the view of a command, if it has one and no argument; otherwise runs the command, which prints text.
    pub(super) fn show_view_or_run(&mut self, command: DelegatedCommand, argument: &str) -> CommandResult {
        match command {
            _ if !argument.is_empty() || !self.can_show_views() => self.run_delegated(command, argument),
            DelegatedCommand::Files => self.files(),
            DelegatedCommand::Logs => self.follow_log(),
            _ => self.run_delegated(command, argument),
        }
    }

    fn run_delegated(&mut self, command: DelegatedCommand, argument: &str) -> CommandResult {
        let words = match shell_words::split(argument) {
            Ok(words) => words,
            Err(sentence) => return self.fail(sentence, None),
        };
        if words.iter().any(|word| word == "-") {
            return self
                .fail("- cannot be used here: the prompt needs standard input and output".to_owned(), None);
        }
        let Some(session) = self.session()? else { return Ok(LoopAction::Continue) };
        let (delegated, session) = (std::sync::Arc::clone(&self.delegated), session.client().clone());
        let (runtime, terminal) = (self.runtime.clone(), &mut self.terminal);
        let done = runtime.block_on(async {
            terminal.fresh_line()?;
            let _keys = terminal.hold_keys()?;
            let running = delegated.run(command, session, words);
            tokio::pin!(running);
            let done = tokio::select! { biased;
                done = &mut running => WaitOutcome::Done(done),
                () = terminal.interrupts.next() => match tokio::time::timeout(INTERRUPT_LIMIT, running).await {
                    Ok(done) => WaitOutcome::Done(done),
                    Err(_) => WaitOutcome::Interrupted,
                },
            };
            Ok::<_, super::terminal::TerminalError>(done)
        })?;
        self.terminal.console.line_was_read();
        // A Ctrl-C that the command received must not interrupt the next cell.
        self.terminal.interrupts.came();
        match done {
            WaitOutcome::Done(Ok(())) => Ok(LoopAction::Continue),
            WaitOutcome::Done(Err(error)) => self.terminal.error(&error).map(|()| LoopAction::Continue),
            WaitOutcome::Interrupted => self.terminal.note("interrupted").map(|()| LoopAction::Continue),
        }
    }

    /// Switches to an existing session. This one is left as when the user quits.
    pub(super) fn attach_session(&mut self, session: String) -> CommandResult {
        if self.open_session().is_some_and(|open| open.name() == session) {
            self.terminal.note(&format!("this prompt is on the session {session} already"))?;
            return Ok(LoopAction::Continue);
        }
        let delegated = std::sync::Arc::clone(&self.delegated);
        self.switch_session("asking", delegated.find(session.clone()), NextSession::Attach(session))
    }

    /// Switches to a new session of an image. This one is left as when the user quits, once the new one runs.
    pub(super) fn create_session(&mut self, image: String) -> CommandResult {
        let delegated = std::sync::Arc::clone(&self.delegated);
        self.switch_session("opening the new session", delegated.create(image), NextSession::Created)
    }

    /// Switches to another session if `ready` says that it can be used.
    fn switch_session(
        &mut self,
        label: &str,
        ready: impl Future<Output = Result<(), SessionError>>,
        next: NextSession,
    ) -> CommandResult {
        match self.runtime.block_on(self.terminal.wait(|| label.to_owned(), ready))? {
            WaitOutcome::Done(Ok(())) => {
                self.next = Some(next);
                Ok(LoopAction::Quit)
            }
            WaitOutcome::Done(Err(error)) => self.terminal.error(&error).map(|()| LoopAction::Continue),
            WaitOutcome::Interrupted => self.terminal.note("given up").map(|()| LoopAction::Continue),
        }
    }
}

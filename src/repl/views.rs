//! The full-screen views of the prompt: the choice of a theme, the last table, the last output, the server's sessions, and the
//! files and the log of this session.

use std::io;
use std::sync::Arc;

use super::command_actions::CommandResult;
use super::state::{LoopAction, Repl};
use super::terminal::{TerminalError, WaitOutcome};
use crate::panes::{Appearance, choose_theme, follow_log, show_files, show_sessions, show_table, show_text};
use crate::theme::{ListedTheme, Theme};
use bai_client::ComputeSession;

impl Repl {
    /// Uses the given theme, or lets the user choose one.
    pub(super) fn theme(&mut self, name: Option<&str>) -> CommandResult {
        let chosen = match name {
            Some(name) => name.to_owned(),
            None if !self.can_show_views() => {
                let labels: Vec<_> = self.themes.list().iter().map(ListedTheme::label).collect();
                return self.say(&labels.join(", "));
            }
            None => {
                let (themes, current) = (self.themes.list(), self.terminal.console.theme().name().to_owned());
                let appearance = self.terminal.appearance();
                match self.run_view(|runtime| choose_theme(runtime, themes, &current, &appearance))? {
                    Some(Some(chosen)) => chosen,
                    _ => return Ok(LoopAction::Continue),
                }
            }
        };
        match self.themes.find(&chosen) {
            Ok(theme) => {
                self.use_theme(theme);
                let text =
                    format!("the theme is {chosen}; theme = \"{chosen}\" in the configuration keeps it");
                self.terminal.note(&text).map(|()| LoopAction::Continue)
            }
            Err(error) => self.fail(error.to_string(), None),
        }
    }

    fn use_theme(&mut self, theme: Theme) {
        self.terminal.set_theme(Arc::new(theme));
        self.editor.set_paint(self.terminal.paint.clone());
    }

    /// Shows the whole last table.
    pub(super) fn table(&mut self) -> CommandResult {
        let Some(table) = self.terminal.console.last_table() else {
            return self.say("no table has been shown yet");
        };
        self.show_view(move |runtime, appearance| show_table(runtime, table, appearance, true))
    }

    /// Shows the kept output of the last cell.
    pub(super) fn output(&mut self) -> CommandResult {
        if self.terminal.output.is_empty() {
            return self.say("the last cell has no output");
        }
        let text = self.terminal.output.text();
        self.show_view(move |runtime, appearance| {
            show_text(runtime, "output of the last cell", None, &text, appearance, true)
        })
    }

    /// Shows the server's sessions, and switches to the one that the user chooses.
    pub(super) fn sessions(&mut self) -> CommandResult {
        if !self.can_show_views() {
            return self
                .fail("this terminal cannot show full screens".to_owned(), Some(":ls lists the sessions"));
        }
        let delegated = Arc::clone(&self.delegated);
        let asking = self.terminal.wait(|| "opening the session".to_owned(), delegated.server());
        let api = match self.runtime.block_on(asking)? {
            WaitOutcome::Done(Ok(api)) => api,
            WaitOutcome::Done(Err(error)) => {
                return self.terminal.error(&error).map(|()| LoopAction::Continue);
            }
            WaitOutcome::Interrupted => return Ok(LoopAction::Continue),
        };
        let appearance = self.terminal.appearance();
        match self.run_view(|runtime| show_sessions(runtime, &api, &appearance, true))? {
            Some(Some(id)) => self.attach_from_board(id),
            _ => Ok(LoopAction::Continue),
        }
    }

    /// Switches to a session that was chosen on the board, unless it is this one. Asks first if this session would be destroyed.
    fn attach_from_board(&mut self, id: String) -> CommandResult {
        let here = self.open_session();
        if let Some(here) = here.as_ref().filter(|here| here.client().id() == Some(&id)) {
            return self
                .terminal
                .note(&format!("{} is this session", here.name()))
                .map(|()| LoopAction::Continue);
        }
        if let Some(here) = here.filter(|_| self.leaving_destroys_session()) {
            let question = format!("session {} is destroyed when you leave it; go? [y/N] ", here.name());
            if !self.confirm(&question)? {
                return Ok(LoopAction::Continue);
            }
        }
        self.attach_session(id)
    }

    /// Shows the session's files.
    pub(super) fn files(&mut self) -> CommandResult {
        self.show_session_view(|runtime, session, appearance| {
            show_files(runtime, session, ".", appearance, true)
        })
    }

    /// Shows the session's log, and follows it.
    pub(super) fn follow_log(&mut self) -> CommandResult {
        self.show_session_view(|runtime, session, appearance| follow_log(runtime, session, appearance, true))
    }

    fn show_session_view(
        &mut self,
        show: impl FnOnce(&tokio::runtime::Handle, ComputeSession, &Appearance) -> io::Result<()>,
    ) -> CommandResult {
        let Some(session) = self.session()? else { return Ok(LoopAction::Continue) };
        self.show_view(move |runtime, appearance| show(runtime, session.client().clone(), appearance))
    }

    fn show_view(
        &mut self,
        show: impl FnOnce(&tokio::runtime::Handle, &Appearance) -> io::Result<()>,
    ) -> CommandResult {
        if !self.can_show_views() {
            let hint = Some("standard input and output must be a terminal that supports escape sequences");
            return self.fail("this terminal cannot show full screens".to_owned(), hint);
        }
        let appearance = self.terminal.appearance();
        self.run_view(|runtime| show(runtime, &appearance)).map(|_| LoopAction::Continue)
    }

    pub(super) fn can_show_views(&self) -> bool {
        !self.terminal.screen.dumb && self.terminal.screen.interactive()
    }

    /// Gives the terminal to a view until the user leaves it. `None` if it could not be shown; then the error is reported.
    pub(super) fn run_view<T>(
        &mut self,
        show: impl FnOnce(&tokio::runtime::Handle) -> io::Result<T>,
    ) -> Result<Option<T>, TerminalError> {
        let shown = show(&self.runtime);
        self.terminal.console.line_was_read();
        self.terminal.resized();
        match shown {
            Ok(shown) => Ok(Some(shown)),
            Err(error) => self.fail(format!("cannot show the view: {error}"), None).map(|_| None),
        }
    }
}

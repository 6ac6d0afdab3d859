//! The views that are opened at the prompt: a theme is chosen, the last table and the last output are looked at, and so are
//! the server's sessions, and the files and the log of this one.

use std::io;
use std::sync::Arc;

use super::command_actions::CommandResult;
use super::options::NextSession;
use super::prompt::{LoopAction, Repl};
use super::terminal::{TerminalError, WaitOutcome};
use crate::panes::{Appearance, choose_theme, follow_log, show_files, show_sessions, show_table, show_text};
use crate::theme::Theme;
use bai_client::ComputeSession;

impl Repl {
    /// Uses the theme that is named, or lets the user choose one.
    pub(super) fn theme(&mut self, name: Option<&str>) -> CommandResult {
        let chosen = match name {
            Some(name) => name.to_owned(),
            None if !self.can_show_views() => return self.say(&self.themes.names().join(", ")),
            None => {
                let (themes, current) = (self.themes.list(), self.terminal.console.theme().name().to_owned());
                let look = self.terminal.look();
                match self.run_view(|runtime| choose_theme(runtime, themes, &current, &look))? {
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

    /// Shows the last table, all of it.
    pub(super) fn table(&mut self) -> CommandResult {
        let Some(table) = self.terminal.console.last_table() else {
            return self.say("no table has been shown yet");
        };
        self.show_view(move |runtime, look| show_table(runtime, table, look, true))
    }

    /// Shows the output of the last cell, as far as it was kept.
    pub(super) fn output(&mut self) -> CommandResult {
        if self.terminal.output.is_empty() {
            return self.say("the last cell has printed nothing");
        }
        let text = self.terminal.output.text();
        self.show_view(move |runtime, look| {
            show_text(runtime, "output of the last cell", None, &text, look, true)
        })
    }

    /// Shows the server's sessions, and goes to the one that is chosen there.
    pub(super) fn sessions(&mut self) -> CommandResult {
        if !self.can_show_views() {
            return self
                .fail("this terminal shows no full screens".to_owned(), Some(":ls lists the sessions"));
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
        let look = self.terminal.look();
        match self.run_view(|runtime| show_sessions(runtime, &api, &look, true))? {
            Some(Some(id)) => self.attach_from_board(id),
            _ => Ok(LoopAction::Continue),
        }
    }

    /// Goes to a session that was chosen on the board, unless that is this one, or this one would end with it and the
    /// person would rather stay.
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
        self.switch_session(NextSession::Attach(id))
    }

    /// Shows the session's files.
    pub(super) fn files(&mut self) -> CommandResult {
        self.show_session_view(|runtime, session, look| show_files(runtime, session, ".", look, true))
    }

    /// Shows the session's log and what comes to it.
    pub(super) fn follow_log(&mut self) -> CommandResult {
        self.show_session_view(|runtime, session, look| follow_log(runtime, session, look, true))
    }

    fn show_session_view(
        &mut self,
        show: impl FnOnce(&tokio::runtime::Handle, ComputeSession, &Appearance) -> io::Result<()>,
    ) -> CommandResult {
        let Some(session) = self.session()? else { return Ok(LoopAction::Continue) };
        self.show_view(move |runtime, look| show(runtime, session.client().clone(), look))
    }

    fn show_view(
        &mut self,
        show: impl FnOnce(&tokio::runtime::Handle, &Appearance) -> io::Result<()>,
    ) -> CommandResult {
        if !self.can_show_views() {
            let hint = Some("a terminal that knows escape sequences is needed at both ends");
            return self.fail("this terminal shows no full screens".to_owned(), hint);
        }
        let look = self.terminal.look();
        self.run_view(|runtime| show(runtime, &look)).map(|_| LoopAction::Continue)
    }

    pub(super) fn can_show_views(&self) -> bool {
        !self.terminal.screen.dumb && self.terminal.screen.interactive()
    }

    /// Gives the terminal to a view until it is left. `None` when it could not be shown; the error is reported.
    pub(super) fn run_view<T>(
        &mut self,
        show: impl FnOnce(&tokio::runtime::Handle) -> io::Result<T>,
    ) -> Result<Option<T>, TerminalError> {
        let shown = show(&self.runtime);
        self.terminal.console.line_was_read();
        self.terminal.resized();
        match shown {
            Ok(shown) => Ok(Some(shown)),
            Err(error) => self.fail(format!("cannot show it: {error}"), None).map(|_| None),
        }
    }
}

//! The keys that this program handles itself: Enter, Tab, Backspace, Ctrl-C, a paste. One handler gets every key first, and
//! leaves the others to rustyline.

use std::os::fd::AsFd;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, LocalFlags, SetArg};
use rustyline::{
    Cmd, ConditionalEventHandler, EditMode, Event, EventContext, InputMode, KeyCode, KeyEvent, Modifiers,
    Movement, RepeatCount,
};

use super::Interrupted;
use super::external;
use super::paste::Paste;
use super::state::{AutoIndent, EditorEnd, EditorState, Mode, PendingEdit, SharedEditorState};
use crate::render::sanitize;
use crate::repl::commands::{self, Suggestion};
use crate::repl::completion::{Completer, Suggestions, common_beginning};
use crate::repl::folded_text::FoldedTexts;
use crate::repl::history::Recalled;
use crate::repl::language::{Completeness, Language};
use crate::repl::printable::printable;
use crate::repl::suggestion_list::SuggestionList;
use crate::repl::terminal_pane::{PaneVisit, VisitPane};
use crate::terminal::{give_interrupts_back, with_listeners};

/// Keys with a shorter interval were not typed by hand.
const MACHINE_INTERVAL: Duration = Duration::from_millis(3);
/// A Ctrl-C after this pause in a paste is from the user, because the end of the paste is missing.
const PASTE_PAUSE: Duration = Duration::from_millis(300);

pub(super) const BACKSPACE: KeyEvent = KeyEvent(KeyCode::Backspace, Modifiers::NONE);
const UP: KeyEvent = KeyEvent(KeyCode::Up, Modifiers::NONE);
const ENTER: KeyEvent = KeyEvent(KeyCode::Enter, Modifiers::NONE);

/// The handler of all keys.
#[derive(Clone)]
pub(super) struct KeyHandler {
    pub(super) shared: SharedEditorState,
    pub(super) language: Arc<dyn Language>,
    pub(super) completer: Arc<Completer>,
    pub(super) folds: Arc<FoldedTexts>,
    pub(super) recalled: Recalled,
    pub(super) interrupted: Interrupted,
    pub(super) pane_key: KeyEvent,
    pub(super) pane: VisitPane,
}

impl ConditionalEventHandler for KeyHandler {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let key = *event.get(0)?;
        let now = Instant::now();
        let mut state = self.shared.lock();
        let since =
            state.last_key.replace(now).map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        if state.late.accepts(key) {
            return Some(Cmd::Noop);
        }
        if state.paste.is_some() {
            return self.pasting(state, key, since, context);
        }
        if key.0 == KeyCode::BracketedPasteStart {
            state.paste = Some(Paste::default());
            let search = state.search.as_mut();
            return Some(search.map_or(Cmd::Noop, |search| search.paste_begins(&self.recalled)));
        }
        let auto_indent = state.auto_indent.take();
        state.notice = None;
        if !is_tab(key) {
            state.listing = None;
        }
        if key == KeyEvent::ctrl('C') {
            state.ending = Some(EditorEnd::Cancelled);
            return Some(Cmd::AcceptLine);
        }
        if key == KeyEvent::ctrl('R') || key == KeyEvent::ctrl('S') {
            if state.has_history {
                state.search.get_or_insert_default();
            }
            return None;
        }
        match (&mut state.search, key) {
            (Some(search), KeyEvent(KeyCode::Char(c), Modifiers::NONE)) => {
                search.typed(c);
                return None;
            }
            (Some(search), key) if key == BACKSPACE || key == KeyEvent::ctrl('H') => {
                search.erased();
                return None;
            }
            _ => state.search = None,
        }
        if let Some(indent) = auto_indent
            && since < MACHINE_INTERVAL
            && let Some(command) = machine_typed(&mut state, indent, key, context)
        {
            return Some(command);
        }
        drop(state);
        self.key(key, context)
    }
}

impl KeyHandler {
    fn key(&self, key: KeyEvent, context: &EventContext<'_>) -> Option<Cmd> {
        let commanding = context.mode() == EditMode::Vi && context.input_mode() == InputMode::Command;
        if let Some(command) = self.scroll(key, commanding, context) {
            return Some(command);
        }
        match key {
            key if is_enter(key) => Some(self.enter(context)),
            KeyEvent(KeyCode::Enter | KeyCode::Char('J' | 'M' | '\r' | '\n'), m)
                if m.contains(Modifiers::ALT) =>
            {
                Some(self.new_line(context))
            }
            // After Esc, whose second key it is not.
            KeyEvent(KeyCode::Char('C' | '\x03'), m) if m.contains(Modifiers::ALT) => Some(Cmd::Interrupt),
            key if key == self.pane_key => Some(self.visit_pane(context)),
            KeyEvent(KeyCode::Char('v'), Modifiers::NONE) if commanding => Some(self.edit_outside(context)),
            _ if commanding => None,
            KeyEvent(KeyCode::Char(c), Modifiers::NONE) if c != ':' => self.typed(c, context),
            key if is_tab(key) => Some(self.tab(context)),
            key if key == UP || key == KeyEvent::ctrl('P') => self.up(context),
            KeyEvent(KeyCode::BackTab, _) => Some(Cmd::Dedent(Movement::WholeLine)),
            BACKSPACE => self.backspace(context),
            KeyEvent(KeyCode::Char(':'), Modifiers::NONE) => self.colon(context),
            KeyEvent(KeyCode::End, Modifiers::NONE) if takes_hint(context) => Some(Cmd::CompleteHint),
            key if (key == KeyEvent::ctrl('E') || key == KeyEvent::ctrl('F')) && takes_hint(context) => {
                Some(Cmd::CompleteHint)
            }
            _ => None,
        }
    }

    fn pasting(
        &self,
        mut state: MutexGuard<'_, EditorState>,
        key: KeyEvent,
        since: Duration,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let given_up = key == KeyEvent::ctrl('C') && since > PASTE_PAUSE;
        let EditorState { paste, search, .. } = &mut *state;
        let ended = given_up || paste.as_mut().is_some_and(|paste| paste.key(key));
        if let Some(search) = search {
            if !ended {
                return search.pasted(key, &self.recalled);
            }
            *paste = None;
            return Some(search.idle(&self.recalled));
        }
        if !ended {
            return Some(Cmd::Noop);
        }
        let text = state.paste.take().map(Paste::finish).unwrap_or_default();
        if state.mode == Mode::Answer && text.contains('\n') {
            state.ending = Some(EditorEnd::Pasted(text));
            return Some(Cmd::AcceptLine);
        }
        drop(state);
        Some(self.insert(text, context))
    }

    fn enter(&self, context: &EventContext<'_>) -> Cmd {
        if self.shared.lock().mode == Mode::Answer {
            return self.accept();
        }
        let (line, position) = (context.line(), context.pos());
        let after = line.get(position..).unwrap_or_default();
        if after.contains('\n') && !after.trim().is_empty() {
            return self.new_line(context);
        }
        // A cell from the history was complete when it was run.
        if position == line.len() && self.recalled.is(line) {
            return self.accept();
        }
        let whole = self.folds.unfold(line);
        match self.language.completeness(commands::code_in(&whole, &*self.language)) {
            Completeness::Complete | Completeness::Invalid => self.accept(),
            Completeness::Incomplete { indent } if after.trim().is_empty() => {
                self.insert_line(&indent, context)
            }
            Completeness::Incomplete { .. } => self.new_line(context),
        }
    }

    /// Ends the line. From now on Ctrl-C is for the cell and arrives as a signal. Earlier ones were for an earlier cell, or for the
    /// program that has asked.
    fn accept(&self) -> Cmd {
        if self.shared.lock().mode == Mode::Cell {
            (self.interrupted)();
        }
        give_interrupts_back();
        make_ctrl_c_a_signal();
        Cmd::AcceptLine
    }

    /// Inserts a new line at the cursor.
    fn new_line(&self, context: &EventContext<'_>) -> Cmd {
        let before = context.line().get(..context.pos()).unwrap_or_default();
        let indent = self.language.indent_after(&self.folds.unfold(before));
        self.insert_line(&indent, context)
    }

    fn insert_line(&self, indent: &str, context: &EventContext<'_>) -> Cmd {
        if !indent.is_empty() {
            self.shared.lock().auto_indent = Some(AutoIndent { given: indent.len(), swallowed: 0 });
        }
        self.insert(format!("\n{indent}"), context)
    }

    /// Dedents a line such as `else:`, which its colon completes.
    fn colon(&self, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, position) = (context.line(), context.pos());
        let (before, after) = line.split_at_checked(position)?;
        if self.shared.lock().mode == Mode::Answer || !(after.is_empty() || after.starts_with('\n')) {
            return None;
        }
        let indent = self.language.dedent(&self.folds.unfold(&format!("{before}:")))?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let row = before.get(start..)?.trim_start();
        Some(self.edit(start, position, format!("{indent}{row}:")))
    }

    fn backspace(&self, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, position) = (context.line(), context.pos());
        let before = line.get(..position)?;
        let unit = self.language.indent_unit().len().max(1);
        let row = before.rsplit('\n').next()?;
        if !before.contains('\n') || row.is_empty() || row.bytes().any(|b| b != b' ') {
            return None;
        }
        let erased = (row.len() - 1) % unit + 1;
        Some(self.edit(position.checked_sub(erased)?, position, String::new()))
    }

    fn tab(&self, context: &EventContext<'_>) -> Cmd {
        let mut state = self.shared.lock();
        let (line, position) = (context.line(), context.pos());
        if !state.completes {
            return Cmd::Insert(1, "\t".to_owned());
        }
        let before = line.get(..position).unwrap_or_default();
        let row = before.rsplit('\n').next().unwrap_or_default();
        if row.trim().is_empty() {
            let unit = self.language.indent_unit();
            let missing = unit.len().max(1) - row.len() % unit.len().max(1);
            return Cmd::Insert(1, unit.get(..missing).unwrap_or(unit).to_owned());
        }
        if let Some(listing) = &mut state.listing
            && listing.text == line
            && listing.position == position
        {
            listing.next_page();
            return Cmd::Repaint;
        }
        state.listing = None;
        drop(state);
        // The kernel gets the whole cell.
        let whole = self.folds.unfold(line);
        let ahead = self.folds.unfold(before).len() - position;
        let mut found = self.find(&whole, position + ahead);
        found.start = found.start.saturating_sub(ahead);
        self.suggest(found, line, position)
    }

    fn find(&self, line: &str, position: usize) -> Suggestions {
        let in_cell = self.shared.lock().mode == Mode::Cell;
        let is_command = in_cell && line.trim_start().starts_with(':');
        if is_command && commands::code_of(line).is_none() {
            return match commands::suggest(line, position) {
                Suggestion::Local(found) => found,
                Suggestion::Remote(query) => {
                    query.suggestions(self.completer.names(query.names.clone(), &query.typed, keys_waiting))
                }
            };
        }
        // The kernel gets only the code of a command.
        let skipped = if is_command { line.len() - commands::code_of(line).map_or(0, str::len) } else { 0 };
        let Some(code) = position.checked_sub(skipped).and(line.get(skipped..)) else {
            return Suggestions::default();
        };
        let mut found = self.completer.find(code, position - skipped, keys_waiting);
        found.start += skipped;
        found
    }

    /// Inserts the common beginning of all suggestions, and lists them if there are several.
    fn suggest(&self, found: Suggestions, line: &str, position: usize) -> Cmd {
        let Suggestions { start, items } = found;
        let typed = line.get(start..position).unwrap_or_default();
        let common = common_beginning(&items);
        let longer = common.len() > typed.len() || (items.len() == 1 && common != typed);
        let edit = longer.then(|| PendingEdit::new(start..position, common.to_owned()));
        let mut state = self.shared.lock();
        if items.len() > 1 {
            let (text, cursor) = match &edit {
                Some(edit) => {
                    let head = line.get(..start).unwrap_or_default();
                    let tail = line.get(position..).unwrap_or_default();
                    (format!("{head}{}{tail}", edit.text), start + edit.text.len())
                }
                None => (line.to_owned(), position),
            };
            // The list leaves out the part up to the last dot, which all suggestions share.
            let skip = typed.rfind(['.', '/']).map_or(0, |dot| dot + 1);
            let known = typed.get(..skip).unwrap_or_default();
            let short = |item: String| item.strip_prefix(known).map(str::to_owned).unwrap_or(item);
            state.listing = Some(SuggestionList::new(items.into_iter().map(short).collect(), &text, cursor));
        }
        state.edit = edit;
        if state.edit.is_some() { Cmd::Complete } else { Cmd::Repaint }
    }

    fn edit(&self, start: usize, end: usize, text: String) -> Cmd {
        self.shared.lock().edit = Some(PendingEdit::new(start..end, text));
        Cmd::Complete
    }

    /// Shows the pane. The line is unchanged afterwards.
    fn visit_pane(&self, context: &EventContext<'_>) -> Cmd {
        let PaneVisit { typed, remark, detaches } = match with_listeners(|| (self.pane)()) {
            Ok(visit) => visit,
            Err(error) => PaneVisit { remark: Some(error.in_lines()), ..PaneVisit::default() },
        };
        if detaches {
            self.shared.lock().ending = Some(EditorEnd::Detached);
            return Cmd::AcceptLine;
        }
        self.shared.lock().notice = remark.map(|remark| sanitize::sentences(&remark));
        if typed == "\r" {
            return self.enter(context);
        }
        // Other keys that are not text are lost: rustyline cannot take them back.
        match printable(&typed) {
            text if text.is_empty() => Cmd::Repaint,
            text => self.insert(text, context),
        }
    }

    /// Opens the cell in the user's own editor.
    pub(super) fn edit_outside(&self, context: &EventContext<'_>) -> Cmd {
        let line = context.line();
        match with_listeners(|| external::edit(&self.folds.unfold(line), self.language.extension())) {
            Ok(text) => {
                let text = self.folds.fold(&text).unwrap_or(text);
                self.edit(0, line.len(), text)
            }
            Err(problem) => {
                self.shared.lock().notice = Some(problem.to_string());
                Cmd::Repaint
            }
        }
    }
}

/// Ctrl-X Ctrl-E.
pub(super) struct ExternalEditorKey(pub(super) KeyHandler);

impl ConditionalEventHandler for ExternalEditorKey {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let in_cell = self.0.shared.lock().mode == Mode::Cell;
        Some(if in_cell { self.0.edit_outside(context) } else { Cmd::Noop })
    }
}

/// Handles a key that came at once after our line break: it is from a program, or from a paste without brackets. It has its
/// own indentation, which must not be added to ours.
fn machine_typed(
    state: &mut EditorState,
    indent: AutoIndent,
    key: KeyEvent,
    context: &EventContext<'_>,
) -> Option<Cmd> {
    let AutoIndent { given, swallowed } = indent;
    let KeyEvent(KeyCode::Char(c), Modifiers::NONE) = key else { return None };
    if c == ' ' && swallowed < given {
        state.auto_indent = Some(AutoIndent { given, swallowed: swallowed + 1 });
        return Some(Cmd::Noop);
    }
    if c == ' ' || swallowed == 0 || swallowed == given {
        return None;
    }
    let end = context.pos();
    let typed = " ".repeat(swallowed) + &c.to_string();
    state.edit = Some(PendingEdit::new(end.checked_sub(given)?..end, typed));
    Some(Cmd::Complete)
}

fn is_enter(key: KeyEvent) -> bool {
    key == ENTER || key == KeyEvent::ctrl('J') || key == KeyEvent::ctrl('M')
}

fn is_tab(key: KeyEvent) -> bool {
    key == KeyEvent(KeyCode::Tab, Modifiers::NONE) || key == KeyEvent::ctrl('I')
}

fn takes_hint(context: &EventContext<'_>) -> bool {
    context.hint_text().is_some() && context.pos() == context.line().len()
}

/// Makes Ctrl-C a signal that does not clear the queue of keys. rustyline restores the modes when its call returns.
fn make_ctrl_c_a_signal() {
    let stdin = std::io::stdin();
    if let Ok(mut mode) = termios::tcgetattr(&stdin) {
        mode.local_flags.insert(LocalFlags::ISIG | LocalFlags::NOFLSH);
        // If this fails, Ctrl-C only arrives a few milliseconds later.
        let _ = termios::tcsetattr(&stdin, SetArg::TCSANOW, &mode);
    }
}

/// Whether a key waits to be read.
fn keys_waiting() -> bool {
    let stdin = std::io::stdin();
    let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

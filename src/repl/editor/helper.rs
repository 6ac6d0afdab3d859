//! The callbacks of rustyline while a line is edited: its colours, the suggestion after it, the list below it, and edits for
//! which rustyline has no command.

use std::borrow::Cow;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::SearchDirection;
use rustyline::line_buffer::LineBuffer;
use rustyline::validate::Validator;
use rustyline::{Changeset, CompletionType, Context, Helper};
use unicode_width::UnicodeWidthStr;

use super::state::{EditorEnd, Mode, SharedEditorState};
use crate::repl::folded_text::{FoldedTexts, MAX_ROWS, is_mark};
use crate::repl::highlight::Highlight;
use crate::repl::language::Language;
use crate::repl::paint::Paint;
use crate::repl::printable::{editable, hidden, named};
use crate::theme::Role;

/// The helper of the editor, for cells and for answers.
pub(super) struct EditorHelper {
    pub(super) shared: SharedEditorState,
    pub(super) language: Arc<dyn Language>,
    pub(super) highlight: Highlight,
    pub(super) paint: Paint,
    pub(super) folds: Arc<FoldedTexts>,
    /// Width of the current prompt.
    pub(super) prompt_width: usize,
}

/// Text after or below the line, and the part of it that → accepts.
#[derive(Debug)]
pub(super) struct HintText {
    display: String,
    completion: Option<String>,
}

impl Hint for HintText {
    fn display(&self) -> &str {
        &self.display
    }

    fn completion(&self) -> Option<&str> {
        self.completion.as_deref()
    }
}

impl EditorHelper {
    /// The byte positions of the bracket at the cursor and of its partner.
    fn brackets(&self, line: &str, position: usize) -> Vec<usize> {
        let is_bracket = |c: char| matches!(c, '(' | ')' | '[' | ']' | '{' | '}');
        let before = line.get(..position).and_then(|head| head.chars().next_back());
        let at = if before.is_some_and(is_bracket) {
            Some(position - 1)
        } else {
            line.get(position..)
                .and_then(|tail| tail.chars().next())
                .filter(|&c| is_bracket(c))
                .map(|_| position)
        };
        let pair = at.and_then(|at| Some([at, self.language.matching_bracket(line, at)?]));
        let mut pair = pair.map_or(Vec::new(), |pair| pair.to_vec());
        pair.sort_unstable();
        pair
    }

    /// The line as it stays in the scrollback: its other lines are aligned with the first.
    fn aligned(&self, painted: &str) -> String {
        let sign = self.paint.signs().continuation;
        let pad = " ".repeat(self.prompt_width.saturating_sub(sign.width() + 1));
        let mark = self.paint.text(Role::Continuation, &format!("{pad}{sign} "));
        // The blank line that ended the cell is left out.
        let painted = painted.trim_end_matches([' ', '\n']);
        painted.replace('\n', &format!("\n{mark}"))
    }

    /// The rest of the newest history entry that begins with the line.
    fn suggestion(&self, line: &str, position: usize, context: &Context<'_>) -> Option<HintText> {
        if line.is_empty() || position < line.len() {
            return None;
        }
        let newest = context.history().len().checked_sub(1)?;
        let start = context.history_index().min(newest);
        let found = context.history().starts_with(line, start, SearchDirection::Reverse).ok()??;
        let rest = found.entry.strip_prefix(line).filter(|rest| !rest.is_empty())?;
        let mut first = named(rest.lines().next().unwrap_or_default()).into_owned();
        if rest.contains('\n') {
            first.push(' ');
            first.push_str(self.paint.signs().ellipsis);
        }
        // A suggestion that wraps would make the screen jump.
        let last = line.rsplit('\n').next().unwrap_or_default();
        let taken = last.width() + if last.len() == line.len() { self.prompt_width } else { 0 };
        let room = usize::from(crate::terminal::size().cols).saturating_sub(taken + 1);
        while first.width() > room {
            first.pop()?;
        }
        Some(HintText { display: first, completion: Some(rest.to_owned()) })
    }
}

impl Hinter for EditorHelper {
    type Hint = HintText;

    fn hint(&self, line: &str, position: usize, context: &Context<'_>) -> Option<HintText> {
        let mut state = self.shared.lock();
        line.clone_into(&mut state.shadow.0);
        state.shadow.1 = position;
        if let Some(notice) = &state.notice {
            return Some(HintText { display: format!("\n{notice}"), completion: None });
        }
        if let Some(listing) = &mut state.listing {
            if listing.text == line && listing.position == position {
                let size = crate::terminal::size();
                let columns = usize::from(size.cols).max(1);
                let used = line.split('\n').map(|row| 1 + row.width() / columns).sum::<usize>()
                    + usize::from(self.prompt_width > columns);
                let display =
                    listing.page(columns, usize::from(size.rows), used, self.paint.signs().ellipsis);
                return Some(HintText { display, completion: None });
            }
            state.listing = None;
        }
        let (mode, last_view) = (state.mode, state.last_view);
        drop(state);
        if let Some(hidden) = hidden(line).filter(|_| !last_view) {
            return Some(HintText { display: format!("\nnot shown above: {hidden}"), completion: None });
        }
        if let Some(lines) = self.folds.hidden(line, position).filter(|_| !last_view) {
            return Some(HintText { display: format!("\n{lines}"), completion: None });
        }
        if mode == Mode::Cell { self.suggestion(line, position, context) } else { None }
    }
}

impl Highlighter for EditorHelper {
    fn highlight<'l>(&self, line: &'l str, position: usize) -> Cow<'l, str> {
        let state = self.shared.lock();
        let (mode, last_view) = (state.mode, state.last_view);
        // The last view is aligned only when the cursor is at the end: before that rustyline counts the rows that it edits.
        let last_view = last_view && position == line.len();
        let ending = state.ending.clone().filter(|_| last_view);
        drop(state);
        // In the scrollback a cell is whole.
        let whole = self.folds.unfold(line);
        let line = if last_view && whole.matches('\n').count() <= MAX_ROWS { whole.as_str() } else { line };
        let mut painted = match mode {
            Mode::Answer if last_view => named(line).into_owned(),
            Mode::Answer => editable(line).into_owned(),
            Mode::Cell if last_view => self.highlight.paint_last(line, &self.paint),
            Mode::Cell => self.highlight.paint(line, &self.brackets(line, position), &self.paint),
        };
        if last_view {
            painted = self.aligned(&painted);
        }
        match ending {
            Some(EditorEnd::Detached) => {}
            Some(EditorEnd::Cancelled) => self.paint.push(&mut painted, Some(Role::Hint), "^C"),
            Some(EditorEnd::Pasted(text)) => painted.push_str(text.lines().next().unwrap_or_default()),
            None => {}
        }
        if painted.contains(is_mark) {
            painted = painted.replace(is_mark, self.paint.signs().more);
        }
        Cow::Owned(painted)
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        // Our own prompts have their colours. The prompt of a search contains what is typed.
        let prompt = if default { prompt.into() } else { editable(prompt) };
        // rustyline draws it where the line begins, after it has cleared the old one.
        let mut state = self.shared.lock();
        state.stop.check();
        let above = std::mem::take(&mut state.above);
        drop(state);
        if above.is_empty() { prompt } else { Cow::Owned(above + &prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        // The list is on its own lines below the cell; the suggestion continues the last line.
        let Some(list) = hint.strip_prefix('\n') else {
            return Cow::Owned(self.paint.text(Role::Hint, hint));
        };
        let mut painted = String::with_capacity(hint.len() + 64);
        for line in list.split('\n') {
            let more = line.starts_with(self.paint.signs().ellipsis);
            painted.push('\n');
            self.paint.push(
                &mut painted,
                Some(if more { Role::CompletionMore } else { Role::CompletionItem }),
                line,
            );
        }
        Cow::Owned(painted)
    }

    fn highlight_char(&self, _line: &str, _position: usize, kind: CmdKind) -> bool {
        if kind == CmdKind::ForcedRefresh {
            let mut state = self.shared.lock();
            state.last_view = true;
            state.listing = None;
            state.notice = None;
        }
        true
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        Cow::Borrowed(candidate)
    }
}

impl Completer for EditorHelper {
    type Candidate = String;

    fn complete(&self, _: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        // The key handler handles Tab. This command applies an edit that it has prepared: a single candidate makes
        // rustyline call `update`.
        let candidates =
            if self.shared.lock().edit.is_some() { vec![String::from("edit")] } else { Vec::new() };
        Ok((position, candidates))
    }

    fn update(&self, line: &mut LineBuffer, _start: usize, _elected: &str, changes: &mut Changeset) {
        let Some(edit) = self.shared.lock().edit.take() else { return };
        if line.as_str().get(edit.range.clone()).is_some() {
            line.replace(edit.range, &edit.text, changes);
            if let Some(cursor) = edit.cursor {
                line.set_pos(cursor);
            }
        }
    }
}

impl Validator for EditorHelper {}
impl Helper for EditorHelper {}

//! The keys in a cell that is taller than the window. The editor holds the rows around the cursor; a key that leads out of them
//! gives it others, or to another cell of the history. Everywhere else the keys are rustyline's.

use std::ops::Range;

use rustyline::{Cmd, EventContext, KeyCode, KeyEvent, Modifiers};
use unicode_segmentation::UnicodeSegmentation;

use super::keys::{BACKSPACE, KeyHandler};
use super::state::PendingEdit;
use crate::repl::folded_text::{View, is_mark, is_too_tall};

/// Where a key leads, or what it removes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    To(usize),
    Removes(Range<usize>),
}

impl KeyHandler {
    /// The command of a key whose effect needs another view of the text; `None` if rustyline's own is right.
    pub(super) fn scroll(&self, key: KeyEvent, commanding: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, position) = (context.line(), context.pos());
        if let KeyEvent(KeyCode::Char(c), Modifiers::NONE) = key
            && !commanding
        {
            return is_mark(c).then(|| self.insert(c.to_string(), context));
        }
        if !line.contains(is_mark) && !is_too_tall(line) {
            return None;
        }
        let mut whole = self.folds.unfold(line);
        let cursor = self.folds.unfold(line.get(..position)?).len();
        match step(key, commanding, &whole, cursor)? {
            Step::To(target) => {
                let shown = position.checked_add_signed(target.cast_signed() - cursor.cast_signed());
                let is_shown = shown.is_some_and(|shown| {
                    let between = line.get(shown.min(position)..shown.max(position));
                    between.is_some_and(|text| !text.contains(is_mark))
                        && !self.folds.is_to_be_moved(line, shown)
                });
                if is_shown { None } else { Some(self.show(line, &whole, target)) }
            }
            Step::Removes(range) => {
                let is_mark_there = |at: Option<char>| at.is_some_and(is_mark);
                let (before, after) = line.split_at_checked(position)?;
                let touches =
                    if range.end == cursor { before.chars().next_back() } else { after.chars().next() };
                if !is_mark_there(touches) {
                    return None;
                }
                let start = range.start;
                whole.replace_range(range, "");
                Some(self.show(line, &whole, start))
            }
        }
    }

    /// Inserts a text at the cursor.
    pub(super) fn insert(&self, text: String, context: &EventContext<'_>) -> Cmd {
        let (line, position) = (context.line(), context.pos());
        let Some((before, after)) = line.split_at_checked(position) else { return Cmd::Insert(1, text) };
        if !text.contains(is_mark) && !is_too_tall(&format!("{before}{text}{after}")) {
            return Cmd::Insert(1, text);
        }
        let before = self.folds.unfold(before) + &text;
        let whole = format!("{before}{}", self.folds.unfold(after));
        self.show(line, &whole, before.len())
    }

    /// A character, which may make the cell taller than the window.
    pub(super) fn typed(&self, c: char, context: &EventContext<'_>) -> Option<Cmd> {
        match self.insert(c.to_string(), context) {
            Cmd::Insert(..) => None,
            command => Some(command),
        }
    }

    /// The last cell that begins with the typed text.
    pub(super) fn up(&self, context: &EventContext<'_>) -> Option<Cmd> {
        let line = context.line();
        if !line.contains('\n') && !self.recalled.is(line) {
            self.recalled.look_for(line);
        }
        None
    }

    /// Gives the editor the view of `whole` with this cursor, in the place of `line`.
    fn show(&self, line: &str, whole: &str, cursor: usize) -> Cmd {
        let view = self.folds.view(whole, cursor);
        let View { line: text, cursor } = view.unwrap_or_else(|| View { line: whole.to_owned(), cursor });
        let edit = PendingEdit { range: 0..line.len(), text, cursor: Some(cursor) };
        self.shared.lock().edit = Some(edit);
        Cmd::Complete
    }
}

/// What a key does in a text, if it moves the cursor or removes a character.
fn step(key: KeyEvent, commanding: bool, whole: &str, cursor: usize) -> Option<Step> {
    let (before, after) = whole.split_at_checked(cursor)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = cursor + after.find('\n').unwrap_or(after.len());
    let left = || Some(cursor - before.graphemes(true).next_back()?.len());
    let right = || Some(cursor + after.graphemes(true).next()?.len());
    let column = whole.get(start..cursor)?.graphemes(true).count();
    let in_row = |range: Range<usize>| {
        let row = whole.get(range.clone()).unwrap_or_default();
        range.start + row.graphemes(true).take(column).map(str::len).sum::<usize>()
    };
    let up = || {
        let last = start.checked_sub(1)?;
        let first = whole.get(..last)?.rfind('\n').map_or(0, |at| at + 1);
        Some(in_row(first..last))
    };
    let down = || {
        let rest = whole.get(end + 1..)?;
        Some(in_row(end + 1..end + 1 + rest.find('\n').unwrap_or(rest.len())))
    };
    let KeyEvent(code, modifiers) = key;
    let target = match (code, modifiers) {
        (KeyCode::Up, Modifiers::NONE) | (KeyCode::Char('P'), Modifiers::CTRL) => up(),
        (KeyCode::Down, Modifiers::NONE) | (KeyCode::Char('N'), Modifiers::CTRL) => down(),
        (KeyCode::Left, Modifiers::NONE) | (KeyCode::Char('B'), Modifiers::CTRL) => left(),
        (KeyCode::Right, Modifiers::NONE) | (KeyCode::Char('F'), Modifiers::CTRL) => right(),
        (KeyCode::Home, Modifiers::NONE) | (KeyCode::Char('A'), Modifiers::CTRL) => Some(start),
        (KeyCode::End, Modifiers::NONE) | (KeyCode::Char('E'), Modifiers::CTRL) => Some(end),
        (KeyCode::Char('<'), Modifiers::ALT) | (KeyCode::Home, Modifiers::CTRL) => Some(0),
        (KeyCode::Char('>'), Modifiers::ALT) | (KeyCode::End, Modifiers::CTRL) => Some(whole.len()),
        (KeyCode::Char('k'), Modifiers::NONE) if commanding => up(),
        (KeyCode::Char('j'), Modifiers::NONE) if commanding => down(),
        (KeyCode::Char('h'), Modifiers::NONE) if commanding => left(),
        (KeyCode::Char('l'), Modifiers::NONE) if commanding => right(),
        (KeyCode::Char('G'), Modifiers::NONE) if commanding => Some(whole.len()),
        (KeyCode::Char('H'), Modifiers::CTRL) => return left().map(|to| Step::Removes(to..cursor)),
        (KeyCode::Delete, Modifiers::NONE) => return right().map(|to| Step::Removes(cursor..to)),
        _ if key == BACKSPACE => return left().map(|to| Step::Removes(to..cursor)),
        _ => None,
    };
    target.map(Step::To)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_where_they_do_in_rustyline() {
        let text = "one\nlonger語 line\n\nend";
        let at = |word: &str| text.find(word).unwrap();
        let key = |code| KeyEvent(code, Modifiers::NONE);
        for (code, from, to) in [
            (KeyCode::Up, at("語"), Some(3)),
            (KeyCode::Down, at("one") + 2, Some(at("nger"))),
            (KeyCode::Down, at("語"), Some(at("\n\nend") + 1)),
            (KeyCode::Up, 1, None),
            (KeyCode::Down, text.len(), None),
            (KeyCode::Left, at(" line"), Some(at("語"))),
            (KeyCode::Right, at("語"), Some(at(" line"))),
            (KeyCode::Home, at("語"), Some(at("longer"))),
            (KeyCode::End, at("語"), Some(at("\n\nend"))),
            (KeyCode::Right, text.len(), None),
            (KeyCode::Esc, 0, None),
        ] {
            assert_eq!(step(key(code), false, text, from), to.map(Step::To), "{code:?} at {from}");
        }
        assert_eq!(step(BACKSPACE, false, text, at(" line")), Some(Step::Removes(at("語")..at(" line"))));
        assert_eq!(step(key(KeyCode::Delete), false, text, 3), Some(Step::Removes(3..4)));
        assert_eq!(step(key(KeyCode::Char('k')), true, text, 4), Some(Step::To(0)));
        assert_eq!(step(KeyEvent::alt('<'), false, text, 9), Some(Step::To(0)));
    }
}

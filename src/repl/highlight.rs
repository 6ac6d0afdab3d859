//! Colours for the cell while it is typed. Parsed lines are cached, so that a key causes the parsing of one line.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use super::paint::Paint;
use super::printable::{editable, named};
use crate::render::highlight::{Grammar, Place, Spans};
use crate::theme::Role;

/// A cell with more lines is shown without colours.
const MAX_LINES: usize = 200;

/// A parsed line.
#[derive(Debug, Clone)]
struct Line {
    text: String,
    before: Place,
    after: Place,
    spans: Spans,
}

/// The highlighter of one language.
pub(super) struct Highlight {
    grammar: Arc<OnceLock<Option<Grammar>>>,
    lines: RefCell<Vec<Line>>,
}

impl Highlight {
    /// Starts to load the grammar on its own thread; until it is loaded, text is shown without colours.
    pub(super) fn new(syntax: &str) -> Self {
        let grammar = Arc::new(OnceLock::new());
        let (loading, syntax) = (Arc::clone(&grammar), syntax.to_owned());
        let load = move || {
            let loaded = Grammar::named(&syntax);
            if let Some(grammar) = &loaded {
                // The first line compiles the grammar's patterns.
                let mut place = grammar.start();
                let sample = "@x\ndef f(a, *b: int) -> 'c': return f\"{a!r:>3}\" + 0x1f  # d\n";
                for line in sample.split_inclusive('\n') {
                    let _ = grammar.parse(line, &mut place);
                }
            }
            // This cannot fail: only this thread sets it.
            let _ = loading.set(loaded);
        };
        // Without a thread there are no colours; the prompt works without them.
        let _ = std::thread::Builder::new().name("highlight".into()).spawn(load);
        Highlight { grammar, lines: RefCell::default() }
    }

    /// `text` with colours, while it is edited. The bytes at `marked` are shown as matching brackets.
    pub(super) fn paint(&self, text: &str, marked: &[usize], paint: &Paint) -> String {
        self.paint_as(editable, text, marked, paint)
    }

    /// `text` with colours, as it stays in the scrollback.
    pub(super) fn paint_last(&self, text: &str, paint: &Paint) -> String {
        self.paint_as(named, text, &[], paint)
    }

    fn paint_as(
        &self,
        show: fn(&str) -> Cow<'_, str>,
        text: &str,
        marked: &[usize],
        paint: &Paint,
    ) -> String {
        let mut out = String::with_capacity(text.len() * 2);
        let mut position = 0;
        let mut put = |text: &str, role: Option<Role>| {
            let end = position + text.len();
            let (mut from, mut rest) = (position, text);
            for &mark in marked.iter().filter(|&&mark| (position..end).contains(&mark)) {
                let Some((head, tail)) = rest.split_at_checked(mark - from) else { continue };
                let length = tail.chars().next().map_or(0, char::len_utf8);
                let Some((bracket, tail)) = tail.split_at_checked(length) else { continue };
                paint.push(&mut out, role, &show(head));
                paint.push(&mut out, Some(Role::BracketMatch), bracket);
                (from, rest) = (mark + length, tail);
            }
            if !rest.is_empty() {
                paint.push(&mut out, role, &show(rest));
            }
            position = end;
        };
        let Some(Some(grammar)) = self.grammar.get() else {
            put(text, None);
            return out;
        };
        if text.bytes().filter(|&b| b == b'\n').count() >= MAX_LINES {
            put(text, None);
            return out;
        }
        let mut lines = self.lines.borrow_mut();
        update(&mut lines, text, grammar);
        for line in lines.iter() {
            let mut rest = line.text.as_str();
            for &(length, role) in &line.spans {
                let Some((span, tail)) = rest.split_at_checked(length) else { break };
                // Line ends have no style.
                match span.strip_suffix('\n') {
                    Some(before) => {
                        put(before, role);
                        put("\n", None);
                    }
                    None => put(span, role),
                }
                rest = tail;
            }
        }
        out
    }
}

/// Updates the cached lines for `text`. Unchanged lines at the beginning and at the end are kept, if the parser reaches them in
/// the same state.
fn update(lines: &mut Vec<Line>, text: &str, grammar: &Grammar) {
    let new: Vec<&str> = text.split_inclusive('\n').collect();
    let same = lines.iter().zip(&new).take_while(|(old, new)| old.text == **new).count();
    let most = lines.len().min(new.len()) - same;
    let ends = lines.iter().rev().zip(new.iter().rev());
    let same_end = ends.take(most).take_while(|(old, new)| old.text == **new).count();
    let mut state = match same.checked_sub(1).and_then(|last| lines.get(last)) {
        Some(line) => line.after.clone(),
        None => grammar.start(),
    };
    let tail = lines.split_off(lines.len() - same_end);
    lines.truncate(same);
    for text in new.iter().take(new.len() - same_end).skip(same) {
        let line = parse(text, state, grammar);
        state = line.after.clone();
        lines.push(line);
    }
    let mut tail = tail.into_iter();
    for old in tail.by_ref() {
        if old.before == state {
            lines.push(old);
            break;
        }
        let line = parse(&old.text, state, grammar);
        state = line.after.clone();
        lines.push(line);
    }
    lines.extend(tail);
}

fn parse(text: &str, before: Place, grammar: &Grammar) -> Line {
    let mut after = before.clone();
    let spans = grammar.parse(text, &mut after);
    Line { text: text.to_owned(), before, after, spans }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::ColorDepth;
    use crate::theme::Theme;

    fn ready(syntax: &str) -> Highlight {
        let highlight = Highlight::new(syntax);
        highlight.grammar.wait();
        highlight
    }

    fn paint() -> Paint {
        Paint::new(&Theme::named("dark").unwrap(), ColorDepth::TrueColor, true)
    }

    /// The text of a painted line, and its parts with a style.
    fn parts(painted: &str) -> (String, Vec<(String, String)>) {
        let (mut plain, mut styled) = (String::new(), Vec::new());
        for (index, piece) in painted.split('\u{1b}').enumerate() {
            let (style, text) = if index == 0 { ("", piece) } else { piece.split_once('m').unwrap() };
            plain.push_str(text);
            if style != "[0" && index > 0 {
                styled.push((style.to_owned(), text.to_owned()));
            }
        }
        (plain, styled)
    }

    fn styled_as(painted: &str, role: Role, text: &str) -> bool {
        let on = paint().on(role).trim_start_matches('\u{1b}').trim_end_matches('m').to_owned();
        parts(painted).1.iter().any(|(style, part)| *style == on && part.contains(text))
    }

    #[test]
    fn python_has_colours() {
        let code = "@dec\ndef area(r):  # note\n    return len('x') + 42 if None else f'a{r}b'\n";
        let painted = ready("Python").paint(code, &[], &paint());
        assert_eq!(parts(&painted).0, code);
        for (role, text) in [
            (Role::Keyword, "def"),
            (Role::Function, "area"),
            (Role::Comment, "note"),
            (Role::String, "x"),
            (Role::Number, "42"),
            (Role::Constant, "None"),
            (Role::Builtin, "len"),
            (Role::Decorator, "dec"),
        ] {
            assert!(styled_as(&painted, role, text), "{text}: {painted:?}");
        }
        assert!(!styled_as(&painted, Role::String, "r"), "{painted:?}");
    }

    #[test]
    fn an_edit_anywhere_gives_the_same_as_a_new_highlighter() {
        let highlight = ready("Python");
        let mut text = "x = 1\n".repeat(8) + "y = 2";
        let edits =
            [(6, "'''"), (0, "# "), (30, "'''"), (12, "\n\n"), (3, "def f(\n"), (45, "\""), (20, "x\ny")];
        for (at, what) in edits {
            text.insert_str(at, what);
            assert_eq!(
                highlight.paint(&text, &[], &paint()),
                ready("Python").paint(&text, &[], &paint()),
                "{text}"
            );
        }
        for end in (0..text.len()).rev().step_by(7) {
            let text = &text[..end];
            assert_eq!(
                highlight.paint(text, &[], &paint()),
                ready("Python").paint(text, &[], &paint()),
                "{text}"
            );
        }
    }

    #[test]
    fn control_characters_are_not_shown() {
        let painted = ready("Python").paint(
            "a\u{1b}[2Jb\u{7}\u{9b}c\td",
            &[],
            &Paint::new(&Theme::plain(), ColorDepth::None, true),
        );
        assert_eq!(painted, "a[2Jbc\td");
    }

    #[test]
    fn text_that_is_disguised_is_named_in_the_scrollback() {
        let plain = Paint::new(&Theme::plain(), ColorDepth::None, true);
        let highlight = ready("Python");
        assert_eq!(highlight.paint("x = '\u{202e}cba'", &[], &plain), "x = 'cba'");
        assert_eq!(highlight.paint_last("x = '\u{202e}cba'", &plain), "x = '<U+202E>cba'");
    }

    #[test]
    fn brackets_are_marked_whatever_else_is_painted() {
        let on = paint().on(Role::BracketMatch).to_owned();
        let painted = ready("Python").paint("print('(')", &[5, 9], &paint());
        assert_eq!(painted.matches(&on).count(), 2, "{painted:?}");
        assert_eq!(parts(&painted).0, "print('(')");
    }

    #[test]
    fn unknown_languages_and_long_cells_are_plain() {
        assert_eq!(ready("No such language").paint("def f(): 1", &[], &paint()), "def f(): 1");
        let long = "x = 1\n".repeat(300);
        assert_eq!(ready("Python").paint(&long, &[], &paint()), long);
    }
}

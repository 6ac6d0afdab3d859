//! The interface of a view, and the keys that all views share: the search, and the keys that leave.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::appearance::Appearance;
use super::press::Press;
use crate::panes::find::Find;
use crate::render::Overlay;

/// The reaction of a view to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::panes) enum Step {
    /// The view does not use the key; the shell may use it.
    Pass,
    /// The view stays open.
    Stay,
    /// The view closes.
    Leave,
    /// The user is asked for a line, with this label and initial text. [`View::typed`] and [`View::entered`] receive it.
    Ask { label: &'static str, initial: String },
}

/// The label of the input line for a search.
pub(super) const SEARCH: &str = "search";

/// A key and its description, for the line below and the help.
pub(in crate::panes) type KeyHelp = (&'static str, &'static str);

/// A full-screen view.
pub(in crate::panes) trait View {
    /// The title of the view.
    fn title(&self) -> String;
    /// The current state of the view, shown to the right of the title.
    fn state(&self) -> String {
        String::new()
    }
    /// The keys of the view, the most important first.
    fn keys(&self) -> Vec<KeyHelp>;
    /// Draws its part of the window, which may have any size, including an empty one.
    fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance);
    /// Handles a key.
    fn press(&mut self, press: Press) -> Step;
    /// Handles a change of the input line; a cancelled line returns to its initial text.
    fn typed(&mut self, _label: &'static str, _line: &str) {}
    /// Handles a complete input line, which is trimmed and not empty.
    fn entered(&mut self, _label: &'static str, _line: &str) {}
    /// The search text, if the view supports the search with `/`, `n` and `N`.
    fn find(&mut self) -> Option<&mut Find> {
        None
    }
    /// Moves to the next match.
    fn search(&mut self, _back: bool) {}
    /// A picture that the terminal draws in a part that [`View::draw`] has left free.
    fn overlay(&self) -> Option<Overlay> {
        None
    }
    /// An own appearance instead of the common one.
    fn appearance(&self) -> Option<Appearance> {
        None
    }
    /// Handles a wake-up. Returns true if the view must close.
    fn woken(&mut self) -> bool {
        false
    }
    /// A question of the view, shown as with [`Step::Ask`] when there is no other input line.
    fn question(&mut self) -> Option<&'static str> {
        None
    }
    /// Takes a message for the line below, and whether it is an error.
    fn message(&mut self) -> Option<(String, bool)> {
        None
    }
}

/// Passes a key to a view; a key that the view does not use may have a common meaning.
pub(super) fn press_in(view: &mut dyn View, press: Press) -> Step {
    match (view.press(press), press) {
        (Step::Pass, Press::Char('/')) => match view.find() {
            Some(find) => Step::Ask { label: SEARCH, initial: find.text().to_owned() },
            None => Step::Pass,
        },
        (Step::Pass, Press::Char(key @ ('n' | 'N'))) if view.find().is_some() => {
            search(view, key == 'N');
            Step::Stay
        }
        (Step::Pass, Press::Char('q') | Press::Escape | Press::Ctrl('c')) => Step::Leave,
        (step, _) => step,
    }
}

fn search(view: &mut dyn View, back: bool) {
    if view.find().is_some_and(|find| !find.is_empty()) {
        view.search(back);
    }
}

/// Passes a change of the input line to a view.
pub(super) fn typed(view: &mut dyn View, label: &'static str, line: &str) {
    match view.find().filter(|_| label == SEARCH) {
        Some(find) => *find = Find::new(line),
        None => view.typed(label, line),
    }
}

/// Passes a complete input line to a view.
pub(super) fn entered(view: &mut dyn View, label: &'static str, line: &str) {
    typed(view, label, line);
    if label == SEARCH {
        search(view, false);
    } else if !line.trim().is_empty() {
        view.entered(label, line.trim());
    }
}

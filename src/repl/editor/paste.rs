//! A bracketed paste, key by key. rustyline's own paste reader keeps control bytes, and can wait for ever for an end mark that
//! a stray escape has hidden.

use crate::repl::printable::printable;
use rustyline::{KeyCode, KeyEvent, Modifiers};

/// A placeholder in the buffer for a key that is not text: an escape sequence or a control key.
const NOT_TEXT: char = '\u{1b}';

/// A paste that has started.
#[derive(Debug, Default)]
pub(super) struct Paste {
    text: String,
}

impl Paste {
    /// Adds the next key. True if it was the end of the paste.
    pub(super) fn key(&mut self, KeyEvent(code, modifiers): KeyEvent) -> bool {
        match code {
            KeyCode::BracketedPasteEnd => return true,
            KeyCode::Char('J' | 'M') if modifiers == Modifiers::CTRL => self.text.push('\n'),
            KeyCode::Char(c) => {
                if modifiers != Modifiers::NONE {
                    self.text.push(NOT_TEXT);
                }
                // The letter of a control key is not text.
                if !modifiers.contains(Modifiers::CTRL) {
                    self.text.push(c);
                }
            }
            KeyCode::Enter => self.text.push('\r'),
            KeyCode::Tab => self.text.push('\t'),
            _ => self.text.push(NOT_TEXT),
        }
        // rustyline drops the escape of the end mark after another escape.
        self.text.ends_with("\u{1b}[201~")
    }

    /// The text, with line feeds for line ends and without control characters.
    pub(super) fn finish(self) -> String {
        let text = self.text.strip_suffix("\u{1b}[201~").unwrap_or(&self.text);
        printable(&text.replace("\r\n", "\n").replace('\r', "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paste(keys: impl IntoIterator<Item = KeyEvent>) -> Option<String> {
        let mut paste = Paste::default();
        keys.into_iter().any(|key| paste.key(key)).then(|| paste.finish())
    }

    fn typed(text: &str) -> impl Iterator<Item = KeyEvent> + '_ {
        text.chars().map(KeyEvent::from)
    }

    const END: KeyEvent = KeyEvent(KeyCode::BracketedPasteEnd, Modifiers::NONE);

    #[test]
    fn text_is_kept_and_control_bytes_are_dropped() {
        let text = "a\r\n\tb\u{7}\u{0}\rc\nd\u{9b}e\u{85}";
        assert_eq!(paste(typed(text).chain([END])).as_deref(), Some("a\n\tb\nc\nde"));
    }

    #[test]
    fn an_escape_before_the_end_does_not_hide_the_end() {
        let unknown = KeyEvent(KeyCode::UnknownEscSeq, Modifiers::NONE);
        assert_eq!(paste(typed("x").chain([unknown]).chain(typed("[201~"))).as_deref(), Some("x"));
        let alt_end = KeyEvent(KeyCode::BracketedPasteEnd, Modifiers::ALT);
        assert_eq!(paste(typed("x").chain([alt_end])).as_deref(), Some("x"));
        assert_eq!(paste(typed("a [201~ b").chain([END])).as_deref(), Some("a [201~ b"));
    }

    #[test]
    fn keys_in_a_paste_are_not_commands() {
        let keys = [KeyEvent::ctrl('C'), KeyEvent::alt('x'), KeyEvent(KeyCode::Up, Modifiers::NONE), END];
        assert_eq!(paste(keys).as_deref(), Some("x"));
    }
}

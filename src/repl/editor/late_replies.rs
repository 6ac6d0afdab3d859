//! Answers of the terminal that arrive after the time limit, as rustyline parses them. They are not keys that the user pressed,
//! and must not become a cell. The questions and the time limit are in `terminal::probe`.

use std::time::{Duration, Instant};

use rustyline::{KeyCode, KeyEvent, Modifiers};

use crate::terminal;

/// Maximum length of an answer that is a text; longer input comes from the user.
const MAX_LENGTH: usize = 256;

/// Input is not an answer after this time: the terminal gives no answers, and Alt-P is a key.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The part of an answer that has arrived.
#[derive(Debug, Default)]
enum ReplyPart {
    #[default]
    None,
    /// A control sequence without its last byte.
    Sequence,
    /// A string sequence (`ESC ]`, `ESC P`, `ESC _`) without its end, and its length.
    Text(usize),
}

/// Distinguishes answers from keys.
#[derive(Debug)]
pub(super) struct LateReplies {
    /// Number of answers to the last question that have not arrived yet.
    owed: usize,
    part: ReplyPart,
    since: Instant,
}

impl Default for LateReplies {
    fn default() -> Self {
        LateReplies { owed: terminal::answers_owed(), part: ReplyPart::None, since: Instant::now() }
    }
}

impl LateReplies {
    /// Whether this is a part of an answer, and not a key.
    pub(super) fn accepts(&mut self, key: KeyEvent) -> bool {
        if self.owed == 0 || self.since.elapsed() > TIME_LIMIT {
            return false;
        }
        let KeyEvent(code, modifiers) = key;
        self.part = match (&self.part, code, modifiers) {
            // rustyline does not know the sequence, and has read its first bytes.
            (_, KeyCode::UnknownEscSeq, _) => ReplyPart::Sequence,
            (ReplyPart::Sequence, KeyCode::Char('0'..='9' | ';' | '$' | '?'), Modifiers::NONE) => {
                ReplyPart::Sequence
            }
            (ReplyPart::Sequence, KeyCode::Char('t' | 'y'), Modifiers::NONE) => ReplyPart::None,
            // The answer to DA1, which is the last question.
            (ReplyPart::Sequence, KeyCode::Char('c'), Modifiers::NONE) => {
                self.owed -= 1;
                if self.owed == 0 {
                    terminal::answered_late();
                }
                ReplyPart::None
            }
            (ReplyPart::Text(_), KeyCode::Char('\\'), Modifiers::ALT) => ReplyPart::None,
            (ReplyPart::Text(_), KeyCode::Char('G'), Modifiers::CTRL) => ReplyPart::None,
            (ReplyPart::Text(length @ ..MAX_LENGTH), KeyCode::Char(_), Modifiers::NONE) => {
                ReplyPart::Text(length + 1)
            }
            (_, KeyCode::Char(']' | 'P' | '_'), Modifiers::ALT) => ReplyPart::Text(0),
            _ => {
                self.part = ReplyPart::None;
                return false;
            }
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys among these pieces. A piece is the part after an ESC that rustyline reads, or plain characters.
    fn keys(owed: usize, pieces: &[&str]) -> String {
        let mut late = LateReplies { owed, part: ReplyPart::None, since: Instant::now() };
        let mut left = String::new();
        for piece in pieces {
            let first = match piece.strip_prefix("ESC ") {
                Some("[") => Some(KeyEvent(KeyCode::UnknownEscSeq, Modifiers::NONE)),
                Some(other) => other.chars().next().map(KeyEvent::alt),
                None => None,
            };
            let plain = piece.chars().map(|c| KeyEvent(KeyCode::Char(c), Modifiers::NONE));
            let keys: Vec<KeyEvent> = first.map_or_else(|| plain.collect(), |key| vec![key]);
            for key in keys {
                if let (false, KeyEvent(KeyCode::Char(c), _)) = (late.accepts(key), key) {
                    left.push(c);
                }
            }
        }
        left
    }

    #[test]
    fn late_replies_are_dropped_and_keys_are_kept() {
        let answers = [
            "x",
            "ESC [",
            "10t",
            "ESC P",
            ">|foot(1.13)",
            "ESC \\",
            "y",
            "ESC ]",
            "11;rgb:1e1e/1e1e/2e2e",
            "ESC \\",
            "ESC [",
            "2026;2$y",
            "ESC [",
            "62;4c",
        ];
        assert_eq!(keys(1, &answers), "xy");
        assert_eq!(keys(1, &[&answers[..], &["ESC [", "6c"]].concat()), "xy6c", "no more is owed");
        assert_eq!(keys(0, &answers[..3]), "x10t");
    }

    #[test]
    fn input_that_only_begins_like_an_answer_ends_with_the_next_key() {
        assert_eq!(keys(1, &["ESC [", "word", "ESC [", "12print"]), "wordprint");
        let long = "a".repeat(MAX_LENGTH + 3);
        assert_eq!(keys(1, &["ESC P", &long]), "aaa");
    }
}

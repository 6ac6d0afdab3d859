//! Answers of the terminal that come after nobody waited for them any more, as rustyline takes them apart: they are not keys
//! that somebody pressed, and must not become a cell. Which questions are asked, and for how long one waits, is in
//! `terminal::probe`.

use std::time::{Duration, Instant};

use rustyline::{KeyCode, KeyEvent, Modifiers};

use crate::terminal;

/// The longest answer that is a text; longer input comes from the user.
const LONGEST: usize = 256;

/// Input that comes later than this after the prompt is not an answer: the terminal gives none, and Alt-P is a key there.
const LATEST: Duration = Duration::from_secs(30);

/// The part of an answer that has come.
#[derive(Debug, Default)]
enum ReplyPart {
    #[default]
    None,
    /// A control sequence without its last byte.
    Sequence,
    /// A string sequence (`ESC ]`, `ESC P`, `ESC _`) without its end, and its length.
    Text(usize),
}

/// Tells answers from keys.
#[derive(Debug)]
pub(super) struct LateReplies {
    /// So many answers to the last question have not come yet.
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
    /// Whether this is a piece of an answer and not a key.
    pub(super) fn takes(&mut self, key: KeyEvent) -> bool {
        if self.owed == 0 || self.since.elapsed() > LATEST {
            return false;
        }
        let KeyEvent(code, modifiers) = key;
        self.part = match (&self.part, code, modifiers) {
            // rustyline does not know the sequence, and has read a few bytes of it.
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
            (ReplyPart::Text(length @ ..LONGEST), KeyCode::Char(_), Modifiers::NONE) => {
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

    /// What is left of these as keys. A piece is what follows an ESC as far as rustyline reads it, or plain characters.
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
                if let (false, KeyEvent(KeyCode::Char(c), _)) = (late.takes(key), key) {
                    left.push(c);
                }
            }
        }
        left
    }

    #[test]
    fn answers_are_no_keys_and_keys_stay_keys() {
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
    fn what_only_begins_like_an_answer_ends_with_the_next_key() {
        assert_eq!(keys(1, &["ESC [", "word", "ESC [", "12print"]), "wordprint");
        let long = "a".repeat(LONGEST + 3);
        assert_eq!(keys(1, &["ESC P", &long]), "aaa");
    }
}

//! The prefix key, which leaves a view and starts commands to it.
//!
//! Alone it leaves the view. Followed at once by one of a few keys it is a command. Any other key after it also leaves, and
//! is passed on to the next reader.

use std::time::{Duration, Instant};

/// Time limit for the key of a command after the prefix.
const WAIT: Duration = Duration::from_millis(400);

/// The prefix key: a control character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixKey(u8);

impl Default for PrefixKey {
    /// Ctrl-].
    fn default() -> Self {
        Self(0x1d)
    }
}

impl PrefixKey {
    /// Parses a key such as `Ctrl-]`, `C-a` or `^a`. Returns `None` if it is not Ctrl with a letter or one of `] \ ^ _`. Ctrl-[
    /// is Escape, and Ctrl-I, Ctrl-J and Ctrl-M are Tab and Enter, so they are not allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let key =
            ["Ctrl-", "ctrl-", "Ctrl+", "ctrl+", "C-", "^"].iter().find_map(|p| text.strip_prefix(p))?;
        let mut chars = key.chars();
        let (Some(key), None) = (chars.next(), chars.next()) else { return None };
        match key.to_ascii_uppercase() {
            'I' | 'J' | 'M' | '[' | '@' => None,
            key @ ('A'..='Z' | '\\' | ']' | '^' | '_') => {
                u8::try_from(key).ok().map(|byte| Self(byte & 0x1f))
            }
            _ => None,
        }
    }

    /// The byte that terminals send for it.
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl std::fmt::Display for PrefixKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ctrl-{}", char::from(self.0 | 0x40))
    }
}

/// A command to the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrefixCommand {
    /// Send the prefix key to the program.
    Literal,
    Help,
    DropLink,
    Search,
    Clipboard,
    /// Leave the view, and what runs behind it.
    Detach,
    /// Leave the view; the key is for the next reader.
    Leave,
}

/// The state of the prefix: whether it was just pressed.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    key: PrefixKey,
    until: Option<Instant>,
}

impl Prefix {
    pub(super) fn new(key: PrefixKey) -> Self {
        Self { key, until: None }
    }

    pub(super) fn key(&self) -> PrefixKey {
        self.key
    }

    /// The deadline of the next key; `None` if the prefix was not pressed.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn press(&mut self) {
        self.until = Some(Instant::now() + WAIT);
    }

    /// The command of the byte after the prefix; `None` if the prefix was not pressed.
    pub(super) fn follow(&mut self, byte: u8) -> Option<PrefixCommand> {
        self.until.take()?;
        Some(match byte {
            byte if byte == self.key.0 => PrefixCommand::Literal,
            b'?' => PrefixCommand::Help,
            b'.' => PrefixCommand::DropLink,
            b'/' => PrefixCommand::Search,
            b'=' => PrefixCommand::Clipboard,
            b'd' => PrefixCommand::Detach,
            _ => PrefixCommand::Leave,
        })
    }

    /// Whether the time for a command has passed, so that the view must be left.
    pub(super) fn lapsed(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_shown() {
        for (text, byte, shown) in [
            ("Ctrl-]", 0x1d, "Ctrl-]"),
            ("C-a", 1, "Ctrl-A"),
            ("^\\", 0x1c, "Ctrl-\\"),
            ("ctrl+B", 2, "Ctrl-B"),
            ("^^", 0x1e, "Ctrl-^"),
        ] {
            let key = PrefixKey::parse(text).unwrap();
            assert_eq!((key.byte(), key.to_string().as_str()), (byte, shown), "{text}");
        }
        for text in ["", "a", "Ctrl-", "Ctrl-[", "Ctrl-m", "Ctrl-ab", "Alt-x", "C-é"] {
            assert_eq!(PrefixKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_next_key_selects_the_command() {
        let mut prefix = Prefix::default();
        assert_eq!(prefix.follow(b'?'), None, "not pressed");
        for (byte, command) in [
            (0x1d, PrefixCommand::Literal),
            (b'?', PrefixCommand::Help),
            (b'.', PrefixCommand::DropLink),
            (b'/', PrefixCommand::Search),
            (b'd', PrefixCommand::Detach),
            (b'x', PrefixCommand::Leave),
        ] {
            prefix.press();
            assert!(!prefix.lapsed(Instant::now()));
            assert!(prefix.lapsed(Instant::now() + WAIT));
            assert_eq!(prefix.follow(byte), Some(command));
            assert_eq!(prefix.until(), None);
        }
    }
}

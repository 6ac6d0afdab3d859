//! The key that leaves a view and begins commands to it.
//!
//! Alone it leaves; followed at once by one of a few keys it is a command. Any other key after it belongs to who comes
//! next and is handed on.

use std::time::{Duration, Instant};

/// How long the key waits for a command to follow.
const WAIT: Duration = Duration::from_millis(400);

/// The key that leaves a view: a control character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixKey(u8);

impl Default for PrefixKey {
    /// Ctrl-].
    fn default() -> Self {
        Self(0x1d)
    }
}

impl PrefixKey {
    /// Reads a key as configuration files and help texts write it: `Ctrl-]`, `C-a`, `^a`. `None` when it is not Ctrl with
    /// a letter or one of `] \ ^ _`; Ctrl-[ is Escape, and Ctrl-I, Ctrl-J, Ctrl-M are Tab and Enter.
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

    /// The byte that a terminal sends for it.
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
    /// Send the prefix itself.
    Literal,
    Help,
    DropLink,
    Search,
    /// Leave; the key that told so is for who comes next.
    Leave,
}

/// Whether the prefix was just pressed.
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

    /// When to leave if nothing follows.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn press(&mut self) {
        self.until = Some(Instant::now() + WAIT);
    }

    /// What the byte after the prefix means; `None` when the prefix was not pressed.
    pub(super) fn follow(&mut self, byte: u8) -> Option<PrefixCommand> {
        self.until.take()?;
        Some(match byte {
            byte if byte == self.key.0 => PrefixCommand::Literal,
            b'?' => PrefixCommand::Help,
            b'.' => PrefixCommand::DropLink,
            b'/' => PrefixCommand::Search,
            _ => PrefixCommand::Leave,
        })
    }

    /// True when nothing has followed in time: the view is to be left.
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
    fn what_follows_decides() {
        let mut prefix = Prefix::default();
        assert_eq!(prefix.follow(b'?'), None, "not pressed");
        for (byte, command) in [
            (0x1d, PrefixCommand::Literal),
            (b'?', PrefixCommand::Help),
            (b'.', PrefixCommand::DropLink),
            (b'/', PrefixCommand::Search),
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

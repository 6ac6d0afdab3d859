//! The user's clipboard: selected text goes there, and text of the program, if the user lets it.

use base64::Engine as _;

use super::pane::Pane;
use super::view::Notice;
use crate::panes::clipboard::{Pressed, Request};

/// Maximum bytes of copied text; terminals refuse longer text.
const MAX_COPY: usize = 100_000;

impl Pane<'_> {
    /// Handles text that the program puts into the clipboard.
    pub(super) fn program_copies(&mut self, text: String) {
        let key = self.prefix.key();
        match self.options.clipboard.request(text) {
            Request::Refuse => {}
            Request::Write { text, tell } => {
                let characters = count(text.chars().count());
                if self.copy(&text) && tell {
                    self.notice = Some(Notice::lasting(format!(
                        "a program wrote your clipboard ({characters}); {key} = stops it"
                    )));
                }
            }
            Request::Ask(characters) => {
                self.notice = Some(Notice::lasting(format!(
                    "may it write your clipboard ({})? {key} = is yes",
                    count(characters)
                )));
            }
        }
    }

    /// Handles the key of the clipboard.
    pub(super) fn clipboard_key(&mut self) {
        let key = self.prefix.key();
        let sentence = match self.options.clipboard.press() {
            Pressed::Allowed(text) if self.copy(&text) => "copied".to_owned(),
            Pressed::Allowed(_) => return,
            Pressed::NoQuestion => "no program wants to write the clipboard".to_owned(),
            Pressed::May(true) => format!("programs may write your clipboard; {key} = stops it"),
            Pressed::May(false) => format!("programs cannot write your clipboard; {key} = lets them"),
        };
        self.notice = Some(Notice::new(sentence));
    }

    /// Copies text to the user's clipboard through the terminal (OSC 52). Returns whether it was copied.
    pub(super) fn copy(&mut self, text: &str) -> bool {
        if text.len() > MAX_COPY {
            self.notice = Some(Notice::new("too long for the clipboard"));
            return false;
        }
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        self.output_buffer.push(format!("\x1b]52;c;{text}\x07").as_bytes());
        true
    }
}

fn count(characters: usize) -> String {
    if characters == 1 { "1 character".to_owned() } else { format!("{characters} characters") }
}

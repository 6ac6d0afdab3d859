//! Styles as bytes: the escape sequences of a theme are made once for this terminal, so that painting is fast at each key.

use crate::terminal::ColorDepth;
use crate::theme::{Role, Signs, Theme};

/// The styles of a theme on one terminal.
#[derive(Debug, Clone)]
pub(super) struct Paint {
    on: Vec<String>,
    signs: Signs,
}

/// Ends every style.
pub(super) const OFF: &str = "\x1b[0m";

impl Paint {
    pub(super) fn new(theme: &Theme, depth: ColorDepth, unicode: bool) -> Self {
        let on = Role::ALL.iter().map(|&role| theme.style(role).sgr(depth)).collect();
        Paint { on, signs: Signs::new(unicode) }
    }

    /// The sequence that starts the style of a role; empty if it has no style.
    pub(super) fn on(&self, role: Role) -> &str {
        self.on.get(role as usize).map_or("", String::as_str)
    }

    /// Appends `text` in the style of a role.
    pub(super) fn push(&self, out: &mut String, role: Option<Role>, text: &str) {
        match role.map_or("", |role| self.on(role)) {
            "" => out.push_str(text),
            on => {
                out.push_str(on);
                out.push_str(text);
                out.push_str(OFF);
            }
        }
    }

    /// `text` in the style of a role.
    pub(super) fn text(&self, role: Role, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        self.push(&mut out, Some(role), text);
        out
    }

    /// The signs that this terminal can show.
    pub(super) fn signs(&self) -> Signs {
        self.signs
    }
}

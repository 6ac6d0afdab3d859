//! Colours and signs: the style of each part of the screen ([`Role`]), read from `themes/*.toml` or a file of the user
//! ([`Library`]), and reduced to the colours that the terminal can show.
//!
//! This module does not write to a terminal, and does not know the purpose of the parts.

mod color;
mod contrast;
mod file;
mod library;
mod role;
pub mod sample;
mod signs;

pub use color::{Color, Rgb, Style};
pub use file::ThemeError;
pub use library::{Library, LibraryError, ListedTheme};
pub use role::Role;
pub use signs::Signs;

use crate::terminal::ColorDepth;

/// A style for each [`Role`].
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    light: bool,
    background: Option<Rgb>,
    styles: Vec<Style>,
}

impl Theme {
    /// A theme without any style.
    pub fn plain() -> Self {
        Self { name: "plain".to_owned(), light: false, background: None, styles: Vec::new() }
    }

    /// The theme's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the theme is made for a light background.
    pub fn is_light(&self) -> bool {
        self.light
    }

    /// The background that the theme is made for, if it names one. It is not painted, but pictures with transparent parts
    /// are blended with it.
    pub fn background(&self) -> Option<Rgb> {
        self.background
    }

    /// The style of a part of the screen.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// Returns `text` between the sequences that `depth` allows for the style of `role`. The text itself stays unchanged.
    pub fn paint(&self, role: Role, depth: ColorDepth, text: &str) -> String {
        let on = self.style(role).sgr(depth);
        if on.is_empty() { text.to_owned() } else { format!("{on}{text}\x1b[0m") }
    }
}

#[cfg(test)]
mod tests;

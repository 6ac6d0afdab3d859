//! Themes from arbitrary text: a mistake is reported with a line number that exists in the file.

use bai_repl::theme::{LibraryError, Theme};

/// A theme's file.
pub fn theme(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(LibraryError::Invalid(error)) = Theme::parse("fuzz.toml", &text) {
        assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
        assert!(!error.problem.contains('\x1b'));
    }
}

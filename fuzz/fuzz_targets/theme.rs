//! Themes from arbitrary text: a mistake is reported with a line number that exists in the file.

#![no_main]

use bai_repl::theme::{LibraryError, Theme};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(LibraryError::Wrong(error)) = Theme::parse("fuzz.toml", text) {
        assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
        assert!(!error.problem.contains('\x1b'));
    }
});

//! The file of a history, from arbitrary bytes.

use super::history::LoadedHistory;
use super::printable::{editable, hidden, named};
use crate::render::sanitize::is_harmless;

/// A history file, read from its start and from within a line. What the editor shows of a cell does not act on the terminal.
pub fn history(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for begins_within in [false, true] {
        let loaded = LoadedHistory::parse(bytes, begins_within);
        assert!(loaded.cells.len() + loaded.damaged <= lines);
        for cell in loaded.cells {
            assert!([editable(&cell), named(&cell)].iter().all(|shown| shown.chars().all(is_harmless)));
            assert!(hidden(&cell).is_none_or(|names| names.is_ascii()));
        }
    }
}

//! Text that was typed at a program, with its Enters, and that no program has read: it is typed again at the prompt, as keys are
//! that wait in the terminal's own queue.

use super::{CellRead, Editor, LineReader};
use crate::repl::commands;
use crate::repl::language::Completeness;
use std::io::{self, Write};

impl Editor {
    /// Keeps text for the next prompts.
    pub(in crate::repl) fn type_again(&mut self, text: &str) {
        match &mut self.input {
            LineReader::Plain(reader, _) => reader.type_again(text),
            LineReader::Rich(_) => self.ahead.push_str(text),
        }
    }

    /// The next cell of such text.
    ///
    /// # Errors
    /// The initial text of the next line if there is none: it is edited, and Enter has not been pressed.
    pub(super) fn typed_ahead(&mut self, initial: &str) -> Result<String, String> {
        let ends = self.ahead.match_indices('\n').map(|(at, _)| at);
        // Text that is there already is to be looked at first.
        let mut ends = ends.filter(|_| initial.is_empty());
        let end = ends.find(|&end| {
            let code = commands::code_in(self.ahead.get(..end).unwrap_or_default(), &*self.language);
            match self.language.completeness(code) {
                Completeness::Incomplete { .. } => false,
                Completeness::Complete => !self.language.may_continue(code),
                Completeness::Invalid => true,
            }
        });
        let mut ahead = std::mem::take(&mut self.ahead);
        match end {
            Some(end) => {
                self.ahead = ahead.split_off(end + 1);
                ahead.truncate(end);
                Ok(ahead)
            }
            None => Err(initial.to_owned() + ahead.trim_end_matches('\n')),
        }
    }

    /// Shows a cell that is not edited any more.
    pub(super) fn show_typed(&self, cell: &str) -> CellRead {
        let mut out = io::stdout();
        let shown = format!("{}{}\n", self.prompt.1, cell.replace('\t', "    "));
        match out.write_all(shown.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => CellRead::Cell(cell.to_owned()),
            Err(error) => CellRead::Failed(error),
        }
    }
}

//! The output of one case of a sweep, kept in a file without a name until it is this case's turn to be shown.

use bai_protocol::record::ConsoleRecord;
use std::fs::File;
use std::io::{BufRead, BufReader, Result, Seek};

/// Records in the order in which they came.
#[derive(Debug)]
pub(super) struct CaseOutput(File);

impl CaseOutput {
    /// A new file, and a second handle to write records into it, one JSON object on a line.
    pub(super) fn create() -> Result<(Self, File)> {
        let file = tempfile::tempfile()?;
        let writer = file.try_clone()?;
        Ok((CaseOutput(file), writer))
    }

    /// What was written.
    pub(super) fn records(mut self) -> impl Iterator<Item = ConsoleRecord> {
        let rewound = self.0.rewind().is_ok();
        let lines = BufReader::new(self.0).lines().map_while(Result::ok).take_while(move |_| rewound);
        lines.filter_map(|line| serde_json::from_str(&line).ok())
    }
}

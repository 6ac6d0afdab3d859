//! The output of one case of a sweep, kept in an unnamed temporary file until it is shown.

use bai_protocol::record::ConsoleRecord;
use std::fs::File;
use std::io::{BufRead, BufReader, Result, Seek};

/// Records in the order of their arrival.
#[derive(Debug)]
pub(super) struct CaseOutput(File);

impl CaseOutput {
    /// Creates the file, and a second handle for writing records, one JSON object on a line.
    pub(super) fn create() -> Result<(Self, File)> {
        let file = tempfile::tempfile()?;
        let writer = file.try_clone()?;
        Ok((CaseOutput(file), writer))
    }

    /// The records that were written.
    pub(super) fn records(mut self) -> impl Iterator<Item = ConsoleRecord> {
        let rewound = self.0.rewind().is_ok();
        let lines = BufReader::new(self.0).lines().map_while(Result::ok).take_while(move |_| rewound);
        lines.filter_map(|line| serde_json::from_str(&line).ok())
    }
}

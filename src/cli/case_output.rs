//! What a case of a sweep prints, kept in a file without a name until it is its turn to be shown.

use super::error::CliError;
use super::exit_status::ExitStatus;
use super::output::{Output, OutputMessage};
use crate::render::Flow;
use bai_protocol::record::ConsoleRecord;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use tokio::sync::mpsc;

/// Records in the order in which they came.
#[derive(Debug)]
pub(super) struct CaseOutput(File);

impl CaseOutput {
    /// A writer into a new file, and that file, which is to be read when the writer has finished.
    pub(super) fn start() -> Result<(Output, Self), CliError> {
        let failed =
            |error| CliError::new(ExitStatus::Failed, format!("cannot keep a case's output: {error}"));
        let file = tempfile::tempfile().map_err(failed)?;
        let writer = file.try_clone().map_err(failed)?;
        let write = move |words| write(words, writer).map(|()| Flow::Open).map_err(failed);
        Ok((Output::start_with(write), CaseOutput(file)))
    }

    /// What was written.
    pub(super) fn records(mut self) -> impl Iterator<Item = ConsoleRecord> {
        let rewound = self.0.rewind().is_ok();
        let lines = BufReader::new(self.0).lines().map_while(Result::ok).take_while(move |_| rewound);
        lines.filter_map(|line| serde_json::from_str(&line).ok())
    }
}

fn write(mut words: mpsc::Receiver<OutputMessage>, file: File) -> std::io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Some(word) = words.blocking_recv() {
        let record = match word {
            OutputMessage::Record(record) => record,
            // A headline above all this tells what the steps would.
            OutputMessage::Step(_, sentence) if !sentence.is_empty() => {
                ConsoleRecord::Stderr(format!("{sentence}\n"))
            }
            OutputMessage::Flush(done) => {
                // Nobody sees it yet, so there is nothing to wait for.
                let _ = done.send(());
                continue;
            }
            _ => continue,
        };
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

//! The client against real sockets: our engine for what it can show, and small scripted servers for the faults that
//! it cannot.

mod ages;
mod ahead;
mod binary;
mod changes;
mod cuts;
mod endings;
mod engine;
mod faults;
mod files;
mod idle;
mod kept;
mod large;
mod left;
mod links;
mod mounted;
mod peer;
mod replay;
mod runs;
mod server;
mod vfolder_lists;
mod vfolders;

use super::*;
use bai_protocol::record::ConsoleRecord;
use std::time::Duration;

/// What a run outcome, in order of kind.
#[derive(Debug, Default)]
struct RunOutcome {
    stdout: String,
    stderr: String,
    questions: usize,
    notes: Vec<String>,
    exit: Option<Option<i32>>,
    lost: Option<LostRun>,
}

/// Reads a run to its end and answers its questions.
async fn finish(run: &mut Run, answers: &[&str]) -> RunOutcome {
    let mut outcome = RunOutcome::default();
    let mut answers = answers.iter();
    while let Some(event) = soon(run.next()).await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text)) => outcome.stdout.push_str(&text),
            RunEvent::Console(ConsoleRecord::Stderr(text)) => outcome.stderr.push_str(&text),
            RunEvent::WaitingInput { .. } => {
                outcome.questions += 1;
                if let Some(answer) = answers.next() {
                    assert!(run.send_input((*answer).to_owned()));
                }
            }
            RunEvent::Finished { exit_code } => outcome.exit = Some(exit_code),
            RunEvent::Lost(lost) => outcome.lost = Some(lost),
            other => outcome.notes.push(format!("{other:?}")),
        }
    }
    assert!(run.next().await.is_none(), "no event follows the last one");
    outcome
}

async fn begin(session: &ComputeSession, code: &str, transport: Transport) -> Run {
    session.execute(Cell::Query(code.to_owned()), RunOptions::over(transport)).await.unwrap()
}

/// A limit that only a hang meets.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("an end within a minute")
}

//! Follows a run while the user answers its question: the program may print something, stop waiting for the answer, or end, and
//! Ctrl-C and the key of the pane may be signals still.

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::event_buffer::BufferedRun;
use crate::repl::above_line::{AboveLine, LINE_LIMIT};
use crate::repl::editor::{AnswerStop, StopReason};
use crate::repl::output_fold::Transcript;
use crate::repl::terminal::{Interrupts, PaneKey};
use bai_protocol::record::ConsoleRecord;

/// Follows a run, on the runtime, while the thread that owns the keyboard reads an answer. Output is shown above the line if
/// there is a place for it; other events are held back.
pub(super) struct QuestionWatch {
    task: JoinHandle<Followed>,
    answered: oneshot::Sender<()>,
    pub(super) stop: AnswerStop,
}

/// What is followed during a question.
pub(super) struct Followed {
    pub(super) run: BufferedRun,
    /// The output of the cell so far.
    pub(super) transcript: Transcript,
}

impl Followed {
    /// Shows the output that has come. A picture takes a while, so this is done on another thread.
    async fn show(&mut self, mut above: AboveLine, whole: bool) -> Option<AboveLine> {
        let records = self.run.take_output(whole);
        for record in &records {
            if let ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) = record {
                self.transcript.push(text);
            }
        }
        let shown = tokio::task::spawn_blocking(move || {
            above.show(records);
            above
        });
        // An error means that the runtime ends.
        shown.await.ok()
    }
}

impl QuestionWatch {
    /// The signals are those that the reader of the answer does not listen to itself.
    pub(super) fn start(
        runtime: &Handle,
        mut followed: Followed,
        mut above: Option<AboveLine>,
        (mut interrupts, mut pane_key): (Option<Interrupts>, Option<PaneKey>),
    ) -> Self {
        let (answered, mut answer) = oneshot::channel::<()>();
        let stop = AnswerStop::default();
        let editing = stop.clone();
        let task = runtime.spawn(async move {
            let mut reason = StopReason::Unwanted;
            while !followed.run.question_is_over() {
                let is_unfinished = above.is_some() && followed.run.has_output();
                let whole = tokio::select! {
                    biased;
                    _ = &mut answer => return followed,
                    () = next(&mut interrupts) => {
                        reason = StopReason::Interrupted;
                        break;
                    }
                    () = pressed(&mut pane_key) => {
                        reason = StopReason::Pane;
                        break;
                    }
                    () = followed.run.hold_more() => false,
                    () = tokio::time::sleep(LINE_LIMIT), if is_unfinished => true,
                };
                if let Some(place) = above.take() {
                    above = followed.show(place, whole).await;
                }
            }
            editing.stop(reason);
            followed
        });
        QuestionWatch { task, answered, stop }
    }

    /// The run, after the user has answered.
    pub(super) fn end(self, runtime: &Handle) -> Option<Followed> {
        let _ = self.answered.send(());
        runtime.block_on(self.task).ok()
    }
}

async fn pressed(pane_key: &mut Option<PaneKey>) {
    match pane_key {
        Some(pane_key) => pane_key.next().await,
        None => std::future::pending().await,
    }
}

async fn next(interrupts: &mut Option<Interrupts>) {
    match interrupts {
        Some(interrupts) => interrupts.next().await,
        None => std::future::pending().await,
    }
}

//! Follows a run while the user answers its question: the program may stop waiting for the answer, or end.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::event_buffer::BufferedRun;
use crate::repl::editor::AnswerStop;

/// How long a line editor that was told to stop is waited for, before it is told again.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// Holds the events of a run back, on the runtime, while the thread that owns the keyboard reads an answer.
pub(super) struct QuestionWatch {
    task: JoinHandle<BufferedRun>,
    answered: oneshot::Sender<()>,
    pub(super) stop: AnswerStop,
}

impl QuestionWatch {
    pub(super) fn start(runtime: &Handle, mut run: BufferedRun) -> Self {
        let (answered, mut answer) = oneshot::channel::<()>();
        let stop = AnswerStop::default();
        let editing = stop.clone();
        let task = runtime.spawn(async move {
            while !run.question_is_over() {
                tokio::select! {
                    biased;
                    _ = &mut answer => return run,
                    _ = run.hold_next() => {}
                }
            }
            while editing.stop() {
                tokio::time::sleep(STOP_INTERVAL).await;
            }
            run
        });
        QuestionWatch { task, answered, stop }
    }

    /// The run, after the user has answered.
    pub(super) fn end(self, runtime: &Handle) -> Option<BufferedRun> {
        let _ = self.answered.send(());
        runtime.block_on(self.task).ok()
    }
}

//! The progress of a sweep on a terminal: a bar, and a line for each case that runs. Without a terminal it is not shown.

use crate::cli::context::CommandContext;
use crate::cli::progress;
use crate::render::sanitize;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

/// Maximum width of the label of a case.
const LABEL_WIDTH: usize = 40;

/// The progress of a sweep. Its lines are removed when it is dropped.
#[derive(Debug, Clone)]
pub(super) struct SweepProgress {
    lines: MultiProgress,
    whole: ProgressBar,
    failed: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl SweepProgress {
    /// Starts the progress of this many cases.
    pub(super) fn start(context: &CommandContext, cases: usize) -> Self {
        let wanted = progress::is_wanted(context);
        let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let lines = MultiProgress::with_draw_target(target);
        let whole = lines.add(ProgressBar::new(cases as u64));
        progress::style(&whole, "{bar:20} {pos} of {len} cases {msg} {elapsed}");
        if wanted {
            whole.enable_steady_tick(progress::TICK);
        }
        SweepProgress { lines, whole, failed: Default::default() }
    }

    /// Adds a line for a case that starts.
    pub(super) fn begin(&self, number: usize, label: &str) -> CaseProgress {
        let bar = self.lines.add(ProgressBar::new_spinner());
        progress::style(&bar, "  {spinner} {prefix} {msg} {elapsed}");
        bar.set_prefix(format!("{number}  {}", sanitize::line(label, LABEL_WIDTH)));
        bar.tick();
        if !self.lines.is_hidden() {
            bar.enable_steady_tick(progress::TICK);
        }
        CaseProgress(bar)
    }

    /// Counts a case that has ended.
    pub(super) fn ended(&self, went_well: bool) {
        use std::sync::atomic::Ordering;
        if !went_well {
            let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
            self.whole.set_message(format!("({failed} failed)"));
        }
        self.whole.inc(1);
    }

    /// Runs a function that writes to the terminal, with the progress hidden.
    pub(super) fn suspend(&self, write: &mut dyn FnMut()) {
        self.lines.suspend(write);
    }

    /// Removes the progress from the screen.
    pub(super) fn finish(&self) {
        self.whole.finish_and_clear();
        // An error is ignored: it means that there is no terminal.
        let _ = self.lines.clear();
    }
}

/// The line of a case that runs. It is removed when it is dropped.
#[derive(Debug)]
pub(super) struct CaseProgress(ProgressBar);

impl CaseProgress {
    /// Shows the current step of the case.
    pub(super) fn at(&self, what: &str) {
        self.0.set_message(sanitize::line(what, LABEL_WIDTH));
    }
}

impl Drop for CaseProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

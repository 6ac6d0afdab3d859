//! The table of a sweep on a terminal: how far it is, and a line for each case that runs. Nothing is shown where nobody
//! looks.

use crate::cli::context::CommandContext;
use crate::cli::progress;
use crate::render::sanitize;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

/// The widest label of a case.
const LABEL: usize = 40;

/// The table. Its lines go when it is dropped.
#[derive(Debug, Clone)]
pub(super) struct SweepProgress {
    lines: MultiProgress,
    whole: ProgressBar,
    failed: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl SweepProgress {
    /// A table for so many cases.
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

    /// A case begins.
    pub(super) fn begin(&self, number: usize, label: &str) -> CaseProgress {
        let bar = self.lines.add(ProgressBar::new_spinner());
        progress::style(&bar, "  {spinner} {prefix} {msg} {elapsed}");
        bar.set_prefix(format!("{number}  {}", sanitize::line(label, LABEL)));
        bar.tick();
        if !self.lines.is_hidden() {
            bar.enable_steady_tick(progress::TICK);
        }
        CaseProgress(bar)
    }

    /// A case has ended.
    pub(super) fn ended(&self, went_well: bool) {
        use std::sync::atomic::Ordering;
        if !went_well {
            let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
            self.whole.set_message(format!("({failed} failed)"));
        }
        self.whole.inc(1);
    }

    /// Does something that writes to the terminal, with the table out of its way.
    pub(super) fn aside(&self, write: &mut dyn FnMut()) {
        self.lines.suspend(write);
    }

    /// Takes the table off the screen.
    pub(super) fn finish(&self) {
        self.whole.finish_and_clear();
        // What cannot be cleared is not on a terminal.
        let _ = self.lines.clear();
    }
}

/// The line of a case that runs. It goes when it is dropped.
#[derive(Debug)]
pub(super) struct CaseProgress(ProgressBar);

impl CaseProgress {
    /// The case is at this now.
    pub(super) fn at(&self, what: &str) {
        self.0.set_message(sanitize::line(what, LABEL));
    }
}

impl Drop for CaseProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

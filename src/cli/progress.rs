//! Progress of file transfers and of a session that starts, on standard error. It is shown only on a terminal, and not with
//! `--quiet` or `--json`.

use super::context::CommandContext;
use super::queue_note::QueueNote;
use crate::format;
use crate::render::sanitize;
use crate::terminal::Screen;
use bai_client::Api;
use bai_protocol::status::SessionStatus;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Maximum width of a name next to a bar.
const NAME_WIDTH: usize = 24;
/// Maximum width of a step of a task.
const MESSAGE_WIDTH: usize = 60;
/// The progress of a session is shown after this time.
const SHOW_DELAY: Duration = Duration::from_millis(400);
/// How often the display is updated.
pub(super) const TICK: Duration = Duration::from_millis(120);

/// Whether standard error is a terminal and progress is wanted.
pub(super) fn is_wanted(context: &CommandContext) -> bool {
    let screen = Screen::detect();
    screen.stderr_tty && !screen.dumb && !context.global.quiet && !context.global.json
}

pub(super) fn style(bar: &ProgressBar, template: &str) {
    // All templates are valid; an invalid one would leave the default.
    if let Ok(style) = ProgressStyle::with_template(template) {
        let style = style
            .with_key("bytes", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&format::size(state.pos()));
            })
            .with_key("total_bytes", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&format::size(state.len().unwrap_or(state.pos())));
            })
            .with_key("bytes_per_sec", |state: &ProgressState, out: &mut dyn Write| {
                let _ = write!(out, "{}/s", format::size(state.per_sec() as u64));
            })
            .with_key("eta", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&format::running(state.eta()));
            })
            .with_key("elapsed", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&format::running(state.elapsed()));
            });
        bar.set_style(style.progress_chars("━╸ ").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
    }
}

/// The progress of a file transfer. Its line is removed when it is dropped.
#[derive(Debug)]
pub(super) struct TransferProgress(ProgressBar);

impl TransferProgress {
    /// Starts the progress of a transfer with this many bytes.
    pub(super) fn start(context: &CommandContext, bytes: u64) -> Self {
        let target =
            if is_wanted(context) { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        style(&bar, "{msg:24} {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta} left");
        if is_wanted(context) {
            bar.enable_steady_tick(TICK);
        }
        TransferProgress(bar)
    }

    /// Sets how many bytes all files have.
    pub(super) fn of(&self, bytes: u64) {
        self.0.set_length(bytes);
    }

    /// Shows the current file, and how many bytes of all files have arrived.
    pub(super) fn at(&self, name: &str, bytes: u64) {
        self.0.set_message(sanitize::name(name, NAME_WIDTH));
        self.0.set_position(bytes);
    }

    /// Prints a message above the line.
    pub(super) fn print(&self, text: &str) {
        let text = sanitize::line(text, 1_000);
        self.0.suspend(|| eprintln!("bai-repl: {text}"));
    }
}

impl Drop for TransferProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The progress of a background task of a server. Its line is removed when it is dropped.
#[derive(Debug)]
pub(super) struct TaskProgress(ProgressBar);

impl TaskProgress {
    /// Starts the progress of a task with this name.
    pub(super) fn start(context: &CommandContext, name: &str) -> Self {
        let target =
            if is_wanted(context) { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        style(&bar, "{spinner} {prefix}: {msg} {elapsed}");
        bar.set_prefix(sanitize::name(name, NAME_WIDTH));
        if is_wanted(context) {
            bar.enable_steady_tick(TICK);
        }
        TaskProgress(bar)
    }

    /// Shows the current step, and how much of the task is done if its total is known.
    pub(super) fn at(&self, current: f64, total: f64, step: &str) {
        let share = if total > 0.0 {
            format!("{} ", format::percent(current / total * 100.0))
        } else {
            String::new()
        };
        self.0.set_message(format!("{share}{}", sanitize::line(step, MESSAGE_WIDTH)));
    }
}

impl Drop for TaskProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The progress of a session that starts: each status as it comes. It is shown only if the start takes a while. Its line is
/// removed when it is dropped.
#[derive(Debug)]
pub(super) struct OpeningProgress {
    bar: ProgressBar,
    passed: Mutex<Vec<String>>,
    /// The lines in place of the progress.
    note: Mutex<Option<QueueNote>>,
    _show: Option<AbortOnDropHandle<()>>,
}

impl OpeningProgress {
    /// Starts the progress of the session with this name.
    pub(super) fn start(context: &CommandContext, api: &Api, name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        style(&bar, "{spinner} {prefix}: {msg} {elapsed}");
        bar.set_prefix(sanitize::name(name, NAME_WIDTH));
        let later = bar.clone();
        let show = is_wanted(context).then(|| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                tokio::time::sleep(SHOW_DELAY).await;
                later.set_draw_target(ProgressDrawTarget::stderr());
                later.enable_steady_tick(TICK);
            }))
        });
        let note = if show.is_some() { None } else { QueueNote::new(context, api, name) };
        OpeningProgress { bar, passed: Mutex::default(), note: Mutex::new(note), _show: show }
    }

    /// Shows the current status.
    pub(super) fn report(&self, status: &SessionStatus) {
        if let Some(note) = self.note.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            note.report(status);
        }
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.push(sanitize::line(status.name(), NAME_WIDTH));
        self.bar.set_message(passed.join(" → "));
    }
}

impl Drop for OpeningProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! The spinner: a line that is shown after a second without output, and removed before other text.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

use super::paint::Paint;
use crate::format;
use crate::render::sanitize;
use crate::theme::Role;

/// The spinner appears after this time without output.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// How often the line changes.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The spinner. While it is shown it has its own line.
#[derive(Debug)]
pub(super) struct Spinner {
    enabled: bool,
    shown: bool,
    frame: usize,
}

impl Spinner {
    /// A spinner; if not `enabled`, it is never shown.
    pub(super) fn new(enabled: bool) -> Self {
        Spinner { enabled, shown: false, frame: 0 }
    }

    /// Shows the next frame on the cursor's line. The cursor must be at its start.
    pub(super) fn show(
        &mut self,
        out: &mut impl Write,
        paint: &Paint,
        elapsed: Duration,
        label: &str,
    ) -> io::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let frames = paint.signs().spinner;
        let frame = frames.get(self.frame % frames.len().max(1)).unwrap_or(&"");
        self.frame += 1;
        let dot = paint.signs().dot;
        let mut text = format!("{frame} {}", format::running(elapsed));
        if !label.is_empty() {
            text = format!("{text} {dot} {}", sanitize::sentence(label));
        }
        let room = usize::from(crate::terminal::size().cols).saturating_sub(1);
        while text.width() > room && text.pop().is_some() {}
        self.shown = true;
        out.write_all(format!("\r\x1b[K{}", paint.text(Role::Spinner, &text)).as_bytes())
    }

    /// Removes it from the screen.
    pub(super) fn hide(&mut self, out: &mut impl Write) -> io::Result<()> {
        if std::mem::take(&mut self.shown) { out.write_all(b"\r\x1b[K") } else { Ok(()) }
    }
}

/// The time since `start`.
pub(super) fn since(start: Instant) -> Duration {
    Instant::now().saturating_duration_since(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::ColorDepth;
    use crate::theme::Theme;

    #[test]
    fn the_spinner_is_erased() {
        let paint = Paint::new(&Theme::plain(), ColorDepth::None, false);
        let (mut spinner, mut out) = (Spinner::new(true), Vec::new());
        spinner.hide(&mut out).unwrap();
        assert!(out.is_empty());
        spinner.show(&mut out, &paint, Duration::from_secs(3), "PREPARING").unwrap();
        spinner.hide(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\r\x1b[K| 3 s - PREPARING\r\x1b[K");
    }

    #[test]
    fn a_dumb_terminal_gets_no_spinner() {
        let paint = Paint::new(&Theme::plain(), ColorDepth::None, false);
        let (mut spinner, mut out) = (Spinner::new(false), Vec::new());
        spinner.show(&mut out, &paint, Duration::from_secs(3), "").unwrap();
        assert!(out.is_empty());
    }
}

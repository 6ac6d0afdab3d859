//! What is told of a run that has not begun: the server is silent about it, and the looks at its session say what runs there instead.

use super::activity::Activity;
use std::time::Duration;
use tokio::time::Instant;

/// When it is told in any case.
const LATEST: Duration = Duration::from_secs(5);
/// A session that is seen without a cell for this time has left the run waiting: a run that waits begins when the one before it ends.
const SURE: Duration = Duration::from_millis(2500);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The time before the first frame of a run.
pub(super) struct Beginning {
    since: Instant,
    /// When it is told in any case; `None` after that, and where nobody is told.
    pub(super) latest: Option<Instant>,
    /// Whether the run is still silent.
    is_silent: bool,
    told: Option<Activity>,
    /// Since when no cell was seen.
    no_cell: Option<Instant>,
}

impl Beginning {
    /// `is_told` says whether somebody waits for the beginning.
    pub(super) fn new(is_told: bool) -> Self {
        let since = Instant::now();
        Beginning {
            since,
            latest: is_told.then(|| since + LATEST),
            is_silent: is_told,
            told: None,
            no_cell: None,
        }
    }

    /// A frame has come.
    pub(super) fn is_over(&mut self) {
        (self.latest, self.is_silent) = (None, false);
    }

    /// Whether no frame has come.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// How long the run has been silent.
    pub(super) fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    /// This was seen in the session at this time. Returns what is to be told, which is not told yet.
    pub(super) fn seen(&mut self, activity: Activity, now: Instant) -> Option<Activity> {
        let is_late = self.latest.is_none();
        let known = match activity {
            Activity::Nothing => {
                let is_sure = now - *self.no_cell.get_or_insert(now) >= SURE;
                if is_sure && is_late { Activity::Nothing } else { Activity::Unknown }
            }
            other => {
                self.no_cell = None;
                other
            }
        };
        let is_news = match known {
            Activity::Unknown => is_late && self.told.is_none(),
            known => self.told != Some(known),
        };
        if !self.is_silent || !is_news {
            return None;
        }
        self.latest = None;
        self.told = Some(known);
        Some(known)
    }

    /// When to look again, while the run is silent. A session that was seen without a cell is looked at soon.
    pub(super) fn pause(&self) -> Option<Duration> {
        let doubts = self.no_cell.is_some() && self.told != Some(Activity::Nothing);
        self.is_silent.then_some(if doubts { SURE } else { LONGEST_PAUSE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_told_at_once_and_a_stuck_session_when_it_is_sure() {
        let mut now = Instant::now();
        let mut beginning = Beginning::new(true);
        assert_eq!(beginning.seen(Activity::Unknown, now), None);
        assert_eq!(beginning.seen(Activity::Cell, now), Some(Activity::Cell));
        assert_eq!(beginning.seen(Activity::Cell, now), None);
        assert_eq!((beginning.seen(Activity::Nothing, now), beginning.pause()), (None, Some(SURE)));
        now += SURE;
        assert_eq!(beginning.seen(Activity::Nothing, now), Some(Activity::Nothing));
        assert_eq!((beginning.seen(Activity::Nothing, now), beginning.pause()), (None, Some(LONGEST_PAUSE)));
    }

    #[test]
    fn a_short_pause_between_two_cells_is_no_stuck_session() {
        let mut now = Instant::now();
        let mut beginning = Beginning::new(true);
        assert_eq!(beginning.seen(Activity::Nothing, now), None);
        now += SURE;
        assert_eq!(beginning.seen(Activity::Nothing, now), None, "it may begin yet");
        beginning.latest = None;
        assert_eq!(beginning.seen(Activity::Cell, now), Some(Activity::Cell));
        assert_eq!(beginning.seen(Activity::Nothing, now), None);
        beginning.is_over();
        now += SURE;
        assert_eq!((beginning.seen(Activity::Nothing, now), beginning.pause()), (None, None));
    }

    #[test]
    fn what_nobody_knows_is_told_once_and_late() {
        let now = Instant::now();
        let mut beginning = Beginning::new(true);
        beginning.latest = None;
        assert_eq!(beginning.seen(Activity::Unknown, now), Some(Activity::Unknown));
        assert_eq!(beginning.seen(Activity::Unknown, now), None);
        assert_eq!(Beginning::new(false).seen(Activity::Cell, now), None);
    }
}

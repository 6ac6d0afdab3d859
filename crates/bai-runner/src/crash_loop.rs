//! The crash-loop counter: how often an interpreter has died while it was idle. One that always dies must not be
//! started again and again. This module has no clock and does no I/O.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The number of crashes within [`WITHIN`] that make a crash loop.
pub(super) const TOO_MANY: usize = 3;
/// The period in which crashes are counted.
const WITHIN: Duration = Duration::from_secs(60);

/// The times of the last crashes.
#[derive(Debug, Default)]
pub(super) struct CrashLoop(VecDeque<Instant>);

impl CrashLoop {
    /// Records a crash. Returns whether there are too many now.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        self.0.retain(|&death| now.duration_since(death) < WITHIN);
        self.0.len() >= TOO_MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crashes_within_a_short_time_count() {
        let mut deaths = CrashLoop::default();
        let start = Instant::now();
        let noted: Vec<bool> =
            [0, 30, 70, 80, 81, 200].map(|s| deaths.note(start + Duration::from_secs(s))).to_vec();
        assert_eq!(noted, [false, false, false, true, true, false]);
    }
}

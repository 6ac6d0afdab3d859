//! Decides when the next frame may be painted: at most 60 in a second, also in a short burst, with priority for frames that
//! show the echo of a key. It handles only times; the pane paints.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The sliding window in which frames are counted.
const WINDOW: Duration = Duration::from_millis(250);
/// Maximum frames in a window, which is 60 in a second.
const MAX_FRAMES: usize = 15;
/// Interval between frames for output alone. It leaves one frame in each window for the first key.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(18);
/// Interval between frames for output while the user types: echoes need the other frames.
const OUTPUT_INTERVAL_WHILE_TYPING: Duration = Duration::from_millis(34);
/// The user counts as typing for this time after a key.
const TYPING: Duration = Duration::from_secs(1);
/// Delay between a key and its echo during other output: an earlier frame would not contain the echo.
const ECHO_DELAY: Duration = Duration::from_millis(3);
/// Number of frames after a key that may show its echo.
const ECHO_FRAMES: u8 = 2;
/// Interval between these frames.
const ECHO_INTERVAL: Duration = Duration::from_millis(5);
/// The second echo frame needs room for this many more frames in the window, which stay free for the next keys.
const RESERVED: usize = 4;

/// The recent frames and keys.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The times of the last frames, at most [`MAX_FRAMES`].
    painted: VecDeque<Instant>,
    key: Option<Instant>,
    /// The earliest time for the first echo frame.
    echo_from: Option<Instant>,
    /// Number of frames left that may show the echo of the last key.
    echo_frames: u8,
}

impl Pace {
    /// Records a key for the program. `busy` says that other output waits to be painted.
    pub(super) fn key(&mut self, now: Instant, busy: bool) {
        self.key = Some(now);
        // A pending echo keeps its time, so that very fast typing does not delay it forever.
        let pending = self.echo_frames == ECHO_FRAMES && self.echo_from.is_some();
        if !pending {
            self.echo_from = busy.then(|| now + ECHO_DELAY);
        }
        self.echo_frames = ECHO_FRAMES;
    }

    /// Records a painted frame.
    pub(super) fn painted(&mut self, now: Instant) {
        if self.painted.len() == MAX_FRAMES {
            self.painted.pop_front();
        }
        self.painted.push_back(now);
        self.echo_frames = self.echo_frames.saturating_sub(1);
    }

    /// The time of the last frame.
    pub(super) fn last(&self) -> Option<Instant> {
        self.painted.back().copied()
    }

    /// The earliest time for the next frame, if there is output to paint at `now`; `None` means at once.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let typing = self.key.is_some_and(|key| now.saturating_duration_since(key) < TYPING);
        let interval = match self.echo_frames {
            _ if !typing => OUTPUT_INTERVAL,
            ECHO_FRAMES => ECHO_INTERVAL,
            1.. if self.room_for(RESERVED).is_none_or(|time| time <= now) => ECHO_INTERVAL,
            _ => OUTPUT_INTERVAL_WHILE_TYPING,
        };
        let after_last = self.last().map(|last| last + interval);
        let within_limit = self.room_for(1);
        let echo = self.echo_from.filter(|_| self.echo_frames == ECHO_FRAMES);
        after_last.max(within_limit).max(echo)
    }

    /// The time when the window has room for `more` frames; `None` means now.
    fn room_for(&self, more: usize) -> Option<Instant> {
        let excess = (self.painted.len() + more).checked_sub(MAX_FRAMES + 1)?;
        self.painted.get(excess).map(|painted| *painted + WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Paints for `length` as often as allowed, with continuous output and a key every `keys`. Returns the times of frames and
    /// keys.
    fn flood(pace: &mut Pace, begin: Instant, length: Duration, keys: Option<Duration>) -> [Vec<Instant>; 2] {
        let (mut frames, mut typed) = (Vec::new(), Vec::new());
        let mut now = begin;
        let mut next_key = keys.map(|every| begin + every);
        while now < begin + length {
            if let (Some(at), Some(every)) = (next_key, keys)
                && now >= at
            {
                pace.key(now, true);
                typed.push(now);
                next_key = Some(at + every);
            }
            if pace.next(now).is_none_or(|at| now >= at) {
                pace.painted(now);
                frames.push(now);
            }
            now += MILLI / 2;
        }
        [frames, typed]
    }

    #[test]
    fn no_window_has_more_frames_than_sixty_in_a_second() {
        for keys in [None, Some(1), Some(7), Some(16), Some(30), Some(100), Some(900)] {
            let keys = keys.map(|millis| MILLI * millis);
            let [frames, _] = flood(&mut Pace::default(), Instant::now(), MILLI * 5000, keys);
            assert!(frames.len() > 100, "{keys:?}: it still moves");
            for window in frames.windows(MAX_FRAMES + 1) {
                assert!(window[MAX_FRAMES] - window[0] >= WINDOW, "{keys:?}");
            }
        }
    }

    #[test]
    fn output_alone_is_painted_evenly() {
        let [frames, _] = flood(&mut Pace::default(), Instant::now(), MILLI * 1000, None);
        assert!((50..=60).contains(&frames.len()));
        assert!(frames.windows(2).all(|two| two[1] - two[0] >= Duration::from_secs(1) / 60));
    }

    #[test]
    fn an_echo_in_a_flood_is_painted_within_milliseconds() {
        let mut pace = Pace::default();
        let begin = Instant::now();
        let [_, none] = flood(&mut pace, begin, MILLI * 2000, None);
        assert!(none.is_empty());
        // At the speed of typing, and at the speed of a repeating key; including the very first key.
        for (from, every) in [(2000, 100), (4000, 33)] {
            let [frames, keys] = flood(&mut pace, begin + MILLI * from, MILLI * 2000, Some(MILLI * every));
            for key in &keys[..keys.len() - 1] {
                let echo = *key + ECHO_DELAY;
                let shown = frames.iter().find(|frame| **frame >= echo).unwrap();
                assert!(*shown - *key <= MILLI * 12, "{:?} with a key each {every} ms", *shown - *key);
            }
        }
    }

    #[test]
    fn at_rest_an_echo_is_painted_at_once() {
        let mut pace = Pace::default();
        let begin = Instant::now();
        for key in 0..50 {
            let now = begin + MILLI * 40 * key;
            pace.key(now, false);
            assert!(pace.next(now).is_none_or(|at| at <= now), "key {key}");
            pace.painted(now);
        }
    }
}

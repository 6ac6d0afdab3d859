//! When the next picture may be painted: no more than 60 a second, also in a short burst, and those first that a key's
//! echo waits for. Knows times only; what is painted is the pane's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// In no stretch of this length…
const STRETCH: Duration = Duration::from_millis(250);
/// …are there more pictures than these, which is 60 a second.
const PICTURES: usize = 15;
/// Output by itself is painted at this distance, which leaves a picture in each stretch to the first key.
const OUTPUT: Duration = Duration::from_millis(18);
/// While somebody types it is painted more seldom: the pictures are the echoes'.
const OUTPUT_BESIDE_KEYS: Duration = Duration::from_millis(34);
/// Somebody types who has typed so lately.
const TYPING: Duration = Duration::from_secs(1);
/// In the midst of other output a picture that is painted sooner after a key would show all but its echo.
const ECHO: Duration = Duration::from_millis(3);
/// So many pictures after a key may show its echo, at this distance.
const ECHOES: u8 = 2;
const ECHOES_APART: Duration = Duration::from_millis(5);
/// All but the first only while a stretch has room for so many more: for the first of the next keys.
const SPARED: usize = 4;

/// What was painted and typed of late.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last pictures were painted, at most [`PICTURES`].
    painted: VecDeque<Instant>,
    key: Option<Instant>,
    /// The echo is not to be looked for before.
    echo_from: Option<Instant>,
    /// Pictures that may yet show the echo of the last key.
    echoes: u8,
}

impl Pace {
    /// A key goes to the program. `busy` says that there is something to paint already, which is no echo.
    pub(super) fn key(&mut self, now: Instant, busy: bool) {
        self.key = Some(now);
        // Who types faster than that sees something, too.
        let waits = self.echoes == ECHOES && self.echo_from.is_some();
        if !waits {
            self.echo_from = busy.then(|| now + ECHO);
        }
        self.echoes = ECHOES;
    }

    /// A picture is painted.
    pub(super) fn painted(&mut self, now: Instant) {
        if self.painted.len() == PICTURES {
            self.painted.pop_front();
        }
        self.painted.push_back(now);
        self.echoes = self.echoes.saturating_sub(1);
    }

    /// When the last picture was painted.
    pub(super) fn last(&self) -> Option<Instant> {
        self.painted.back().copied()
    }

    /// The first moment for the next picture, if there is something to paint at `now`; none is at once.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let typing = self.key.is_some_and(|key| now.saturating_duration_since(key) < TYPING);
        let distance = match self.echoes {
            _ if !typing => OUTPUT,
            ECHOES => ECHOES_APART,
            1.. if self.room_for(SPARED).is_none_or(|at| at <= now) => ECHOES_APART,
            _ => OUTPUT_BESIDE_KEYS,
        };
        let apart = self.last().map(|last| last + distance);
        let full = self.room_for(1);
        let echo = self.echo_from.filter(|_| self.echoes == ECHOES);
        apart.max(full).max(echo)
    }

    /// When a stretch has room for so many more pictures; none is that it has.
    fn room_for(&self, more: usize) -> Option<Instant> {
        let excess = (self.painted.len() + more).checked_sub(PICTURES + 1)?;
        self.painted.get(excess).map(|painted| *painted + STRETCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Paints for `length` whenever it may, with output all the time and a key every `keys`. Gives the times of both.
    fn flood(pace: &mut Pace, begin: Instant, length: Duration, keys: Option<Duration>) -> [Vec<Instant>; 2] {
        let (mut pictures, mut typed) = (Vec::new(), Vec::new());
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
                pictures.push(now);
            }
            now += MILLI / 2;
        }
        [pictures, typed]
    }

    #[test]
    fn no_stretch_has_more_than_its_share_of_sixty_a_second() {
        for keys in [None, Some(1), Some(7), Some(16), Some(30), Some(100), Some(900)] {
            let keys = keys.map(|millis| MILLI * millis);
            let [pictures, _] = flood(&mut Pace::default(), Instant::now(), MILLI * 5000, keys);
            assert!(pictures.len() > 100, "{keys:?}: it still moves");
            for stretch in pictures.windows(PICTURES + 1) {
                assert!(stretch[PICTURES] - stretch[0] >= STRETCH, "{keys:?}");
            }
        }
    }

    #[test]
    fn output_alone_is_painted_evenly() {
        let [pictures, _] = flood(&mut Pace::default(), Instant::now(), MILLI * 1000, None);
        assert!((50..=60).contains(&pictures.len()));
        assert!(pictures.windows(2).all(|two| two[1] - two[0] >= Duration::from_secs(1) / 60));
    }

    #[test]
    fn an_echo_in_a_flood_is_painted_within_milliseconds() {
        let mut pace = Pace::default();
        let begin = Instant::now();
        let [_, none] = flood(&mut pace, begin, MILLI * 2000, None);
        assert!(none.is_empty());
        // As fast as somebody types, and as a key that is held down repeats; the first key of all included.
        for (from, every) in [(2000, 100), (4000, 33)] {
            let [pictures, keys] = flood(&mut pace, begin + MILLI * from, MILLI * 2000, Some(MILLI * every));
            for key in &keys[..keys.len() - 1] {
                let echo = *key + ECHO;
                let shown = pictures.iter().find(|picture| **picture >= echo).unwrap();
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

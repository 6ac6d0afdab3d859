//! The clock of requests: the `Date` that is signed, and how far the server's clock is from ours.

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap};
use std::sync::atomic::{AtomicI64, Ordering};

/// The date of the last request, in microseconds.
static LAST: AtomicI64 = AtomicI64::new(0);
/// By how many microseconds dates may run ahead of the clock. A clock that is further back has been set.
const AHEAD_LIMIT: i64 = 1_000_000;

/// The date of a request: the text of the header, and the eight digits of its day.
pub(super) struct RequestDate {
    pub(super) text: String,
    pub(super) day: String,
}

impl RequestDate {
    /// The date of a request that is signed now. No two are equal: two equal requests of one microsecond would have one signature, and
    /// servers may take each once.
    pub(super) fn unique() -> Self {
        let now = Timestamp::now().as_microsecond();
        let later = |last: i64| if last - now < AHEAD_LIMIT { now.max(last + 1) } else { now };
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last)));
        let date = last.map_or(now, later);
        Self::new(Timestamp::from_microsecond(date).unwrap_or_else(|_| Timestamp::now()))
    }

    /// ISO 8601 in UTC with microseconds, as the official client writes it.
    pub(super) fn new(now: Timestamp) -> Self {
        RequestDate {
            text: now.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string(),
            day: now.strftime("%Y%m%d").to_string(),
        }
    }
}

/// How many seconds our clock is ahead of the server's; negative when behind. `None` without a `Date` header.
pub(super) fn ahead_of(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(now.as_second().saturating_sub(theirs.as_second()))
}

/// A difference in words: "1 h 2 min ahead of".
pub(super) fn difference(ahead: i64) -> String {
    let seconds = ahead.unsigned_abs();
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    let amount = match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min"),
        (1..48, _) => format!("{hours} h {minutes} min"),
        _ => format!("{} days", hours / 24),
    };
    format!("{amount} {}", if ahead < 0 { "behind" } else { "ahead of" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_format_of_the_official_client() {
        let date = RequestDate::new("2026-01-02T03:04:05.678901Z".parse().unwrap());
        assert_eq!((date.text.as_str(), date.day.as_str()), ("2026-01-02T03:04:05.678901+00:00", "20260102"));
    }

    #[test]
    fn no_two_requests_have_the_same_date() {
        let dates = || (0..5000).map(|_| RequestDate::unique().text).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(dates)).collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn the_difference_is_described() {
        let mut headers = HeaderMap::new();
        let now = "2026-11-21T02:04:05Z".parse().unwrap();
        assert_eq!(ahead_of(&headers, now), None);
        headers.insert(DATE, "Sat, 21 Nov 2026 01:02:03 GMT".parse().unwrap());
        assert_eq!(ahead_of(&headers, now), Some(3722));
        assert_eq!(difference(3722), "1 h 2 min ahead of");
        assert_eq!(difference(-1200), "20 min behind");
        assert_eq!(difference(400 * 86400), "400 days ahead of");
    }
}

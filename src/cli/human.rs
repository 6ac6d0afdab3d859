//! Sizes and times as people say them.

use jiff::Timestamp;

/// Bytes in units of 1024, with three digits at most.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Precise enough for three digits.
    #[allow(clippy::cast_precision_loss)]
    let mut size = count as f64 / 1024.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).unwrap_or(&"");
    if size < 9.95 { format!("{size:.1} {name}") } else { format!("{size:.0} {name}") }
}

/// A duration in its largest unit.
pub(super) fn seconds(count: u64) -> String {
    match count {
        0..60 => format!("{count} s"),
        60..3_600 => format!("{} min", count / 60),
        3_600..172_800 => format!("{} h", count / 3_600),
        _ => format!("{} d", count / 86_400),
    }
}

/// A duration as precisely as people want it.
pub(super) fn elapsed(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        count => format!("{} min {} s", count / 60, count % 60),
    }
}

/// How long ago a server's time is; the text itself when it is no time that we read.
pub(super) fn ago(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(then) => {
            let passed = u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0);
            format!("{} ago", seconds(passed))
        }
        Err(_) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_at_most() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1.0 MiB"),
            (52_428_800, "50 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_told_from_now_on_backwards() {
        let now: Timestamp = "2026-11-21T05:00:00Z".parse().unwrap();
        for (time, text) in [
            ("2026-11-21T04:59:30.123456+00:00", "29 s ago"),
            ("2026-11-21T04:00:00Z", "1 h ago"),
            ("2026-11-21T13:58:00+09:00", "2 min ago"),
            ("2026-11-01T05:00:00Z", "20 d ago"),
            ("2027-01-01T00:00:00Z", "0 s ago"),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(ago(time, now), text);
        }
    }
}

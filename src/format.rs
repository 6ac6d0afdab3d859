//! Sizes, durations, ages and percentages as users read them. All front ends use these functions. They are pure and
//! know no terminal, session or colour.

use std::time::{Duration, SystemTime};

use bai_protocol::live_stat::{Accelerator, ByteCount, LiveStat};
use jiff::{Timestamp, Zoned};

/// An amount of a resource, such as `cpu` or `mem`. A negative amount is 0, as nothing is left then.
pub fn amount(slot: &str, amount: f64) -> String {
    match slot {
        "mem" => size(amount as u64),
        _ => amount.max(0.0).to_string(),
    }
}

/// A number of bytes in units of 1024, with at most three digits: `1.0 KiB`, `52 MiB`, `999 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Precise enough for three digits.
    #[allow(clippy::cast_precision_loss)]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).unwrap_or(&"");
    if size < 9.95 { format!("{size:.1} {name}") } else { format!("{size:.0} {name}") }
}

/// A duration in its two largest units: `7 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(time: Duration) -> String {
    let total = time.as_secs();
    match total {
        0 if time.as_millis() < 100 => format!("{} ms", time.as_millis()),
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min {} s", total / 60, total % 60),
        3_600..172_800 => format!("{} h {} min", total / 3_600, total % 3_600 / 60),
        _ => format!("{} d {} h", total / 86_400, total % 86_400 / 3_600),
    }
}

/// A duration that is still growing, in whole seconds. Tenths change faster than a user can read them.
pub fn running(time: Duration) -> String {
    if time.as_secs() < 60 { format!("{} s", time.as_secs()) } else { duration(time) }
}

/// An age in its largest unit: `29 s`, `5 min`, `3 h`, `20 d`.
pub fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A timestamp from the server as users read it: `2026-11-29 01:05:37 UTC`. Returns the text itself if it is not a
/// timestamp.
pub fn time(time: &str) -> String {
    time.parse::<Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A moment as the user's clock shows it: `14:03:11`, with the date on another day.
pub fn clock(time: SystemTime) -> String {
    let Ok(time) = Zoned::try_from(time) else { return "an unknown time".to_owned() };
    let is_today = time.date() == Zoned::now().date();
    time.strftime(if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

/// The age of a timestamp from the server. `None` if the text is not a timestamp. A timestamp in the future has the age
/// 0.
pub fn age_at(time: &str, now: Timestamp) -> Option<String> {
    let then = time.parse::<Timestamp>().ok()?;
    Some(age(Duration::try_from(now.duration_since(then)).unwrap_or_default()))
}

/// The age of a timestamp from the server, as `5 min ago`, or `in 1 d` for the future. Returns the text itself if it is not a timestamp.
pub fn ago(time: &str, now: Timestamp) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return time.to_owned() };
    let ahead = then.duration_since(now);
    // Clocks differ by a little.
    if ahead.as_secs() > 1 {
        return format!("in {}", age(ahead.unsigned_abs()));
    }
    format!("{} ago", age(Duration::try_from(now.duration_since(then)).unwrap_or_default()))
}

/// A percentage: `45 %`.
pub fn percent(percent: f64) -> String {
    format!("{percent:.0} %")
}

/// An amount in use, with its limit if there is one: `512 MiB of 1.0 GiB`.
pub fn size_in_use(bytes: ByteCount) -> String {
    let used = size(bytes.used);
    bytes.limit.map_or_else(|| used.clone(), |limit| format!("{used} of {}", size(limit)))
}

/// The resources that a session uses, in one line: `12 % of a core, 1.0 GiB of 4.0 GiB, cuda 45 %`. `None` if no value
/// is known.
pub fn usage(stat: &LiveStat) -> Option<String> {
    let cpu = stat.cpu().map(|cpu| format!("{} of a core", percent(cpu)));
    let memory = stat.memory().map(size_in_use);
    let accelerator = |gpu: Accelerator| {
        let details = [gpu.percent.map(percent), gpu.memory.map(size_in_use)];
        let words: Vec<String> = std::iter::once(gpu.name).chain(details.into_iter().flatten()).collect();
        words.join(" ")
    };
    let accelerators = stat.accelerators().into_iter().map(accelerator);
    let parts: Vec<String> = cpu.into_iter().chain(memory).chain(accelerators).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_have_at_most_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_188, "9.9 KiB"),
            (10_189, "10 KiB"),
            (1_023_487, "999 KiB"),
            (1_023_488, "1.0 MiB"),
            (3_500_000, "3.3 MiB"),
            (52_428_800, "50 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (millis, exact, whole) in [
            (7, "7 ms", "0 s"),
            (100, "0.1 s", "0 s"),
            (4_230, "4.2 s", "4 s"),
            (192_000, "3 min 12 s", "3 min 12 s"),
            (7_500_000, "2 h 5 min", "2 h 5 min"),
            (273_600_000, "3 d 4 h", "3 d 4 h"),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!((duration(time).as_str(), running(time).as_str()), (exact, whole));
        }
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (172_799, "47 h"),
            (172_800, "2 d"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
        let now: Timestamp = "2026-11-21T05:00:00Z".parse().unwrap();
        for (time, text) in [
            ("2026-11-21T04:59:30.123456+00:00", "29 s ago"),
            ("2026-11-21T04:00:00Z", "1 h ago"),
            ("2026-11-21T13:58:00+09:00", "2 min ago"),
            ("2026-11-01T05:00:00Z", "20 d ago"),
            ("2026-11-22T05:00:01Z", "in 24 h"),
            ("2027-01-01T00:00:00Z", "in 40 d"),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(ago(time, now), text);
        }
        assert_eq!(age_at("yesterday", now), None);
        assert_eq!(super::time("2026-11-29T01:05:37.647779+00:00"), "2026-11-29 01:05:37 UTC");
        assert_eq!(super::time("2026-11-29T10:05:37+09:00"), "2026-11-29 01:05:37 UTC");
        assert_eq!(super::time("yesterday"), "yesterday");
    }

    #[test]
    fn the_usage_of_a_session_is_one_line() {
        let stat = LiveStat::of(&json!({
            "cpu_util": {"current": "1532.4", "capacity": "1000"},
            "mem": {"current": "536870912", "capacity": "1073741824"},
            "cuda_util": {"current": "45", "capacity": "100"},
            "cuda_mem": {"current": "2147483648", "capacity": "8589934592"},
        }));
        let line = "153 % of a core, 512 MiB of 1.0 GiB, cuda 45 % 2.0 GiB of 8.0 GiB";
        assert_eq!(usage(&stat).as_deref(), Some(line));
        assert_eq!(usage(&LiveStat::default()), None);
        assert_eq!(size_in_use(ByteCount { used: 1000, limit: None }), "1000 B");
    }
}

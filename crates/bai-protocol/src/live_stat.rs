//! Live statistics of a container: its current use of resources. GraphQL gives them as `live_stat`, text with JSON in it: a map from the
//! names of metrics to their values, whose numbers are texts. Which metrics there are depends on the server's age and on the
//! accelerators of its machines:
//!
//! | Metric | What it is |
//! |---|---|
//! | `cpu_util` | CPU time in the last moments, in thousandths of a core; `capacity` is one core |
//! | `cpu_used` | CPU time since the start, in milliseconds |
//! | `mem` | memory in bytes; `capacity` is the limit |
//! | `cuda_util`, `rocm_util`… | how busy accelerators are, in percent for each that the container has |
//! | `cuda_mem`, `rocm_mem`… | their memory in bytes |
//! | `io_read`, `io_write` | bytes since the start |
//! | `net_rx`, `net_tx` | bytes in a second |
//! | `io_scratch_size` | bytes of the container's own folder |

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A capacity from here on means no limit: 26.x writes the largest integer for it.
const NO_CAPACITY: f64 = 4.0e18;

/// One value, in the metric's own unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metric {
    /// Now.
    pub current: f64,
    /// The limit, if there is one.
    pub capacity: Option<f64>,
    /// How much of the capacity it is, in percent; may be more than 100 where the capacity is that of one of several.
    pub percent: Option<f64>,
}

/// The current use of resources by a container, or by a session with several.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct LiveStat(BTreeMap<String, Metric>);

/// A number of bytes, and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteCount {
    /// Now.
    pub used: u64,
    /// At most.
    pub limit: Option<u64>,
}

/// A kind of accelerator in use.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Accelerator {
    /// `cuda`, `rocm`…
    pub name: String,
    /// Its load, in percent of what the session has.
    pub percent: Option<f64>,
    /// Its memory.
    pub memory: Option<ByteCount>,
}

impl LiveStat {
    /// Reads the server's value: JSON, or JSON in a text. Null, and values that are not metrics or numbers, are left out.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => match serde_json::from_str(text) {
                Ok(Value::String(_)) | Err(_) => Self::default(),
                Ok(inner) => Self::of(&inner),
            },
            Value::Object(metrics) => {
                let read = |(name, value): (&String, &Value)| Some((name.clone(), metric(value)?));
                Self(metrics.iter().filter_map(read).collect())
            }
            _ => Self::default(),
        }
    }

    /// Adds the use of another container of the same session.
    pub fn add(&mut self, other: &Self) {
        for (name, more) in &other.0 {
            let Some(sum) = self.0.get_mut(name) else {
                self.0.insert(name.clone(), *more);
                continue;
            };
            sum.current += more.current;
            if name == CPU {
                // In percent of one core, however many there are.
                sum.percent = add(sum.percent, more.percent);
                continue;
            }
            sum.capacity = sum.capacity.zip(more.capacity).map(|(a, b)| a + b);
            let ratio = sum.capacity.map(|capacity| sum.current / capacity * 100.0);
            sum.percent = ratio.or(match (sum.percent, more.percent) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            });
        }
    }

    /// Whether no metric is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A metric by the server's name for it.
    pub fn get(&self, name: &str) -> Option<Metric> {
        self.0.get(name).copied()
    }

    /// CPU time in the last moments, in percent of one core.
    pub fn cpu(&self) -> Option<f64> {
        self.get(CPU)?.percent
    }

    /// Memory.
    pub fn memory(&self) -> Option<ByteCount> {
        self.bytes("mem")
    }

    /// Accelerators, by name.
    pub fn accelerators(&self) -> Vec<Accelerator> {
        let kind = |name: &String| {
            name.strip_suffix("_util").or_else(|| name.strip_suffix("_mem")).map(str::to_owned)
        };
        let mut names: Vec<String> = self.0.keys().filter(|name| *name != CPU).filter_map(kind).collect();
        names.dedup();
        let read = |name: String| Accelerator {
            percent: self.get(&format!("{name}_util")).and_then(|metric| metric.percent),
            memory: self.bytes(&format!("{name}_mem")),
            name,
        };
        names.into_iter().map(read).collect()
    }

    /// A metric that counts bytes.
    pub fn bytes(&self, name: &str) -> Option<ByteCount> {
        let metric = self.get(name)?;
        // No negative number is read, and what is too large is a mistake.
        let whole = |number: f64| number as u64;
        Some(ByteCount { used: whole(metric.current), limit: metric.capacity.map(whole) })
    }
}

const CPU: &str = "cpu_util";

fn add(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// Reads one metric. Bare numbers, which servers before 20.03 sent with another meaning, are not metrics.
fn metric(value: &Value) -> Option<Metric> {
    let field = |name: &str| number(value.get(name)?);
    let current = field("current")?;
    let capacity = field("capacity").filter(|capacity| *capacity > 0.0 && *capacity < NO_CAPACITY);
    let percent = capacity.map(|capacity| current / capacity * 100.0).or(field("pct"));
    Some(Metric { current, capacity, percent })
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As 26.9.6 writes it, from the samples that its agents have sent.
    const OF_26: &str = r#"{"cpu_used": {"current": "5230.120", "capacity": "9223372036854775807", "pct": "0.00", "unit_hint": "msec",
        "stats.min": "0", "stats.max": "0", "stats.sum": "0", "stats.avg": "0", "stats.diff": "0", "stats.rate": "0", "stats.version": null},
        "cpu_util": {"current": "1532.4", "capacity": "1000", "pct": "153.24", "unit_hint": "millicores", "stats.max": "2000", "stats.diff": "1532.4"},
        "mem": {"current": "536870912", "capacity": "1073741824", "pct": "50.00", "unit_hint": "bytes", "stats.max": "600000000"},
        "io_read": {"current": "4096", "capacity": "9223372036854775807", "pct": "0.00", "unit_hint": "bytes"},
        "net_rx": {"current": "120.5", "capacity": "9223372036854775807", "pct": "0.00", "unit_hint": "bps", "stats.rate": "120.5"}}"#;

    /// As agents wrote it to Redis from 20.03 on, with an accelerator.
    fn of_agents() -> Value {
        json!({
            "cpu_util": {"current": "37.5", "capacity": "1000", "pct": "3.75", "unit_hint": "percent", "stats.avg": "1", "stats.max": "9"},
            "mem": {"current": "1000", "capacity": null, "pct": "0.00", "unit_hint": "bytes", "stats.max": "1000"},
            "cuda_util": {"current": "45", "capacity": "100", "pct": "45.00", "unit_hint": "percent"},
            "cuda_mem": {"current": "2147483648", "capacity": "8589934592", "pct": "25.00", "unit_hint": "bytes"},
            "net_rx": {"current": null, "capacity": null, "pct": null, "unit_hint": "bps"},
        })
    }

    #[test]
    fn statistics_of_real_servers_are_read() {
        let stat = LiveStat::of(&json!(OF_26));
        assert_eq!(stat.cpu(), Some(153.24));
        assert_eq!(stat.memory(), Some(ByteCount { used: 536_870_912, limit: Some(1 << 30) }));
        assert_eq!(stat.bytes("io_read"), Some(ByteCount { used: 4096, limit: None }));
        assert_eq!(stat.get("net_rx").map(|metric| metric.current), Some(120.5));
        assert!(stat.accelerators().is_empty());

        let stat = LiveStat::of(&of_agents());
        assert_eq!((stat.cpu(), stat.memory()), (Some(3.75), Some(ByteCount { used: 1000, limit: None })));
        let memory = Some(ByteCount { used: 2 << 30, limit: Some(8 << 30) });
        assert_eq!(stat.accelerators(), [Accelerator { name: "cuda".into(), percent: Some(45.0), memory }]);
        assert_eq!(stat.get("net_rx"), None);
    }

    #[test]
    fn missing_and_invalid_values_are_none() {
        let old = json!({"cpu_used": 1200, "mem_max_bytes": 1 << 20, "version": 2});
        for value in [json!(null), json!("null"), json!("{"), json!("\"{}\""), json!([1]), json!(7), old] {
            assert!(LiveStat::of(&value).is_empty(), "{value}");
        }
        for current in [json!("NaN"), json!("inf"), json!("-1"), json!(""), json!({})] {
            assert_eq!(LiveStat::of(&json!({"mem": {"current": current}})).memory(), None, "{current}");
        }
        let bare = LiveStat::of(
            &json!({"mem": {"current": 5}, "cpu_util": {"current": "1", "pct": "0.1", "capacity": "0"}}),
        );
        assert_eq!((bare.memory(), bare.cpu()), (Some(ByteCount { used: 5, limit: None }), Some(0.1)));
    }

    #[test]
    fn containers_add_up() {
        let mut stat = LiveStat::of(&of_agents());
        stat.add(&LiveStat::of(&json!(OF_26)));
        stat.add(&LiveStat::of(&of_agents()));
        assert_eq!(stat.cpu().map(f64::round), Some(161.0));
        assert_eq!(stat.memory(), Some(ByteCount { used: 536_872_912, limit: None }));
        let cuda = &stat.accelerators()[0];
        assert_eq!((cuda.percent, cuda.memory.and_then(|memory| memory.limit)), (Some(45.0), Some(16 << 30)));
    }
}

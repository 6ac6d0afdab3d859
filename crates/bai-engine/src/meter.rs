//! The last measurement of one session's use, in the cluster's form (`bai_protocol::live_stat`). `live_stat` does the
//! measuring.

use bai_runner::{Usage, memory_limit};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two measurements that are compared for the use of CPU time.
pub(super) const SPAN: Duration = Duration::from_millis(200);
/// The age from which a measurement is not compared: it says too little about the present.
const OLD: Duration = Duration::from_secs(10);

/// The measurements of one session.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Option<Sample>>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    usage: Usage,
    /// Thousandths of a core, since the sample before.
    thousandths: Option<f64>,
}

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Option<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a recent sample to compare with.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.lock().is_some_and(|sample| now.duration_since(sample.at) < OLD)
    }

    pub(super) fn take_in(&self, at: Instant, usage: Option<Usage>) {
        let mut last = self.lock();
        let Some(usage) = usage else {
            *last = None;
            return;
        };
        *last = Some(match *last {
            // Too soon for a new comparison.
            Some(before) if at.duration_since(before.at) < SPAN && before.thousandths.is_some() => {
                Sample { usage: Usage { cpu: before.usage.cpu, ..usage }, ..before }
            }
            before => Sample { at, usage, thousandths: before.and_then(|before| busy(before, at, usage)) },
        });
    }

    pub(super) fn value(&self) -> Value {
        let Some(sample) = *self.lock() else { return Value::Null };
        let usage = sample.usage;
        let metric = |current: f64, capacity: Option<f64>, unit: &str| {
            let percent = capacity.map_or(0.0, |capacity| current / capacity * 100.0);
            json!({
                "current": format!("{current:.3}"), "capacity": capacity.map(|capacity| format!("{capacity:.0}")),
                "pct": format!("{percent:.2}"), "unit_hint": unit,
            })
        };
        // These numbers are small enough for an exact `f64`.
        let whole = |number: u64| number as f64;
        json!({
            "cpu_util": metric(sample.thousandths.unwrap_or(0.0), Some(1000.0), "millicores"),
            "cpu_used": metric(usage.cpu.as_secs_f64() * 1000.0, None, "msec"),
            "mem": metric(whole(usage.memory), memory_limit().map(whole), "bytes"),
            "io_read": metric(whole(usage.read), None, "bytes"),
            "io_write": metric(whole(usage.written), None, "bytes"),
        })
    }
}

fn busy(before: Sample, at: Instant, usage: Usage) -> Option<f64> {
    let passed = at.duration_since(before.at);
    // The CPU time of ended processes is gone, so the sum can shrink.
    let used = usage.cpu.saturating_sub(before.usage.cpu);
    (passed < OLD && !passed.is_zero()).then(|| used.as_secs_f64() / passed.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::live_stat::LiveStat;

    fn used(cpu: u64, memory: u64) -> Option<Usage> {
        Some(Usage { cpu: Duration::from_millis(cpu), memory, read: 7, written: 8 })
    }

    #[test]
    fn two_measurements_give_the_cpu_usage() {
        let (meter, start) = (Meter::default(), Instant::now());
        assert!(meter.value().is_null() && !meter.is_fresh(start));
        meter.take_in(start, used(1000, 10));
        assert!(meter.is_fresh(start) && !meter.is_fresh(start + OLD));
        meter.take_in(start + Duration::from_secs(2), used(4000, 20));
        let stat = LiveStat::of(&meter.value());
        assert_eq!((stat.cpu(), stat.memory().map(|memory| memory.used)), (Some(150.0), Some(20)));
        assert_eq!(stat.get("cpu_used").map(|metric| metric.current), Some(4000.0));
        // Two requests at the same time get the same answer.
        meter.take_in(start + Duration::from_millis(2_010), used(4000, 30));
        let stat = LiveStat::of(&meter.value());
        assert_eq!((stat.cpu(), stat.memory().map(|memory| memory.used)), (Some(150.0), Some(30)));
        // A program that has ended does not give a negative use.
        meter.take_in(start + Duration::from_secs(4), used(100, 5));
        assert_eq!(LiveStat::of(&meter.value()).cpu(), Some(0.0));
        meter.take_in(start + Duration::from_secs(6), None);
        assert!(meter.value().is_null());
    }
}

//! Why a session waits in the queue: the server's own reason, or else which resources it needs and does not get.

use super::follow::reason;
use super::session::ComputeSession;
use bai_protocol::resources::PresetCheck;
use std::collections::BTreeMap;

/// A resource of which a session needs more than there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortage {
    /// The resource, such as `cpu` or `mem`.
    pub slot: String,
    /// How much the session needs; memory in bytes.
    pub needed: f64,
    /// How much it could get now.
    pub left: f64,
    /// What limits it.
    pub limit: Limit,
}

/// What limits a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The quota of the key.
    Key,
    /// The quota of the project.
    Project,
    /// The machines of the resource group.
    Machines,
}

/// Why a session waits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum QueueReason {
    /// The server's words. Untrusted text.
    Told(String),
    /// What is short.
    Short(Vec<Shortage>),
    /// Nothing is known.
    Unknown,
}

impl ComputeSession {
    /// Why the session waits in the queue, as far as the server tells.
    pub async fn why_queued(&self) -> QueueReason {
        if let Some(told) = self.info().await.ok().as_ref().and_then(reason) {
            return QueueReason::Told(told);
        }
        let (Ok(summary), Ok(check)) = (self.summary().await, self.api().check_presets(None, None).await)
        else {
            return QueueReason::Unknown;
        };
        match shortages(&summary.requested_slots, &check) {
            short if short.is_empty() => QueueReason::Unknown,
            short => QueueReason::Short(short),
        }
    }
}

/// For each resource the limit that leaves the least, if that is too little. A limit that is no number is not known.
fn shortages(needed: &BTreeMap<String, String>, check: &PresetCheck) -> Vec<Shortage> {
    let limits = [
        (Limit::Key, &check.keypair_remaining),
        (Limit::Project, &check.group_remaining),
        (Limit::Machines, &check.scaling_group_remaining),
    ];
    let amount = |slots: &BTreeMap<String, String>, slot: &str| slots.get(slot)?.parse::<f64>().ok();
    let short = needed.keys().filter_map(|slot| {
        let needed = amount(needed, slot)?;
        let left = limits.iter().filter_map(|(limit, slots)| Some((*limit, amount(slots, slot)?)));
        let (limit, left) =
            left.filter(|(_, left)| *left < needed).min_by(|one, other| one.1.total_cmp(&other.1))?;
        Some(Shortage { slot: slot.clone(), needed, left, limit })
    });
    short.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_limit_that_leaves_the_least_is_named_and_unknown_ones_are_not() {
        let check: PresetCheck = serde_json::from_value(json!({
            "keypair_remaining": {"cpu": "Infinity", "mem": "100"},
            "group_remaining": {"cpu": "NaN", "mem": "NaN"},
            "scaling_group_remaining": {"cpu": "0", "mem": "500"},
        }))
        .unwrap();
        let needed = |cpu: &str, mem: &str| [("cpu".into(), cpu.into()), ("mem".into(), mem.into())].into();
        let short = |slot: &str, needed, left, limit| Shortage { slot: slot.into(), needed, left, limit };
        assert_eq!(shortages(&needed("1", "50"), &check), [short("cpu", 1.0, 0.0, Limit::Machines)]);
        assert_eq!(shortages(&needed("0", "200"), &check), [short("mem", 200.0, 100.0, Limit::Key)]);
        assert!(shortages(&needed("0", "x"), &check).is_empty());
    }
}

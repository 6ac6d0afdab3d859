//! What the board tells below its lines of the session that is selected: what it uses of what, and its facts.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::columns::{allotted, status_role};
use super::watch::Usage;
use crate::format;
use crate::panes::shell::{Appearance, pad, put};
use crate::render::sanitize;
use crate::theme::Role;
use bai_protocol::live_stat::{Bytes, LiveStat};
use bai_protocol::summary::SessionSummary;

/// Columns of the names.
const NAMES: u16 = 10;
/// Columns of a bar, and of the past.
const BAR: u16 = 20;
/// A part of this much is marked as such.
const NEARLY_ALL: f64 = 0.9;
/// Heights of what was, from nothing to the most.
const HEIGHTS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// One line.
struct Fact {
    name: String,
    shown: FactValue,
    text: String,
}

enum FactValue {
    Text(Option<Role>),
    /// A part of a whole.
    Part(Option<f64>),
    /// What was, of a whole.
    Past(Vec<f64>),
}

/// Draws as much of it as there is room for, below a rule with the session's name.
pub(super) fn draw(
    session: &SessionSummary,
    usage: Option<&Usage>,
    area: Rect,
    buffer: &mut Buffer,
    appearance: &Appearance,
) {
    let muted = appearance.style(Role::PaneMuted);
    let width = usize::from(area.width);
    put(buffer, area, 0, 0, &"─".repeat(width), muted);
    let name = session.name.as_deref().unwrap_or(&session.id);
    put(
        buffer,
        area,
        2,
        0,
        &format!(" {} ", sanitize::line(name, width.saturating_sub(6))),
        appearance.style(Role::PaneTitle),
    );
    for (fact, row) in facts(session, usage).iter().zip(1..area.height) {
        put(buffer, area, 1, row, &pad(&sanitize::line(&fact.name, 9), 9), muted);
        let at = match &fact.shown {
            FactValue::Text(role) => {
                let style = role.map_or_else(|| appearance.plain_text(), |role| appearance.style(role));
                put(buffer, area, NAMES + 1, row, &sanitize::line(&fact.text, width), style);
                continue;
            }
            FactValue::Part(None) => NAMES + 1,
            FactValue::Part(Some(part)) => bar(*part, area, row, buffer, appearance),
            FactValue::Past(past) => sparks(past, area, row, buffer, appearance),
        };
        put(buffer, area, at, row, &sanitize::line(&fact.text, width), appearance.plain_text());
    }
}

/// How many lines there are, with the rule.
pub(super) fn height(session: &SessionSummary, usage: Option<&Usage>) -> u16 {
    u16::try_from(facts(session, usage).len() + 1).unwrap_or(u16::MAX)
}

/// A window in which the line would be too short gets none of it.
fn has_room(area: Rect) -> bool {
    area.width >= NAMES + BAR + 20
}

fn bar(part: f64, area: Rect, row: u16, buffer: &mut Buffer, appearance: &Appearance) -> u16 {
    if !has_room(area) {
        return NAMES + 1;
    }
    let part = part.clamp(0.0, 1.0);
    let full = (part * f64::from(BAR)).round() as usize;
    let role = if part >= NEARLY_ALL { Role::PaneBad } else { Role::PaneGood };
    let at = put(buffer, area, NAMES + 1, row, &"━".repeat(full), appearance.style(role));
    let rest = usize::from(BAR).saturating_sub(full);
    put(buffer, area, at, row, &"─".repeat(rest), appearance.style(Role::PaneMuted)) + 2
}

fn sparks(past: &[f64], area: Rect, row: u16, buffer: &mut Buffer, appearance: &Appearance) -> u16 {
    if !has_room(area) {
        return NAMES + 1;
    }
    let most = past.iter().copied().fold(100.0, f64::max);
    let last = past.len().saturating_sub(BAR.into());
    let height = |value: &f64| {
        let step = (value / most * (HEIGHTS.len() - 1) as f64).round() as usize;
        HEIGHTS.get(step).copied().unwrap_or("█")
    };
    let line: String = past.iter().skip(last).map(height).collect();
    let room = usize::from(BAR).saturating_sub(line.width());
    let at = put(buffer, area, NAMES + 1, row, &" ".repeat(room), appearance.plain_text());
    put(buffer, area, at, row, &line, appearance.style(Role::PaneGood)) + 2
}

fn facts(session: &SessionSummary, usage: Option<&Usage>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(usage) = usage {
        facts.extend(in_use(usage));
    }
    let told = |name: &str, value: Option<String>| {
        let text = value.filter(|text| !text.is_empty() && text != "None")?;
        Some(Fact { name: name.to_owned(), shown: FactValue::Text(None), text })
    };
    let mut status = told("status", Some(session.status.to_string()));
    if let Some(fact) = &mut status {
        fact.shown = FactValue::Text(Some(status_role(&session.status)));
    }
    facts.extend(status);
    let created = session.created_at.as_ref().map(|time| match format::age_at(time, Timestamp::now()) {
        Some(age) => format!("{time}, {age} ago"),
        None => time.clone(),
    });
    facts.extend(
        [
            ("reason", session.status_info.clone()),
            ("image", session.image.clone()),
            ("has", Some(allotted(session))),
            ("created", created),
            ("ended", session.terminated_at.clone()),
            ("tag", session.tag.clone()),
            ("project", session.group.clone()),
            ("mounts", Some(session.mounts.join(" "))),
            ("id", Some(session.id.clone())),
        ]
        .into_iter()
        .filter_map(|(name, value)| told(name, value)),
    );
    facts
}

fn in_use(usage: &Usage) -> Vec<Fact> {
    let now = &usage.now;
    let cpu = now.cpu().map(|cpu| Fact {
        name: "cpu".to_owned(),
        shown: FactValue::Past(usage.cpu.iter().copied().collect()),
        text: format!("{} of a core", format::percent(cpu)),
    });
    let memory = now.memory().map(|memory| Fact {
        name: "memory".to_owned(),
        shown: FactValue::Part(part(memory)),
        text: format::size_in_use(memory),
    });
    let accelerators = now.accelerators().into_iter().map(|gpu| {
        let text = [gpu.percent.map(format::percent), gpu.memory.map(format::size_in_use)];
        Fact {
            name: gpu.name,
            shown: FactValue::Part(gpu.percent.map(|percent| percent / 100.0)),
            text: text.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        }
    });
    let traffic = Some(traffic(now)).filter(|text| !text.is_empty());
    let traffic = traffic.map(|text| Fact { name: "io".to_owned(), shown: FactValue::Text(None), text });
    cpu.into_iter().chain(memory).chain(accelerators).chain(traffic).collect()
}

fn part(memory: Bytes) -> Option<f64> {
    // Whole numbers of this size lose nothing that could be seen.
    memory.limit.filter(|limit| *limit > 0).map(|limit| memory.used as f64 / limit as f64)
}

fn traffic(now: &LiveStat) -> String {
    let total = |name: &str, what: &str| Some(format!("{} {what}", format::size(now.bytes(name)?.used)));
    let flow = |name: &str, what: &str| Some(format!("{}/s {what}", format::size(now.bytes(name)?.used)));
    let parts = [
        total("io_read", "read"),
        total("io_write", "written"),
        flow("net_rx", "in"),
        flow("net_tx", "out"),
        total("io_scratch_size", "in its folder"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

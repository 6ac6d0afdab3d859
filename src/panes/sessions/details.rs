//! The details of the selected session below the list: its resource usage, and its properties.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::columns::{allocated, status_role};
use super::watch::Usage;
use crate::format;
use crate::panes::shell::{Appearance, pad, put};
use crate::render::sanitize;
use crate::theme::Role;
use bai_protocol::live_stat::{ByteCount, LiveStat};
use bai_protocol::summary::SessionSummary;

/// Columns of the names.
const NAMES: u16 = 10;
/// Columns of a bar, and of a sparkline.
const BAR: u16 = 20;
/// A bar is marked from this fraction on.
const NEARLY_ALL: f64 = 0.9;
/// The characters of a sparkline, from zero to the maximum.
const HEIGHTS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// One line of the details.
struct Fact {
    name: String,
    value: FactValue,
    text: String,
}

enum FactValue {
    Text(Option<Role>),
    /// A bar: a fraction, if known.
    Fraction(Option<f64>),
    /// A sparkline of earlier values.
    History(Vec<f64>),
}

/// Draws as many lines as fit, below a rule with the session's name.
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
        &format!(" {} ", sanitize::name(name, width.saturating_sub(6))),
        appearance.style(Role::PaneTitle),
    );
    for (fact, row) in facts(session, usage).iter().zip(1..area.height) {
        put(buffer, area, 1, row, &pad(&sanitize::name(&fact.name, 9), 9), muted);
        let column = match &fact.value {
            FactValue::Text(role) => {
                let style = role.map_or_else(|| appearance.plain_text(), |role| appearance.style(role));
                put(buffer, area, NAMES + 1, row, &sanitize::title(&fact.text, width), style);
                continue;
            }
            FactValue::Fraction(None) => NAMES + 1,
            FactValue::Fraction(Some(fraction)) => bar(*fraction, area, row, buffer, appearance),
            FactValue::History(values) => sparkline(values, area, row, buffer, appearance),
        };
        put(buffer, area, column, row, &sanitize::title(&fact.text, width), appearance.plain_text());
    }
}

/// The number of lines, including the rule.
pub(super) fn height(session: &SessionSummary, usage: Option<&Usage>) -> u16 {
    u16::try_from(facts(session, usage).len() + 1).unwrap_or(u16::MAX)
}

/// Whether the window is wide enough for bars and sparklines.
fn has_room(area: Rect) -> bool {
    area.width >= NAMES + BAR + 20
}

fn bar(fraction: f64, area: Rect, row: u16, buffer: &mut Buffer, appearance: &Appearance) -> u16 {
    if !has_room(area) {
        return NAMES + 1;
    }
    let fraction = fraction.clamp(0.0, 1.0);
    let full = (fraction * f64::from(BAR)).round() as usize;
    let role = if fraction >= NEARLY_ALL { Role::PaneBad } else { Role::PaneGood };
    let column = put(buffer, area, NAMES + 1, row, &"━".repeat(full), appearance.style(role));
    let rest = usize::from(BAR).saturating_sub(full);
    put(buffer, area, column, row, &"─".repeat(rest), appearance.style(Role::PaneMuted)) + 2
}

fn sparkline(values: &[f64], area: Rect, row: u16, buffer: &mut Buffer, appearance: &Appearance) -> u16 {
    if !has_room(area) {
        return NAMES + 1;
    }
    let maximum = values.iter().copied().fold(100.0, f64::max);
    let skipped = values.len().saturating_sub(BAR.into());
    let height = |value: &f64| {
        let step = (value / maximum * (HEIGHTS.len() - 1) as f64).round() as usize;
        HEIGHTS.get(step).copied().unwrap_or("█")
    };
    let line: String = values.iter().skip(skipped).map(height).collect();
    let room = usize::from(BAR).saturating_sub(line.width());
    let column = put(buffer, area, NAMES + 1, row, &" ".repeat(room), appearance.plain_text());
    put(buffer, area, column, row, &line, appearance.style(Role::PaneGood)) + 2
}

fn facts(session: &SessionSummary, usage: Option<&Usage>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(usage) = usage {
        facts.extend(usage_facts(usage));
    }
    let fact = |name: &str, value: Option<String>| {
        let text = value.filter(|text| !text.is_empty() && text != "None")?;
        Some(Fact { name: name.to_owned(), value: FactValue::Text(None), text })
    };
    let mut status = fact("status", Some(session.status.to_string()));
    if let Some(fact) = &mut status {
        fact.value = FactValue::Text(Some(status_role(&session.status)));
    }
    facts.extend(status);
    let created = session
        .created_at
        .as_ref()
        .map(|time| format!("{}, {}", format::time(time), format::ago(time, Timestamp::now())));
    facts.extend(
        [
            ("reason", session.status_info.clone()),
            ("image", session.image.clone()),
            ("has", Some(allocated(session))),
            ("created", created),
            ("ended", session.terminated_at.as_deref().map(format::time)),
            ("tag", session.tag.clone()),
            ("project", session.group.clone()),
            ("mounts", Some(session.mounts.join(" "))),
            ("id", Some(session.id.clone())),
        ]
        .into_iter()
        .filter_map(|(name, value)| fact(name, value)),
    );
    facts
}

fn usage_facts(usage: &Usage) -> Vec<Fact> {
    let now = &usage.now;
    let cpu = now.cpu().map(|cpu| Fact {
        name: "cpu".to_owned(),
        value: FactValue::History(usage.cpu.iter().copied().collect()),
        text: format!("{} of a core", format::percent(cpu)),
    });
    let memory = now.memory().map(|memory| Fact {
        name: "memory".to_owned(),
        value: FactValue::Fraction(fraction(memory)),
        text: format::size_in_use(memory),
    });
    let accelerators = now.accelerators().into_iter().map(|gpu| {
        let text = [gpu.percent.map(format::percent), gpu.memory.map(format::size_in_use)];
        Fact {
            name: gpu.name,
            value: FactValue::Fraction(gpu.percent.map(|percent| percent / 100.0)),
            text: text.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        }
    });
    let traffic = Some(traffic(now)).filter(|text| !text.is_empty());
    let traffic = traffic.map(|text| Fact { name: "io".to_owned(), value: FactValue::Text(None), text });
    cpu.into_iter().chain(memory).chain(accelerators).chain(traffic).collect()
}

fn fraction(memory: ByteCount) -> Option<f64> {
    // The loss of precision is not visible.
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

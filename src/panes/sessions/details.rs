//! What the board tells below its lines of the session that is selected: what it uses of what, and its facts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::columns::{age, allotted, bytes, percent, status_role};
use super::watch::Use;
use crate::panes::shell::{Look, pad, put};
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
    shown: Shown,
    text: String,
}

enum Shown {
    Text(Option<Role>),
    /// A part of a whole.
    Part(Option<f64>),
    /// What was, of a whole.
    Past(Vec<f64>),
}

/// Draws as much of it as there is room for, below a rule with the session's name.
pub(super) fn draw(
    session: &SessionSummary,
    uses: Option<&Use>,
    area: Rect,
    buffer: &mut Buffer,
    look: &Look,
) {
    let muted = look.style(Role::PaneMuted);
    let width = usize::from(area.width);
    put(buffer, area, 0, 0, &"─".repeat(width), muted);
    let name = session.name.as_deref().unwrap_or(&session.id);
    put(
        buffer,
        area,
        2,
        0,
        &format!(" {} ", sanitize::line(name, width.saturating_sub(6))),
        look.style(Role::PaneTitle),
    );
    for (fact, row) in facts(session, uses).iter().zip(1..area.height) {
        put(buffer, area, 1, row, &pad(&sanitize::line(&fact.name, 9), 9), muted);
        let at = match &fact.shown {
            Shown::Text(role) => {
                let style = role.map_or_else(|| look.plain_text(), |role| look.style(role));
                put(buffer, area, NAMES + 1, row, &sanitize::line(&fact.text, width), style);
                continue;
            }
            Shown::Part(None) => NAMES + 1,
            Shown::Part(Some(part)) => bar(*part, area, row, buffer, look),
            Shown::Past(past) => sparks(past, area, row, buffer, look),
        };
        put(buffer, area, at, row, &sanitize::line(&fact.text, width), look.plain_text());
    }
}

/// How many lines there are, with the rule.
pub(super) fn height(session: &SessionSummary, uses: Option<&Use>) -> u16 {
    u16::try_from(facts(session, uses).len() + 1).unwrap_or(u16::MAX)
}

/// A window in which the line would be too short gets none of it.
fn has_room(area: Rect) -> bool {
    area.width >= NAMES + BAR + 20
}

fn bar(part: f64, area: Rect, row: u16, buffer: &mut Buffer, look: &Look) -> u16 {
    if !has_room(area) {
        return NAMES + 1;
    }
    let part = part.clamp(0.0, 1.0);
    let full = (part * f64::from(BAR)).round() as usize;
    let role = if part >= NEARLY_ALL { Role::PaneBad } else { Role::PaneGood };
    let at = put(buffer, area, NAMES + 1, row, &"━".repeat(full), look.style(role));
    let rest = usize::from(BAR).saturating_sub(full);
    put(buffer, area, at, row, &"─".repeat(rest), look.style(Role::PaneMuted)) + 2
}

fn sparks(past: &[f64], area: Rect, row: u16, buffer: &mut Buffer, look: &Look) -> u16 {
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
    let at = put(buffer, area, NAMES + 1, row, &" ".repeat(room), look.plain_text());
    put(buffer, area, at, row, &line, look.style(Role::PaneGood)) + 2
}

fn facts(session: &SessionSummary, uses: Option<&Use>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(uses) = uses {
        facts.extend(in_use(uses));
    }
    let told = |name: &str, value: Option<String>| {
        let text = value.filter(|text| !text.is_empty() && text != "None")?;
        Some(Fact { name: name.to_owned(), shown: Shown::Text(None), text })
    };
    let mut status = told("status", Some(session.status.to_string()));
    if let Some(fact) = &mut status {
        fact.shown = Shown::Text(Some(status_role(&session.status)));
    }
    facts.extend(status);
    let created = session.created_at.as_ref().map(|time| format!("{time}, {} ago", age(time)));
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

fn in_use(uses: &Use) -> Vec<Fact> {
    let now = &uses.now;
    let cpu = now.cpu().map(|cpu| Fact {
        name: "cpu".to_owned(),
        shown: Shown::Past(uses.cpu.iter().copied().collect()),
        text: format!("{} of a core", percent(cpu)),
    });
    let memory = now.memory().map(|memory| Fact {
        name: "memory".to_owned(),
        shown: Shown::Part(part(memory)),
        text: memory.to_string(),
    });
    let accelerators = now.accelerators().into_iter().map(|gpu| {
        let text = [gpu.percent.map(percent), gpu.memory.map(|memory| memory.to_string())];
        Fact {
            name: gpu.name,
            shown: Shown::Part(gpu.percent.map(|percent| percent / 100.0)),
            text: text.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        }
    });
    let traffic = Some(traffic(now)).filter(|text| !text.is_empty());
    let traffic = traffic.map(|text| Fact { name: "io".to_owned(), shown: Shown::Text(None), text });
    cpu.into_iter().chain(memory).chain(accelerators).chain(traffic).collect()
}

fn part(memory: Bytes) -> Option<f64> {
    // Whole numbers of this size lose nothing that could be seen.
    memory.limit.filter(|limit| *limit > 0).map(|limit| memory.used as f64 / limit as f64)
}

fn traffic(now: &LiveStat) -> String {
    let total = |name: &str, what: &str| Some(format!("{} {what}", bytes(now.bytes(name)?.used)));
    let flow = |name: &str, what: &str| Some(format!("{}/s {what}", bytes(now.bytes(name)?.used)));
    let parts = [
        total("io_read", "read"),
        total("io_write", "written"),
        flow("net_rx", "in"),
        flow("net_tx", "out"),
        total("io_scratch_size", "in its folder"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

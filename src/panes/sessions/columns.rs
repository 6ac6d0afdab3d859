//! The columns of the sessions view: their texts and their widths.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::watch::Usage;
use crate::format;
use crate::theme::Role;
use bai_protocol::status::SessionStatus;
use bai_protocol::summary::SessionSummary;

/// Number of columns.
const COUNT: usize = 9;
/// Headings of the columns, with their minimum and maximum widths. The last ones are dropped first.
pub(super) const COLUMNS: [(&str, usize, usize); COUNT] = [
    ("NAME", 10, 32),
    ("STATUS", 9, 14),
    ("CPU", 5, 7),
    ("MEMORY", 7, 9),
    ("GPU", 5, 9),
    ("IMAGE", 12, 40),
    ("AGE", 6, 8),
    ("HAS", 6, 30),
    ("", 0, 60),
];
/// Cells between two columns.
pub(super) const GAP: usize = 2;
/// Columns that are aligned to the right.
pub(super) const NUMBERS: std::ops::Range<usize> = 2..5;

/// The texts of a session, in the order of the columns.
pub(super) type RowTexts = [String; COUNT];

pub(super) fn row_texts(session: &SessionSummary, usage: Option<&Usage>) -> RowTexts {
    let now = usage.map(|usage| &usage.now);
    let gpus = now.map(|now| now.accelerators()).unwrap_or_default();
    let gpu: Vec<String> = gpus.iter().filter_map(|gpu| gpu.percent).map(format::percent).collect();
    [
        session.name.clone().unwrap_or_default(),
        session.status.to_string(),
        now.and_then(|now| now.cpu()).map(format::percent).unwrap_or_default(),
        now.and_then(|now| now.memory()).map(|memory| format::size(memory.used)).unwrap_or_default(),
        gpu.join(" "),
        session.image.clone().unwrap_or_default(),
        session
            .created_at
            .as_deref()
            .and_then(|time| format::age_at(time, Timestamp::now()))
            .unwrap_or_default(),
        allocated(session),
        session.status_info.clone().unwrap_or_default(),
    ]
}

/// The resources of a session, in the server's terms: `2 cpu 1.0 GiB cuda.shares 0.5`.
pub(super) fn allocated(session: &SessionSummary) -> String {
    let slots = &session.occupied_slots;
    let cpu = slots.get("cpu").map(|cpu| format!("{cpu} cpu"));
    // Sizes are positive, and a size too large for the type is a mistake.
    let memory = slots
        .get("mem")
        .and_then(|amount| amount.parse::<f64>().ok())
        .map(|amount| format::size(amount as u64));
    let others =
        slots.iter().filter(|(name, amount)| !matches!(name.as_str(), "cpu" | "mem") && *amount != "0");
    let others = others.map(|(name, amount)| format!("{name} {amount}"));
    cpu.into_iter().chain(memory).chain(others).collect::<Vec<_>>().join(" ")
}

pub(super) fn status_role(status: &SessionStatus) -> Role {
    match status {
        SessionStatus::Running => Role::PaneGood,
        SessionStatus::Error | SessionStatus::Lost => Role::PaneBad,
        status if status.is_dead() => Role::PaneMuted,
        _ => Role::PaneBusy,
    }
}

/// The widths of the columns in a window; 0 for columns that are empty or do not fit. The widest columns shrink first, then the
/// last ones are dropped.
pub(super) fn widths(shown: &[RowTexts], room: usize) -> [usize; COUNT] {
    let mut widths = [0; COUNT];
    for (index, (width, (head, least, most))) in widths.iter_mut().zip(COLUMNS).enumerate() {
        let text_widths = shown.iter().filter_map(|texts| texts.get(index)).map(|text| text.width());
        let widest = text_widths.max().unwrap_or(0);
        // Changing numbers must not move the columns.
        let least = if NUMBERS.contains(&index) { least } else { 0 };
        let head = head.width();
        *width = if widest == 0 && index > 1 { 0 } else { widest.max(head).max(least).min(most) };
    }
    let total = |widths: &[usize; COUNT]| {
        let taken = widths.iter().filter(|width| **width > 0).map(|width| width + GAP);
        taken.sum::<usize>().saturating_sub(GAP)
    };
    while total(&widths) > room {
        let columns = widths.iter_mut().zip(COLUMNS).filter(|(width, (_, least, _))| **width > *least);
        match columns.max_by_key(|(width, _)| **width) {
            Some((width, _)) => *width -= 1,
            None => match widths.iter_mut().rev().find(|width| **width > 0) {
                Some(last) => *last = 0,
                None => break,
            },
        }
    }
    // A window that is narrower than the names shows a part of them.
    if widths == [0; COUNT] {
        widths.iter_mut().take(1).for_each(|width| *width = room);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_columns_are_dropped_first_and_empty_ones_have_no_width() {
        let texts = |gpu: &str| {
            [
                "a-long-name-of-a-session",
                "RUNNING",
                "100 %",
                "1.0 GiB",
                gpu,
                "cr.example/stable/python:3.13",
                "5 min",
                "",
                "",
            ]
            .map(str::to_owned)
        };
        let wide = widths(&[texts("")], 200);
        assert_eq!(wide, [24, 7, 5, 7, 0, 29, 5, 0, 0]);
        assert_eq!(widths(&[texts("45 %")], 200)[4], 5);
        let narrow = widths(&[texts("45 %")], 40);
        assert_eq!(narrow, [10, 7, 5, 7, 0, 0, 0, 0, 0]);
        for room in 0..120 {
            let widths = widths(&[texts("45 %"), texts("")], room);
            let total: usize = widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum();
            assert!(total <= room + GAP, "{room} {widths:?}");
        }
        assert_eq!(widths(&[], 4)[0], 4);
    }
}

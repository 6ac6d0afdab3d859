//! `bai-repl config`: shows the answers of the terminal, and the settings that follow from them.

use crate::cli::context::CommandContext;
use serde_json::json;

use crate::cli::display::{self, DisplayReport};
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use crate::terminal::ColorDepth;
use crate::theme::Rgb;

/// Queries the terminal and shows facts about it.
pub(in crate::cli) fn terminal(context: &CommandContext) -> Result<ExitStatus, CliError> {
    let found = display::query_terminal(context)?;
    table::print_facts(context, &as_json(&found), &facts(&found))
}

fn facts(found: &DisplayReport) -> Vec<(&'static str, String)> {
    let DisplayReport { screen, probe, size, .. } = found;
    let pair = |(width, height): (u16, u16)| format!("{width}×{height} pixels");
    let pixels = size.pixels.or(probe.window).map(|size| format!(", {}", pair(size))).unwrap_or_default();
    let answered = match (probe.unasked, probe.answered) {
        ("", true) => "yes".to_owned(),
        ("", false) => "no, not within the limit of time".to_owned(),
        (why, _) => format!("it was not asked: {why}"),
    };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "not reported".to_owned());
    let mut facts = vec![
        ("answers", answered),
        ("name", or_unknown(probe.name.clone())),
        ("pictures", format!("{}, because {}", found.choice.graphics.name(), found.choice.why)),
        ("kitty", yes(probe.kitty)),
        ("iterm2", yes(probe.iterm2)),
        ("sixel", yes(probe.sixel)),
        ("window", format!("{}×{} cells{pixels}", size.cols, size.rows)),
        ("cell", or_unknown(found.cell.map(pair))),
        ("background", or_unknown(found.background.map(hex))),
        ("theme", found.theme.name().to_owned()),
        ("colours", colors(screen.colors).to_owned()),
        ("unicode", yes(screen.unicode)),
        ("synchronized", yes(probe.synchronized)),
    ];
    if let Some(outer) = &probe.outer {
        facts.insert(2, ("around tmux", outer.clone()));
    }
    facts
}

fn as_json(found: &DisplayReport) -> serde_json::Value {
    let DisplayReport { screen, probe, size, .. } = found;
    let pair =
        |pair: Option<(u16, u16)>| pair.map(|(width, height)| json!({"width": width, "height": height}));
    json!({
        "asked": probe.unasked.is_empty(),
        "not_asked_because": Some(probe.unasked).filter(|why| !why.is_empty()),
        "answered": probe.answered,
        "name": probe.name,
        "outer_name": probe.outer,
        "graphics": found.choice.graphics.name(),
        "graphics_because": found.choice.why,
        "kitty": probe.kitty,
        "iterm2": probe.iterm2,
        "sixel": probe.sixel,
        "synchronized": probe.synchronized,
        "columns": size.cols,
        "rows": size.rows,
        "window_pixels": pair(size.pixels.or(probe.window)),
        "cell_pixels": pair(found.cell),
        "background": found.background.map(hex),
        "theme": found.theme.name(),
        "colors": colors(screen.colors),
        "unicode": screen.unicode,
    })
}

fn hex(color: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", color.r, color.g, color.b)
}

fn colors(depth: ColorDepth) -> &'static str {
    match depth {
        ColorDepth::None => "none",
        ColorDepth::Ansi16 => "16",
        ColorDepth::Ansi256 => "256",
        ColorDepth::TrueColor => "16 million",
    }
}

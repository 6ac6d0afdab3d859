//! `bai-repl themes`: lists the themes, also the user's invalid ones with their errors, or previews one.

use crate::cli::args::Themes;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::{display, json_lines, table};
use crate::render::sanitize;
use crate::terminal::{ColorDepth, Screen};
use crate::theme::{ListedTheme, Role, Theme, sample};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

/// The sample of each theme in the list.
const SWATCH: &[(Role, &str)] = &[
    (Role::Prompt, "❯ "),
    (Role::Keyword, "def "),
    (Role::Function, "area"),
    (Role::Operator, "="),
    (Role::Number, "42 "),
    (Role::String, "'text' "),
    (Role::Comment, "# note "),
    (Role::Error, "error "),
    (Role::PaneSelected, " selected "),
];

/// Lists the themes, or previews one.
pub(in crate::cli) fn run(context: &CommandContext, flags: &Themes) -> Result<ExitStatus, CliError> {
    let library = display::library();
    let screen = Screen::detect();
    let depth = screen.colors;
    // Output that is not a terminal gets no escape sequences, not even bold.
    let visible = |theme: &Theme| if screen.stdout_tty { theme.clone() } else { Theme::plain() };
    if let Some(name) = &flags.name {
        let theme = library.find(name)?;
        return table::write(&sample::text(&visible(&theme), depth)).map(|_| ExitStatus::Ok);
    }
    let themes = library.list();
    if context.global.json {
        return table::write(
            &themes.iter().map(|theme| json_lines::line(&object(theme))).collect::<String>(),
        )
        .map(|_| ExitStatus::Ok);
    }
    let width = themes.iter().map(|theme| theme.label().width()).max().unwrap_or(0);
    table::put(&themes.iter().map(|theme| line(theme, width, depth, visible)).collect::<String>())?;
    if let Some(folder) = library.folder() {
        table::report(context, &json!(null), &format!("themes of your own: {}/NAME.toml", folder.display()))?;
    }
    Ok(ExitStatus::Ok)
}

fn object(listed: &ListedTheme) -> serde_json::Value {
    let theme = listed.theme.as_ref().ok();
    json!({
        "name": listed.name,
        "light": theme.map(Theme::is_light),
        "file": listed.file.as_ref().map(|file| file.display().to_string()),
        "problem": listed.theme.as_ref().err().map(ToString::to_string),
    })
}

fn line(listed: &ListedTheme, width: usize, depth: ColorDepth, visible: impl Fn(&Theme) -> Theme) -> String {
    let label = listed.label();
    let name = format!("{label}{}", " ".repeat(width.saturating_sub(label.width())));
    match &listed.theme {
        Err(problem) => format!("{name}  {}\n", sanitize::line(&problem.to_string(), 300)),
        Ok(theme) => {
            let kind = if theme.is_light() { "light" } else { "dark " };
            let theme = visible(theme);
            let swatch: String = SWATCH.iter().map(|(role, text)| theme.paint(*role, depth, text)).collect();
            let own = listed.file.as_ref().map_or("", |_| "  (yours)");
            format!("{name}  {kind}  {swatch}{own}\n")
        }
    }
}

//! How output looks here: what the terminal can show, the theme that suits it, where pictures go.

use super::args::{Global, Open};
use super::commands::themes;
use super::exit::Exit;
use super::failure::Failure;
use crate::config::{FileConfig, Paths};
use crate::render::ConsoleOptions;
use crate::terminal::{self, Graphics, Screen};
use crate::theme::{Library, Rgb, Theme};
use std::path::Path;
use std::sync::Arc;

/// Options of the console for a prompt, which asks the terminal what it can do. The second value is what was typed
/// meanwhile, which belongs to the editor.
pub(super) fn for_prompt(
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<(ConsoleOptions, String), Failure> {
    let screen = Screen::detect();
    let memory = Paths::of_user().map(|paths| paths.terminal_cache());
    let probe = terminal::probe(&screen, memory.as_deref());
    let probe =
        probe.map_err(|error| Failure::new(Exit::Failed, format!("cannot use the terminal: {error}")))?;
    let background = probe.background.map(|(r, g, b)| Rgb { r, g, b });
    let theme = theme(&screen, background, global, config)?;
    let typed = String::from_utf8_lossy(&probe.typed).replace('\r', "\n");
    let options = ConsoleOptions {
        repl: screen.stdout_tty,
        graphics: probe.graphics(&screen),
        cell: probe.cell,
        ..plain(open.media_dir.as_deref(), screen, theme)
    };
    Ok((options, typed.chars().filter(|c| *c == '\n' || !c.is_control()).collect()))
}

/// Options of the console for a run without a prompt. The terminal is not asked: somebody may be typing ahead for
/// the next command.
pub(super) fn for_script(
    media_dir: Option<&Path>,
    global: &Global,
    config: &FileConfig,
) -> Result<ConsoleOptions, Failure> {
    let screen = Screen::detect();
    let theme = theme(&screen, None, global, config)?;
    let graphics = if screen.stdout_tty { Graphics::Blocks } else { Graphics::None };
    Ok(ConsoleOptions { graphics, ..plain(media_dir, screen, theme) })
}

fn plain(media_dir: Option<&Path>, screen: Screen, theme: Theme) -> ConsoleOptions {
    ConsoleOptions {
        repl: false,
        screen,
        size: terminal::size(),
        theme: Arc::new(theme),
        raw: false,
        graphics: Graphics::None,
        cell: None,
        max_rows: None,
        media_dir: media_dir.map(Path::to_owned),
    }
}

/// The themes that ship and the user's own.
pub(super) fn library() -> Library {
    Library::new(Paths::of_user().map(|paths| paths.themes_dir()))
}

/// The theme that is named, or the one that suits. A terminal that knows no sequences gets none at all.
fn theme(
    screen: &Screen,
    background: Option<Rgb>,
    global: &Global,
    config: &FileConfig,
) -> Result<Theme, Failure> {
    let library = library();
    let theme = match global.theme.as_ref().or(config.theme.as_ref()) {
        None => library.suited(background, screen.colors),
        Some(name) => library.find(name),
    };
    let theme = theme.map_err(themes::failure)?;
    Ok(if screen.dumb { Theme::plain() } else { theme })
}

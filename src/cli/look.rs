//! How output looks here: what the terminal can show, the theme that suits it, where pictures go.

use super::args::{Global, Open};
use super::exit::Exit;
use super::failure::Failure;
use crate::config::{FileConfig, Paths};
use crate::render::ConsoleOptions;
use crate::terminal::{self, Graphics, Screen};
use crate::theme::{Rgb, Theme};
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
    let theme = match named_theme(global, config)? {
        Some(theme) => theme,
        None => Theme::suited(probe.background.map(|(r, g, b)| Rgb { r, g, b }), screen.colors),
    };
    let typed = String::from_utf8_lossy(&probe.typed).replace('\r', "\n");
    let options = ConsoleOptions {
        repl: screen.stdout_tty,
        graphics: probe.graphics(&screen),
        cell: probe.cell,
        ..plain(open, screen, theme)
    };
    Ok((options, typed.chars().filter(|c| *c == '\n' || !c.is_control()).collect()))
}

/// Options of the console for a run without a prompt. The terminal is not asked: somebody may be typing ahead for
/// the next command.
pub(super) fn for_script(
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<ConsoleOptions, Failure> {
    let screen = Screen::detect();
    let theme = named_theme(global, config)?.unwrap_or_else(|| Theme::suited(None, screen.colors));
    let graphics = if screen.stdout_tty { Graphics::Blocks } else { Graphics::None };
    Ok(ConsoleOptions { graphics, ..plain(open, screen, theme) })
}

fn plain(open: &Open, screen: Screen, theme: Theme) -> ConsoleOptions {
    ConsoleOptions {
        repl: false,
        screen,
        size: terminal::size(),
        theme: Arc::new(theme),
        raw: false,
        graphics: Graphics::None,
        cell: None,
        max_rows: None,
        media_dir: open.media_dir.clone(),
    }
}

fn named_theme(global: &Global, config: &FileConfig) -> Result<Option<Theme>, Failure> {
    let Some(name) = global.theme.as_ref().or(config.theme.as_ref()) else { return Ok(None) };
    let unknown = || {
        let known: Vec<_> = Theme::shipped().collect();
        Failure::new(Exit::Usage, format!("there is no theme \"{name}\""))
            .hint(format!("there are: {}", known.join(", ")))
    };
    Theme::named(name).map(Some).ok_or_else(unknown)
}

//! How output is displayed: the capabilities of the terminal, the theme, the folder for pictures.

use super::args::OpenFlags;
use super::context::CommandContext;
use super::display_settings::DisplaySettings;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server;
use crate::config::{FileConfig, Paths};
use crate::panes::Appearance;
use crate::render::{ConsoleOptions, GraphicsCapabilities, sanitize};
use crate::terminal::{self, Choice, Probe, Screen, Size};
use crate::theme::{Library, Rgb, Theme};
use bai_client::Window;
use bai_protocol::byte_text;
use nix::unistd::{AccessFlags, access};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum width of a reason in a warning.
const MESSAGE_WIDTH: usize = 1_000;

/// The answers of the terminal, and the settings that follow from them and from the user.
#[derive(Debug)]
pub(super) struct DisplayReport {
    /// The terminal as the environment describes it.
    pub(super) screen: Screen,
    /// The answers of the terminal.
    pub(super) probe: Probe,
    /// Size of the window.
    pub(super) size: Size,
    /// How pictures are shown.
    pub(super) choice: Choice,
    /// Size of a character cell in pixels.
    pub(super) cell: Option<(u16, u16)>,
    /// Background colour.
    pub(super) background: Option<Rgb>,
    /// The theme in use.
    pub(super) theme: Theme,
    settings: DisplaySettings,
}

/// Queries the terminal, and applies the user's settings.
pub(super) fn query_terminal(context: &CommandContext) -> Result<DisplayReport, CliError> {
    let settings = DisplaySettings::read(context)?;
    let screen = Screen::detect();
    let probe = if settings.ask {
        terminal::probe(&screen, answer_cache().as_deref())
            .map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot use the terminal: {error}")))?
    } else {
        Probe { unasked: "the configuration says so", ..Probe::default() }
    };
    let size = terminal::size();
    let per_cell = |(width, height): (u16, u16)| (width / size.cols, height / size.rows);
    let cell = settings.cell.or(probe.cell).or(size.pixels.or(probe.window).map(per_cell));
    let background = settings.background.or(probe.background.map(Rgb::from));
    let theme = theme(&screen, background, context)?;
    let choice = choose(&settings, &screen, || probe.choose(&screen));
    Ok(DisplayReport { choice, cell, background, theme, screen, probe, size, settings })
}

/// How pictures are shown: the user's setting, if there is one.
fn choose(settings: &DisplaySettings, screen: &Screen, found: impl FnOnce() -> Choice) -> Choice {
    match settings.graphics {
        Some(graphics) if screen.stdout_tty && !screen.dumb => Choice { graphics, why: "you have set it" },
        _ => found(),
    }
}

/// Options of the console for a prompt. The terminal is queried; the second value is the text that the user typed in the
/// meantime, for the editor.
pub(super) fn for_prompt(
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<(ConsoleOptions, String), CliError> {
    let DisplayReport { screen, probe, choice, cell, background, theme, settings, .. } =
        query_terminal(context)?;
    let typed = String::from_utf8_lossy(&probe.typed).replace('\r', "\n");
    let options = ConsoleOptions {
        repl: screen.stdout_tty,
        graphics: choice.graphics,
        synchronized: probe.synchronized,
        cell,
        background,
        links: links(&screen, probe.name.as_deref(), &context.config),
        // An error is ignored here: it is reported when the session is opened.
        local: !server::is_cluster(context).unwrap_or(true),
        max_lines: Some(context.config.output.max_lines).filter(|lines| *lines > 0),
        ..plain(open.media_dir.as_deref(), &settings, screen, theme)?
    };
    Ok((options, typed.chars().filter(|c| *c == '\n' || !c.is_control()).collect()))
}

/// The file that caches the answers of terminals.
fn answer_cache() -> Option<PathBuf> {
    Paths::of_user().map(|paths| paths.terminal_cache())
}

/// The cached answers of the terminal from an earlier prompt.
fn cached_answers(screen: &Screen, settings: &DisplaySettings) -> Option<Probe> {
    answer_cache().filter(|_| screen.stdout_tty && settings.ask).and_then(|cache| terminal::recall(&cache))
}

/// Options of the console for a run without a prompt. The terminal is not queried, because the user may type ahead for the
/// next command. Its cached answers are used.
pub(super) fn for_script(
    media_dir: Option<&Path>,
    context: &CommandContext,
) -> Result<ConsoleOptions, CliError> {
    let screen = Screen::detect();
    let settings = if screen.stdout_tty && !context.global.json {
        DisplaySettings::read(context)?
    } else {
        DisplaySettings::without_terminal(context)?
    };
    let probe =
        cached_answers(&screen, &settings).unwrap_or(Probe { unasked: "no prompt", ..Probe::default() });
    let background = settings.background.or(probe.background.map(Rgb::from));
    let theme = theme(&screen, background, context)?;
    let choice = choose(&settings, &screen, || probe.choose(&screen));
    let links = screen.stdout_tty && links(&screen, probe.name.as_deref(), &context.config);
    Ok(ConsoleOptions {
        graphics: choice.graphics,
        synchronized: probe.synchronized,
        cell: settings.cell.or(probe.cell),
        background,
        links,
        ..plain(media_dir, &settings, screen, theme)?
    })
}

/// The terminal of standard output as it is now; `None` if standard output is no terminal.
pub(super) fn script_window() -> Option<Window> {
    ConsoleOptions::new(Screen::detect(), terminal::size(), Arc::new(Theme::plain())).window()
}

/// The terminal as it is now, whatever standard output is.
pub(super) fn terminal_window() -> Option<Window> {
    let screen = Screen { stdout_tty: true, ..Screen::detect() };
    ConsoleOptions::new(screen, terminal::size(), Arc::new(Theme::plain())).window()
}

fn plain(
    media_dir: Option<&Path>,
    settings: &DisplaySettings,
    screen: Screen,
    theme: Theme,
) -> Result<ConsoleOptions, CliError> {
    let media_dir = media_dir.map(Path::to_owned).or_else(|| settings.media_dir.clone());
    if let Some(folder) = &media_dir {
        check_folder(folder)?;
    }
    Ok(ConsoleOptions {
        max_rows: settings.max_rows,
        media_dir,
        ..ConsoleOptions::new(screen, terminal::size(), Arc::new(theme))
    })
}

/// Checks that files can be written into a folder, which need not exist yet. It is created with its first file.
pub(super) fn check_folder(folder: &Path) -> Result<(), CliError> {
    let existing = folder.ancestors().find(|above| above.symlink_metadata().is_ok());
    let existing = existing.unwrap_or(Path::new("."));
    let invalid = |why: String| {
        CliError::new(ExitStatus::Usage, why)
            .hint("--media-dir, or dir under [media] in the configuration, sets the folder for pictures")
    };
    if !existing.is_dir() {
        return Err(invalid(format!("{} is not a folder", byte_text::shown_path(existing))));
    }
    let writable = AccessFlags::W_OK | AccessFlags::X_OK;
    access(existing, writable).map_err(|error| {
        invalid(format!("cannot write into {}: {}", byte_text::shown_path(existing), error.desc()))
    })
}

/// The appearance of full-screen views. The terminal is not queried, as for a run without a prompt.
pub(super) fn for_views(context: &CommandContext) -> Result<Appearance, CliError> {
    let options = for_script(None, context)?;
    let ConsoleOptions { graphics, background, cell, synchronized, .. } = options;
    let colors = options.screen.colors;
    let capabilities = GraphicsCapabilities { graphics, colors, background, cell, synchronized };
    Ok(Appearance::new(options.theme, colors, capabilities))
}

/// Whether links are sent to the terminal.
fn links(screen: &Screen, name: Option<&str>, config: &FileConfig) -> bool {
    let supported = || terminal::supports_links(name, |key| std::env::var(key).ok());
    !screen.dumb && config.output.links.unwrap_or_else(supported)
}

/// The built-in themes and the user's own.
pub(super) fn library() -> Library {
    Library::new(Paths::of_user().map(|paths| paths.themes_dir()))
}

/// The theme that is named, or the one that suits. A terminal that knows no sequences gets none at all.
///
/// # Errors
/// When the flag names a theme that does not exist or cannot be used. A theme of the file was checked when it was read.
fn theme(screen: &Screen, background: Option<Rgb>, context: &CommandContext) -> Result<Theme, CliError> {
    let library = library();
    if let Some(name) = &context.global.theme {
        let theme = library.find(name)?;
        return Ok(if screen.dumb { Theme::plain() } else { theme });
    }
    let named = context.config.theme.as_ref();
    let found =
        named.map_or_else(|| library.default_for(background, screen.colors), |name| library.find(name));
    let theme = match found {
        Ok(theme) => theme,
        Err(error) => {
            let why = sanitize::line(&error.to_string(), MESSAGE_WIDTH);
            eprintln!("bai-repl: warning: {why}; the default theme is used");
            // The built-in themes are valid.
            Library::new(None).default_for(background, screen.colors).unwrap_or_else(|_| Theme::plain())
        }
    };
    Ok(if screen.dumb { Theme::plain() } else { theme })
}

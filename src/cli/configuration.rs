//! The configuration file as this program reads it: what the layers below know about its texts, what is said about
//! mistakes, and which mistakes end a command.

use super::args::{Arguments, CliCommand};
use super::display;
use super::display_settings::TEXT_RULES;
use super::error::CliError;
use crate::config::{FileConfig, LOCAL, TextRule};
use crate::panes::PrefixKey;
use crate::render::sanitize;
use crate::theme::LibraryError;
use bai_protocol::byte_text;
use std::path::Path;

/// The longest warning.
const WARNING_WIDTH: usize = 1_000;

/// Reads the file, and warns of each setting that is wrong.
///
/// # Errors
/// When the file cannot be used at all and the command needs it to find its server.
pub(super) fn read(path: &Path, arguments: &Arguments) -> Result<FileConfig, CliError> {
    let command = arguments.command.as_ref();
    if matches!(command, Some(CliCommand::Serve(_) | CliCommand::Runner(_))) {
        return Ok(FileConfig::default());
    }
    let [graphics, cell, background] = TEXT_RULES;
    let mut rules = vec![graphics, cell, background, PREFIX_KEY, MEDIA_FOLDER];
    if shows_themes(command) {
        rules.push(THEME);
    }
    let config = match FileConfig::read(path, &rules) {
        Ok(config) => config,
        Err(error) if connects(arguments) => return Err(error.into()),
        Err(error) => {
            warn(&error.to_string());
            FileConfig::unreadable()
        }
    };
    for wrong in &config.wrong {
        let place = format!("{}:{}", byte_text::shown_path(path), wrong.line);
        let counts = if wrong.protects() { "counts as \"off\"" } else { "is ignored" };
        warn(&format!("{place}: {} {}; it {counts}", wrong.key(), wrong.problem));
    }
    Ok(config)
}

/// Whether a command needs a server that is configured somewhere.
pub(super) fn connects(arguments: &Arguments) -> bool {
    use CliCommand::{Completions, Config, Runner, Serve, Themes};
    let needs_none = |command: &CliCommand| {
        matches!(command, Themes(_) | Config(_) | Completions { .. } | Serve(_) | Runner(_))
    };
    let is_local = arguments.global.endpoint.as_deref() == Some(LOCAL);
    !is_local && !arguments.command.as_ref().is_some_and(needs_none)
}

/// Whether a command uses a theme.
fn shows_themes(command: Option<&CliCommand>) -> bool {
    use CliCommand::{Attach, Config, Files, Pty, Run, Sessions, Themes};
    command.is_none_or(|command| {
        matches!(command, Attach(_) | Config(_) | Files(_) | Pty(_) | Run(_) | Sessions | Themes(_))
    })
}

fn warn(text: &str) {
    eprintln!("bai-repl: warning: {}", sanitize::line(text, WARNING_WIDTH));
}

const THEME: TextRule = TextRule {
    key: "theme",
    check: |name| {
        let found = display::library().find(name).map(drop);
        found.map_err(|error| match error {
            LibraryError::Unknown { name, .. } => {
                format!("cannot be used: there is no theme \"{name}\" (bai-repl themes lists them)")
            }
            other => format!("cannot be used: {other}"),
        })
    },
};

const PREFIX_KEY: TextRule = TextRule {
    key: "prefix_key",
    check: |text| {
        let why = || format!("is \"{text}\"; it should be Ctrl and a letter or sign, such as Ctrl-]");
        PrefixKey::parse(text).map(drop).ok_or_else(why)
    },
};

const MEDIA_FOLDER: TextRule = TextRule {
    key: "media.dir",
    check: |text| {
        let checked = display::check_folder(&bai_client::expand_tilde(text));
        checked.map_err(|error| format!("cannot be used: {}", error.sentence()))
    },
};

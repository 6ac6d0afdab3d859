//! What is said about the `.env` file that chooses the server: that it is used, until a person was told, and which
//! part of it has no effect. `config::Environment` decides which file that is.

use super::args::{Arguments, CliCommand, GlobalFlags};
use super::context::CommandContext;
use super::server::{label_of, saved};
use crate::config::{Disregard, EnvFile, Environment, FileConfig, Paths, endpoint_of};
use crate::render::sanitize;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;

/// The longest line.
const LINE_WIDTH: usize = 1_000;
/// Maximum bytes of the list of known files that are read.
const LIST_LIMIT: u64 = 1 << 20;

/// Says which file of the folder chooses the server, if one does.
pub(super) fn announce(env: &Environment, arguments: &Arguments, config: &FileConfig) {
    let named = named_endpoint(arguments, config);
    let Some(file) = env.deciding_file(named) else { return };
    let path = file.path().display();
    if let Some(why) = file.disregard() {
        // A server that the command line names needs nothing from a file that only names it too.
        match named {
            // The command fails, and says why.
            None if file.is_open_to_writers() => {}
            None => warn(&format!("{path} is ignored: {why}{}", used_instead(env, config))),
            Some(_) if matches!(why, Disregard::Distrusted(_)) => warn(&format!("{path} is ignored: {why}")),
            Some(_) => {}
        }
        return;
    }
    let Some(endpoint) = file.endpoint() else { return };
    if file.wants_no_certificate_checks() {
        warn(&format!("{path} cannot switch off certificate checks; --insecure does, for one command"));
    }
    if !is_known(file, &endpoint) {
        say(&format!("the server {} is chosen by {path}", label_of(&endpoint)));
        // What goes to a file or to another program may never be read.
        if std::io::stderr().is_terminal() {
            remember(file, &endpoint);
        }
    }
}

/// The server that is used when the file is not, as the end of a sentence.
fn used_instead(env: &Environment, config: &FileConfig) -> String {
    let saved = saved(env, config).ok();
    match saved.and_then(|saved| endpoint_of(None, None, env, config, &saved).ok()) {
        Some(Some(endpoint)) => format!("; the server {} is used", label_of(&endpoint)),
        Some(None) => "; this machine is used".to_owned(),
        // The command fails, and says why.
        None => String::new(),
    }
}

/// Whether a file of the folder chooses the server and no person was told so yet.
pub(super) fn is_unannounced(context: &CommandContext) -> bool {
    let named = named_for_all(&context.global, &context.config);
    let file = context.environment.deciding_file(named).filter(|file| file.disregard().is_none());
    let endpoint = file.and_then(|file| Some((file, file.endpoint()?)));
    endpoint.is_some_and(|(file, endpoint)| !is_known(file, &endpoint))
}

/// The endpoint that the command line names.
fn named_endpoint<'a>(arguments: &'a Arguments, config: &'a FileConfig) -> Option<&'a str> {
    let of_command = match &arguments.command {
        Some(CliCommand::Login(flags)) => flags.endpoint.as_deref(),
        Some(CliCommand::Logout { server }) => server.as_deref(),
        _ => None,
    };
    of_command.or_else(|| named_for_all(&arguments.global, config))
}

/// The endpoint that the flags of all commands name.
fn named_for_all<'a>(global: &'a GlobalFlags, config: &'a FileConfig) -> Option<&'a str> {
    let of_profile = || Some(config.profiles.get(global.profile.as_ref()?)?.endpoint.as_str());
    global.endpoint.as_deref().or_else(of_profile)
}

/// Whether a person was told that this file chooses this endpoint.
fn is_known(file: &EnvFile, endpoint: &str) -> bool {
    let entry = entry(file, endpoint);
    Paths::of_user().is_some_and(|paths| known(&paths.env_files()).any(|line| line == entry))
}

/// Records that a person was told.
fn remember(file: &EnvFile, endpoint: &str) {
    let Some(paths) = Paths::of_user() else { return };
    if let Err(error) = record(&paths.env_files(), &entry(file, endpoint)) {
        tracing::debug!(%error, "the use of the file could not be recorded");
    }
}

/// The line of the list for this file and endpoint. It is a digest, because a path may contain a line break.
fn entry(file: &EnvFile, endpoint: &str) -> String {
    hex::encode(Sha256::digest(format!("{}\0{endpoint}", file.path().display())))
}

fn known(list: &Path) -> impl Iterator<Item = String> {
    let file = bai_private::open_file(list).ok();
    file.into_iter().flat_map(|file| BufReader::new(file.take(LIST_LIMIT)).lines().map_while(Result::ok))
}

fn record(list: &Path, entry: &str) -> std::io::Result<()> {
    bai_private::append_to_file(list)?.write_all(format!("{entry}\n").as_bytes())
}

fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

fn say(text: &str) {
    eprintln!("bai-repl: {}", sanitize::line(text, LINE_WIDTH));
}

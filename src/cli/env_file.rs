//! What is said about the `.env` file that chooses the server: that it is used, when it is used for the first time, and
//! which part of it has no effect. `config::Environment` decides which file that is.

use super::args::{Arguments, CliCommand};
use super::server::{label_of, saved};
use crate::config::{Disregard, EnvFile, Environment, FileConfig, Paths, endpoint_of};
use crate::render::sanitize;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
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
    if is_new(file, &endpoint) {
        say(&format!("the server {} is chosen by {path}", label_of(&endpoint)));
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

/// The endpoint that the command line names.
fn named_endpoint<'a>(arguments: &'a Arguments, config: &'a FileConfig) -> Option<&'a str> {
    let global = &arguments.global;
    let of_command = match &arguments.command {
        Some(CliCommand::Login(flags)) => flags.endpoint.as_deref(),
        Some(CliCommand::Logout { server }) => server.as_deref(),
        _ => None,
    };
    let of_profile = || Some(config.profiles.get(global.profile.as_ref()?)?.endpoint.as_str());
    of_command.or(global.endpoint.as_deref()).or_else(of_profile)
}

/// Whether this file was not yet used for this endpoint. Records that it is used.
fn is_new(file: &EnvFile, endpoint: &str) -> bool {
    let Some(list) = Paths::of_user().map(|paths| paths.env_files()) else { return true };
    // A path may contain a line break.
    let entry = hex::encode(Sha256::digest(format!("{}\0{endpoint}", file.path().display())));
    let is_known = known(&list).any(|line| line == entry);
    if !is_known && let Err(error) = record(&list, &entry) {
        tracing::debug!(%error, "the use of the file could not be recorded");
    }
    !is_known
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

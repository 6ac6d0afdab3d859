//! From the flags of the command line to a create request, and to the code that a script runs.

use super::args::{CreationFlags, OpenFlags};
use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::session_environment;
use super::session_name;
use crate::render::sanitize;
use crate::repl::{did_you_mean, meant_subcommand};
use bai_client::{Cell, ComputeSession, Created, Script, expand_tilde, not_a_file};
use bai_protocol::byte_text;
use bai_protocol::create::{CreateRequest, check_name};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The default image.
pub(super) const DEFAULT_IMAGE: &str = "python";

/// Maximum width of a remark; parts of it come from servers.
const NOTE_WIDTH: usize = 1_000;
/// Maximum size of a script or a bootstrap script.
const SIZE_LIMIT: u64 = 64 << 20;

/// The request for a new session with this image and these flags.
pub(super) fn request(image: &str, flags: &CreationFlags) -> Result<CreateRequest, CliError> {
    let name = match &flags.name {
        Some(name) => {
            let invalid = |error| {
                CliError::new(ExitStatus::Usage, format!("\"{name}\" is not a valid session name: {error}"))
            };
            check_name(name).map_err(invalid)?;
            name.clone()
        }
        None => session_name::generate(),
    };
    let bootstrap_script = flags.bootstrap_script.as_deref().map(read_text).transpose()?;
    Ok(CreateRequest {
        name,
        image: image.to_owned(),
        group: flags.group.clone(),
        domain: flags.domain.clone(),
        cluster_size: flags.cluster_size,
        cluster_mode: flags.cluster_mode.clone(),
        tag: flags.tag.clone(),
        max_wait_seconds: flags.max_wait.filter(|seconds| *seconds > 0),
        reuse: !flags.no_reuse,
        environ: session_environment::variables(flags)?,
        mounts: flags.mounts.clone(),
        resources: flags.resources.iter().cloned().collect(),
        resource_opts: flags.resource_opts.iter().cloned().collect(),
        scaling_group: flags.scaling_group.clone(),
        preopen_ports: flags.preopen.clone(),
        bootstrap_script,
        ..CreateRequest::default()
    })
}

/// The remark about how a session was created: what the server says about it, or that it existed, so that some flags had
/// no effect.
pub(super) fn creation_note(session: &ComputeSession, created: &Created) -> Option<String> {
    let Some((last, others)) = created.without_effect.split_last() else { return created.note.clone() };
    let and = if others.is_empty() { "" } else { " and " };
    Some(format!(
        "the session {} exists already; this had no effect: {}{and}{last}",
        session.name(),
        others.join(", ")
    ))
}

/// The remarks about a session that is opened, each in one line: how it was created, and what its server says about it.
pub(super) async fn notes(session: &ComputeSession, creation_note: Option<String>) -> Vec<String> {
    let notes = creation_note.into_iter().chain(session.note().await);
    notes.map(|note| sanitize::line(&note, NOTE_WIDTH)).collect()
}

/// Shows the remarks about a session that is opened.
pub(super) async fn print_notes(
    context: &CommandContext,
    session: &ComputeSession,
    creation_note: Option<String>,
) {
    for note in notes(session, creation_note).await.iter().filter(|_| !context.global.quiet) {
        eprintln!("bai-repl: {note}");
    }
}

/// Says that a session stays, and its name.
pub(super) fn print_kept(context: &CommandContext, name: &str) {
    if !context.global.quiet {
        let name = sanitize::name(name, 200);
        eprintln!("bai-repl: session {name} stays; bai-repl attach {name} continues with it");
    }
}

/// The image of the command line, or the default image.
pub(super) fn image(open: &OpenFlags) -> &str {
    open.image.as_deref().unwrap_or(DEFAULT_IMAGE)
}

/// Whether the session is destroyed when this program ends. By default a session with a generated name is, and one that the
/// user named is not.
pub(super) fn is_temporary(flags: &CreationFlags) -> bool {
    if flags.rm { true } else { !flags.keep && flags.name.is_none() }
}

/// Whether the session belongs on the server of the sessions that are kept. One that the user named does, even if it is
/// destroyed afterwards: a session of that name may exist there.
pub(super) fn outlives(flags: &CreationFlags) -> bool {
    flags.name.is_some() || !is_temporary(flags)
}

/// The code to run without a prompt, if any: from `-c`, a file, or standard input if that is not a terminal.
pub(super) fn code(open: &OpenFlags, stdin_is_terminal: bool) -> Result<Option<Code>, CliError> {
    let script = |name: String, path: Option<String>, args: &[OsString]| Script {
        name,
        path,
        args: args.iter().map(|argument| byte_text::text(argument.as_bytes())).collect(),
        terminal: stdin_is_terminal,
        last: is_temporary(&open.creation),
    };
    if let Some(code) = &open.print {
        return Ok(Some(Code { text: code.clone(), script: None, stdin_is_free: true }));
    }
    if let Some(code) = &open.code {
        let script = Some(script("-c".to_owned(), None, &open.script));
        return Ok(Some(Code { text: code.clone(), script, stdin_is_free: true }));
    }
    match open.script.split_first() {
        Some((name, args)) if name == "-" => {
            let script = Some(script("-".to_owned(), None, args));
            Ok(Some(Code { text: read_standard_input()?, script, stdin_is_free: false }))
        }
        Some((name, args)) => {
            let meant = open.image.as_deref().and_then(meant_subcommand);
            let file = expand_tilde(name);
            let text = read_text(&file).map_err(|error| match meant {
                Some(subcommand) => error.hint(did_you_mean(subcommand)),
                None => error,
            })?;
            let path = std::path::absolute(&file).ok();
            let path = path.map(|path| byte_text::text(path.as_os_str().as_bytes()));
            let script = Some(script(byte_text::text(file.as_os_str().as_bytes()), path, args));
            Ok(Some(Code { text, script, stdin_is_free: true }))
        }
        None if stdin_is_terminal => Ok(None),
        None => {
            let script = Some(script(String::new(), None, &[]));
            Ok(Some(Code { text: read_standard_input()?, script, stdin_is_free: false }))
        }
    }
}

fn read_standard_input() -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(SIZE_LIMIT).read_to_end(&mut bytes);
    read.map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot read standard input: {error}")))?;
    text_of(bytes, "standard input")
}

/// Code to run without a prompt.
#[derive(Debug)]
pub(super) struct Code {
    /// Source text.
    text: String,
    /// What makes it a script; `None` for a cell whose value is shown.
    script: Option<Script>,
    /// Whether the program can read standard input.
    pub(super) stdin_is_free: bool,
}

impl Code {
    /// Whether it has arguments.
    pub(super) fn has_arguments(&self) -> bool {
        self.script.as_ref().is_some_and(|script| !script.args.is_empty())
    }

    /// What runs in the session.
    pub(super) fn into_cell(self) -> Cell {
        match self.script {
            Some(script) => Cell::Script(self.text, script),
            None => Cell::Query(self.text),
        }
    }
}

/// Reads a file of the command line as text.
///
/// # Errors
/// When it cannot be read, is too large, or is not UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    let name = byte_text::shown_path(path);
    let failed = |error| CliError::new(ExitStatus::Usage, format!("cannot read {name}: {error}"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // A pipe or a device can be read.
    let metadata = file.metadata().map_err(failed)?;
    if let Some(kind) = not_a_file(&metadata).filter(|_| metadata.is_dir()) {
        return Err(CliError::new(ExitStatus::Usage, format!("{name} is {kind}")));
    }
    file.take(SIZE_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    text_of(bytes, &name.to_string())
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String, CliError> {
    if bytes.len() as u64 >= SIZE_LIMIT {
        return Err(CliError::new(
            ExitStatus::Usage,
            format!("{name} is larger than 64 MiB, the maximum size of a cell"),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        CliError::new(
            ExitStatus::Usage,
            format!("{name} is not UTF-8: byte {position} is not part of a character"),
        )
    })
}

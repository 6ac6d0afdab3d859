//! From the flags of the command line to a create request, and what is said about the new session.

use super::args::{CreationFlags, OpenFlags, SessionFlags};
use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::session_environment;
use super::session_name;
use super::source_text::read_text;
use crate::render::sanitize;
use bai_client::{ComputeSession, Created};
use bai_protocol::create::{CreateRequest, check_name};
use bai_protocol::language;

/// The default image.
pub(super) const DEFAULT_IMAGE: &str = "python";

/// Maximum width of a remark; parts of it come from servers.
const NOTE_WIDTH: usize = 1_000;

/// The request for a new session with this image and these flags.
pub(super) fn request(
    image: &str,
    flags: &CreationFlags,
    context: &CommandContext,
) -> Result<CreateRequest, CliError> {
    let request = of_session(image, &flags.session, context)?;
    Ok(match outlives(flags) {
        true => kept(request),
        false => request,
    })
}

/// The request for a session that may outlive this program: on our engine, programs in it begin with the environment of this one.
pub(super) fn kept(request: CreateRequest) -> CreateRequest {
    CreateRequest { creator_environment: Some(session_environment::of_this_process()), ..request }
}

/// The request for a session with this image, as these flags describe it.
pub(super) fn of_session(
    image: &str,
    flags: &SessionFlags,
    context: &CommandContext,
) -> Result<CreateRequest, CliError> {
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
        python_shell: python_shell(image, flags, context),
        mounts: flags.mounts.clone(),
        resources: flags.resources.iter().cloned().collect(),
        resource_opts: flags.resource_opts.iter().cloned().collect(),
        scaling_group: flags.scaling_group.clone(),
        preopen_ports: flags.preopen.clone(),
        bootstrap_script,
        dependencies: flags.depends.clone(),
        priority: flags.priority,
        architecture: flags.architecture.clone(),
        agents: flags.assign_agent.clone(),
        network: flags.network.clone(),
        callback_url: flags.callback_url.clone(),
        ..CreateRequest::default()
    })
}

/// What runs the cells of Python, if the user has chosen it.
fn python_shell(image: &str, flags: &SessionFlags, context: &CommandContext) -> Option<String> {
    let is_python = language::likely_of_image(image).is_some_and(|row| row.name == language::PYTHON.name);
    let chosen = flags.python_shell.as_ref().or(context.config.python.shell.as_ref());
    chosen.filter(|shell| is_python && *shell != "auto").cloned()
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

/// Says that a session was not waited for, and stays.
pub(super) fn print_left(name: &str) {
    eprintln!("bai-repl: {name} is left as it is; bai-repl rm {name} destroys it");
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
    if flags.rm { true } else { !flags.keep && flags.session.name.is_none() }
}

/// Whether the session belongs on the server of the sessions that are kept. One that the user named does, even if it is
/// destroyed afterwards: a session of that name may exist there.
pub(super) fn outlives(flags: &CreationFlags) -> bool {
    flags.session.name.is_some() || !is_temporary(flags)
}

//! `bai-repl IMAGE` and `bai-repl attach`: open a session and run code in it, or the prompt.

use super::args::{Attach, OpenFlags};
use super::batch_steps::BatchSteps;
use super::code::{self, Code};
use super::context::CommandContext;
use super::creation;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::input::InputSource;
use super::lent_streams::lent;
use super::output::Output;
use super::progress::OpeningProgress;
use super::readiness::Patience;
use super::script_files::{self, ScriptFiles};
use super::script_start::{self, CodeSession, Start};
use super::server::{self, Server, destroy_session};
use super::stop_signals::StopSignals;
use super::{display, prompt, script};
use crate::render::ConsoleOptions;
use crate::terminal::{HeldKeys, Screen, has_terminal};
use bai_client::{ComputeSession, ErrorKind};
use bai_engine::{Expectation, ScriptStreams};
use bai_protocol::create::CreateRequest;
use bai_protocol::execute::Piped;
use nix::sys::stat::fstat;
use std::os::fd::{AsFd, BorrowedFd};
use tokio::runtime::Runtime;

/// Python's own `-m` means something else.
const MOUNT_HINT: &str = "-m mounts a virtual folder of a cluster; to run a module of Python: bai-repl python -- -m MODULE ARGUMENT...";

/// Runs the code of the command line, or opens the prompt if there is none.
pub(super) fn run(
    runtime: &Runtime,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let screen = Screen::detect();
    let mut request = creation::request(creation::image(open), &open.creation, context)?;
    match code(open, screen.stdin_tty, context)? {
        Some(mut code) => {
            let files = ScriptFiles::find(open, &code)?;
            if creation::is_temporary(&open.creation) {
                code.ends_its_session();
            }
            if !context.global.json && script::is_process(&request.image) {
                note_terminal(&mut code, &screen);
            }
            // What is typed meanwhile is for the terminal of the script, with Ctrl-D and all.
            let holds = code.wants_keyboard() && !server::is_cluster(context)?;
            let typed_ahead = if holds { HeldKeys::hold() } else { None };
            request.is_for_script = code.is_script() && !creation::outlives(&open.creation);
            let streams = if context.global.json { ScriptStreams::default() } else { lent(&code, &screen) };
            let to_run = ToRun { code, typed_ahead, streams };
            runtime.block_on(run_code(request, to_run, &files, open, context))
        }
        None => {
            script_files::refuse(open)?;
            prompt::create(runtime, request, open, context)
        }
    }
}

/// Notes the terminal at which the code was started, and which of its streams are that.
fn note_terminal(code: &mut Code, screen: &Screen) {
    let Screen { stdin_tty, stdout_tty, stderr_tty, .. } = *screen;
    let piped = match stdin_tty && stdout_tty && stderr_tty {
        true => None,
        false if has_terminal() => Some(Piped {
            stdin: !stdin_tty,
            stdout: !stdout_tty,
            stderr: !stderr_tty,
            joined: !stdout_tty
                && !stderr_tty
                && is_same(std::io::stdout().as_fd(), std::io::stderr().as_fd()),
        }),
        false => return,
    };
    code.is_at_terminal(crate::terminal::kind(), piped);
}

/// Whether both lead to one file or pipe.
fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let place = |fd| fstat(fd).map(|status| (status.st_dev, status.st_ino));
    place(one).is_ok_and(|one| place(other) == Ok(one))
}

/// Runs the code on standard input in an existing session, or opens the prompt on it when that is a terminal.
pub(super) fn attach(
    runtime: &Runtime,
    Attach { subject, take }: Attach,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let name = subject.session;
    match code(open, Screen::detect().stdin_tty, context)? {
        Some(_) if take => {
            Err(CliError::new(ExitStatus::Usage, "--take is for a prompt, and there is code to run"))
        }
        Some(code) => runtime.block_on(attach_and_run(&name, code, open, context)),
        None => prompt::attach(runtime, &name, take, open, context),
    }
}

/// The code to run; `None` for the prompt, whose output is for people only.
fn code(
    open: &OpenFlags,
    stdin_is_terminal: bool,
    context: &CommandContext,
) -> Result<Option<Code>, CliError> {
    let code = code::code(open, stdin_is_terminal)?;
    if code.is_none() && context.global.json {
        return Err(CliError::new(ExitStatus::Usage, "--json cannot be used with the prompt")
            .hint("name a script, or give code with -c CODE or on standard input"));
    }
    Ok(code)
}

async fn attach_and_run(
    name: &str,
    code: Code,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let display = display::for_script(open.media_dir.as_deref(), context)?;
    let server = Server::find(context).await?;
    let session = super::commands::find(context, &server, name).await?;
    let info = session.info().await?;
    let image = info.image().unwrap_or_default().to_owned();
    let existing = OpenedSession { session, is_new: false, image, creation_note: None };
    let mut signals = StopSignals::listen()?;
    let to_run = ToRun { code, typed_ahead: None, streams: ScriptStreams::default() };
    let exit = run_in_place(&existing, to_run, open, context, display, &mut signals).await;
    server.close().await;
    exit
}

/// Code to run, and what goes with it.
struct ToRun {
    code: Code,
    /// What is typed meanwhile, if it is for the terminal of a script.
    typed_ahead: Option<HeldKeys>,
    /// The streams that a script gets as its own.
    streams: ScriptStreams,
}

async fn run_code(
    request: CreateRequest,
    to_run: ToRun,
    files: &ScriptFiles,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let temporary = creation::is_temporary(&open.creation);
    // Mistakes in the settings for output are reported before there is a session.
    let display = display::for_script(open.media_dir.as_deref(), context)?;
    let expectation =
        Expectation { request: &request, script: to_run.code.as_script(), streams: &to_run.streams };
    let server = Server::open_expecting(context, creation::outlives(&open.creation), expectation).await?;
    // If this request fails, there is no session to destroy.
    server.api.version().await?;
    let name = request.name.clone();
    let mut signals = StopSignals::listen()?;
    let opened = open_in_place(&server, request, context, &mut signals).await;
    // If the server refuses us, it has created no session, and would also refuse to destroy one.
    let refused = opened.as_ref().is_err_and(|error| error.exit() == ExitStatus::Refused);
    let is_open = matches!(opened, Ok(Opened::Session(_)));
    let exit = match opened {
        Ok(Opened::Session(opened)) => {
            let sent = match server.is_in_current_folder() {
                true => Ok(None),
                false => files.upload(&opened.session, context, &mut signals).await,
            };
            match sent {
                Ok(None) => {
                    let exit = run_in_place(&opened, to_run, open, context, display, &mut signals).await;
                    exit.map(|exit| files.exit_of(exit))
                }
                Ok(Some(exit)) => Ok(exit),
                Err(error) => Err(error),
            }
        }
        Ok(Opened::Interrupted(exit)) => {
            if !temporary {
                creation::print_left(&name);
            }
            Ok(exit)
        }
        Err(error) if temporary && error.exit() == ExitStatus::TimedOut => {
            Err(error.hint("the session is destroyed now; --max-wait SECONDS waits longer, 0 without limit"))
        }
        Err(error) => Err(error),
    };
    if temporary && !refused {
        if !server.ends_its_sessions() {
            destroy_session(&server.api, &name).await;
        }
    } else if is_open && open.creation.session.name.is_none() {
        creation::print_kept(context, &name);
    }
    server.close().await;
    exit
}

/// How opening a session ended.
enum Opened {
    Session(OpenedSession),
    /// A signal ended the wait for it.
    Interrupted(ExitStatus),
}

/// A session in which code can be run.
struct OpenedSession {
    session: ComputeSession,
    is_new: bool,
    image: String,
    creation_note: Option<String>,
}

async fn open_in_place(
    server: &Server,
    request: CreateRequest,
    context: &CommandContext,
    signals: &mut StopSignals,
) -> Result<Opened, CliError> {
    let opening = OpeningProgress::start(context, &server.api, &request.name);
    let image = request.image.clone();
    let mounts = !request.mounts.is_empty();
    let create = ComputeSession::create(&server.api, request, |status| opening.report(status));
    tokio::select! {
        biased;
        signal = signals.recv() => Ok(Opened::Interrupted(signal.exit())),
        created = create => {
            let (session, made) = created.map_err(|error| match mounts && error.kind() == ErrorKind::NotFound {
                true => CliError::from(error).hint(MOUNT_HINT),
                false => error.into(),
            })?;
            let creation_note = creation::creation_note(&session, &made);
            Ok(Opened::Session(OpenedSession { session, is_new: made.created, image, creation_note }))
        }
    }
}

async fn run_in_place(
    opened: &OpenedSession,
    to_run: ToRun,
    open: &OpenFlags,
    context: &CommandContext,
    display: ConsoleOptions,
    signals: &mut StopSignals,
) -> Result<ExitStatus, CliError> {
    let OpenedSession { session, is_new, image, creation_note } = opened;
    let ToRun { code, typed_ahead, streams } = to_run;
    creation::print_notes(context, session, creation_note.clone()).await;
    let input = if code.stdin_is_free { InputSource::from_stdin() } else { InputSource::empty() };
    let options = context.shown_script_options(creation::outlives(&open.creation));
    let patience = Patience::of(open.creation.session.max_wait);
    let at = CodeSession { session, image, is_new: *is_new, patience, options: &options };
    let cell = match script_start::start(at, code, context, signals).await? {
        Start::Ready(cell) => cell,
        Start::Ended(exit) => return Ok(exit),
    };
    let input = input.holding(typed_ahead);
    let output = Output::start(context.global.json, display).beside(streams);
    script::run(session, cell, options, output, &input, signals, BatchSteps::none()).await
}

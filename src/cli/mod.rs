//! The command line: flags and subcommands. It chooses a cluster or the engine, and wires the other floors
//! together; whatever can be of use without a command line lives on one of them.

mod answers;
mod apps;
mod args;
mod exit;
mod failure;
mod logging;
mod login;
mod look;
mod names;
mod open;
mod output;
mod pane;
mod place;
mod prompt;
mod pty;
mod script;
mod sessions;
mod standing;

use crate::client::{ComputeSession, DestroyOptions, RunOptions, Transport};
use crate::config::FileConfig;
use crate::terminal::{self, FatalSignals, Screen};
use answers::Answers;
use args::{Arguments, Command, Global, Open};
use clap::{CommandFactory, Parser};
use exit::Exit;
use failure::Failure;
use output::Output;
use place::Place;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long background work may take to end when the program leaves.
const GOODBYE: Duration = Duration::from_millis(500);

/// Runs the program from its command line to its exit code.
pub fn main() -> ExitCode {
    let exit = match Arguments::try_parse() {
        Ok(arguments) => start(arguments).unwrap_or_else(|failure| failure.tell()),
        Err(error) => {
            // A closed pipe is success: `bai-repl --help | head`.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    ExitCode::from(exit.code())
}

fn start(arguments: Arguments) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot start: {error}"));
    terminal::install().map_err(failed)?;
    let config = match crate::config::Paths::of_user() {
        Some(paths) => {
            let log = paths.log_file();
            logging::start(arguments.global.verbose, &log).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot write the log {}: {error}", log.display()))
            })?;
            FileConfig::read(&paths.config_file())?
        }
        None => FileConfig::default(),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let exit = dispatch(&runtime, arguments, &config);
    runtime.shutdown_timeout(GOODBYE);
    exit
}

fn dispatch(runtime: &Runtime, arguments: Arguments, config: &FileConfig) -> Result<Exit, Failure> {
    let Arguments { command, open, global } = arguments;
    match command {
        None => run_or_prompt(runtime, &open, &global, config),
        Some(Command::Serve(options)) => runtime.block_on(standing::serve(&options)),
        Some(Command::Login(flags)) => login::login(runtime, &flags, &global, config),
        Some(Command::Logout { server }) => login::logout(runtime, server.as_deref(), &global, config),
        Some(Command::Images) => runtime.block_on(sessions::images(&global)),
        Some(Command::Pty(flags)) => runtime.block_on(pty::open(&flags, &open, &global, config)),
        Some(Command::Apps { session }) => runtime.block_on(apps::list(&global, config, &session)),
        Some(Command::App(flags)) => runtime.block_on(apps::serve(&global, config, &flags)),
        Some(Command::Ls) => runtime.block_on(sessions::list(&global, config)),
        Some(Command::Rm { sessions }) => runtime.block_on(sessions::remove(&global, config, &sessions)),
        Some(Command::Attach { session }) => prompt::attach(runtime, session, &open, &global, config),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "bai-repl", &mut script);
            match std::io::Write::write_all(&mut terminal::Out::stdout(), &script) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(Failure::new(Exit::Failed, error))
                }
                _ => Ok(Exit::Ok),
            }
        }
    }
}

fn run_or_prompt(
    runtime: &Runtime,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let screen = Screen::detect();
    let request = open::request(open)?;
    match open::code(open, screen.stdin_tty)? {
        Some(code) => runtime.block_on(run_code(request, code, open, global, config)),
        None => prompt::create(runtime, request, open, global, config),
    }
}

async fn run_code(
    request: crate::protocol::create::CreateRequest,
    code: open::Code,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let mut fatal = terminal::listen_fatal().map_err(|error| Failure::new(Exit::Failed, error))?;
    let temporary = open::is_temporary(open);
    let place = Place::open(global, config, !temporary).await?;
    let name = request.name.clone();
    let exit = run_in_place(&place, config, request, code, open, global, &mut fatal).await;
    if temporary {
        destroy(&place, &name).await;
    }
    place.close().await;
    exit
}

async fn run_in_place(
    place: &Place,
    config: &FileConfig,
    request: crate::protocol::create::CreateRequest,
    code: open::Code,
    open: &Open,
    global: &Global,
    fatal: &mut FatalSignals,
) -> Result<Exit, Failure> {
    let create = ComputeSession::create(&place.api, request, |_| ());
    let (session, _) = tokio::select! {
        biased;
        signal = fatal.recv() => return Ok(script::exit_of_signal(signal)),
        _ = tokio::signal::ctrl_c() => return Ok(Exit::Remote(130)),
        created = create => created?,
    };
    if let Some(note) = session.note().await
        && !global.quiet
    {
        eprintln!("bai-repl: {}", crate::render::sanitize::text(&note));
    }
    let output = Output::start(global.json, look::for_script(open, global, config)?);
    let answers = if code.stdin_is_free { Answers::from_stdin() } else { Answers::nobody() };
    script::run(&session, code.text, RunOptions::over(transport(global)), output, &answers, fatal).await
}

/// Destroys the session of ours; what cannot be destroyed is told, since somebody may pay for it.
async fn destroy(place: &Place, name: &str) {
    let destroyed = async {
        let session = ComputeSession::attach(&place.api, name).await?;
        session.destroy(DestroyOptions { forced: true, recursive: false }).await
    };
    if let Err(error) = destroyed.await
        && error.kind() != crate::client::ErrorKind::NotFound
    {
        Failure::from(error).tell();
    }
}

fn transport(global: &Global) -> Transport {
    match global.transport.as_str() {
        "ws" => Transport::WebSocket,
        "poll" => Transport::Poll,
        _ => Transport::Auto,
    }
}

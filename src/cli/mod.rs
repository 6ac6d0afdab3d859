//! The command line: flags and subcommands. It chooses a cluster or the engine, and wires the other floors
//! together; whatever can be of use without a command line lives on one of them.

/// In place of the standard macro, which panics where standard error is full or closed.
macro_rules! eprintln {
    () => { eprintln!("") };
    ($($words:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($words)*)));
    }};
}

mod args;
mod batch_steps;
mod case_output;
mod commands;
mod creation;
mod daemon;
mod delegated;
mod display;
mod display_settings;
mod error;
mod exit_status;
mod input;
mod logging;
mod login;
mod output;
mod pane;
mod progress;
mod prompt;
mod pty;
mod readiness;
mod runner;
mod script;
mod server;
mod session_name;
mod shell_completion;
mod table;

use crate::config::FileConfig;
use crate::repl::PreludeUse;
use crate::terminal::{self, FatalSignals, Screen};
use args::{Arguments, Command, Global, Open};
use bai_client::{Api, Cell, ComputeSession, DestroyOptions, RunOptions, Transport};
use batch_steps::BatchSteps;
use error::CliError;
use exit_status::ExitStatus;
use input::InputSource;
use output::Output;
use progress::OpeningProgress;
use server::Server;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long background work may take to end when the program leaves.
const GOODBYE: Duration = Duration::from_millis(500);

/// Runs the program from its command line to its exit code.
pub fn main() -> ExitCode {
    if shell_completion::answer() {
        return ExitCode::SUCCESS;
    }
    let exit = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => start(arguments).unwrap_or_else(|error| error.tell()),
        Err(error) => {
            // A closed pipe is success: `bai-repl --help | head`.
            let _ = error.print();
            if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Ok }
        }
    };
    ExitCode::from(exit.code())
}

fn start(arguments: Arguments) -> Result<ExitStatus, CliError> {
    let failed = |error: std::io::Error| CliError::new(ExitStatus::Failed, format!("cannot start: {error}"));
    terminal::install().map_err(failed)?;
    let config = match crate::config::Paths::of_user() {
        Some(paths) => {
            let log = paths.log_file();
            logging::start(arguments.global.verbose, &log).map_err(|error| {
                CliError::new(ExitStatus::Failed, format!("cannot write the log {}: {error}", log.display()))
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

fn dispatch(runtime: &Runtime, arguments: Arguments, config: &FileConfig) -> Result<ExitStatus, CliError> {
    use commands::{
        apps, config as show_config, download, events, files, images, info, interrupt, logs, ls, rename,
        restart, rm, run, sessions, themes, upload,
    };
    let Arguments { command, open, global } = arguments;
    let Some(command) = command else { return run_or_prompt(runtime, &open, &global, config) };
    let global = &global;
    match command {
        Command::Attach(subject) => prompt::attach(runtime, subject.session, &open, global, config),
        Command::Pty(flags) => runtime.block_on(pty::open(&flags, &open, global, config)),
        Command::Run(flags) => runtime.block_on(run::run(global, config, &flags)),
        Command::Ls(flags) => runtime.block_on(ls::run(global, config, &flags)),
        Command::Info(subject) => runtime.block_on(info::run(global, config, &subject)),
        Command::Rm(flags) => runtime.block_on(rm::run(global, config, &flags)),
        Command::Restart(flags) => runtime.block_on(restart::run(global, config, &flags)),
        Command::Rename(flags) => runtime.block_on(rename::run(global, config, &flags)),
        Command::Interrupt(subject) => runtime.block_on(interrupt::run(global, config, &subject)),
        Command::Logs(flags) => runtime.block_on(logs::run(global, config, &flags)),
        Command::Events(flags) => runtime.block_on(events::run(global, config, &flags)),
        Command::Upload(flags) => runtime.block_on(upload::run(global, config, &flags)),
        Command::Download(flags) => runtime.block_on(download::run(global, config, &flags)),
        Command::Files(flags) => runtime.block_on(files::run(global, config, &flags)),
        Command::Apps(subject) => runtime.block_on(apps::list(global, config, &subject)),
        Command::App(flags) => runtime.block_on(apps::serve(global, config, &flags)),
        Command::Images => runtime.block_on(images::run(global, config)),
        Command::Sessions => sessions::run(runtime, &open, global, config),
        Command::Themes(flags) => themes::run(global, &flags),
        Command::Login(flags) => login::login(runtime, &flags, global, config),
        Command::Logout { server } => login::logout(runtime, server.as_deref(), global, config),
        Command::Config(args::Config::Terminal) => show_config::terminal(global, config),
        Command::Serve(options) => runtime.block_on(daemon::serve(&options)),
        Command::Runner(flags) => runtime.block_on(runner::serve(flags)),
        Command::Completions { shell } => shell_completion::script(shell),
    }
}

fn run_or_prompt(
    runtime: &Runtime,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<ExitStatus, CliError> {
    let screen = Screen::detect();
    let request = creation::request(creation::image(open), &open.creation)?;
    match creation::code(open, screen.stdin_tty)? {
        Some(code) => runtime.block_on(run_code(request, code, open, global, config)),
        None => prompt::create(runtime, request, open, global, config),
    }
}

async fn run_code(
    request: bai_protocol::create::CreateRequest,
    code: creation::Code,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<ExitStatus, CliError> {
    let mut fatal = terminal::listen_fatal().map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    let temporary = creation::is_temporary(&open.creation);
    let server = Server::open(global, config, !temporary).await?;
    // A server that cannot be asked this has made nothing that would have to be destroyed.
    server.api.version().await?;
    let name = request.name.clone();
    let opened = open_in_place(&server, request, global, &mut fatal).await;
    // A server that refuses us has made nothing, and would refuse to destroy it too.
    let refused = opened.as_ref().is_err_and(|error| error.exit() == ExitStatus::Refused);
    let exit = match opened {
        Ok(Opened::Session { session, is_new }) => {
            run_in_place(&session, is_new, config, code, open, global, &mut fatal).await
        }
        Ok(Opened::Left(exit)) => {
            if !temporary {
                eprintln!("bai-repl: {name} is left as it is; bai-repl rm {name} ends it");
            }
            Ok(exit)
        }
        Err(error) if temporary && error.exit() == ExitStatus::TimedOut => {
            Err(error.hint("it is destroyed now; --max-wait SECONDS waits longer, 0 for ever"))
        }
        Err(error) => Err(error),
    };
    if temporary && !refused {
        destroy(&server.api, &name).await;
    }
    server.close().await;
    exit
}

/// How opening a session ended.
enum Opened {
    Session {
        session: ComputeSession,
        is_new: bool,
    },
    /// Somebody wanted to leave before it was there.
    Left(ExitStatus),
}

async fn open_in_place(
    server: &Server,
    request: bai_protocol::create::CreateRequest,
    global: &Global,
    fatal: &mut FatalSignals,
) -> Result<Opened, CliError> {
    let opening = OpeningProgress::start(global, &request.name);
    let create = ComputeSession::create(&server.api, request, |status| opening.tell(status));
    tokio::select! {
        biased;
        signal = fatal.recv() => Ok(Opened::Left(script::exit_of_signal(signal))),
        _ = tokio::signal::ctrl_c() => Ok(Opened::Left(ExitStatus::Remote(130))),
        created = create => created
            .map(|(session, made)| Opened::Session { session, is_new: made.created })
            .map_err(CliError::from),
    }
}

async fn run_in_place(
    session: &ComputeSession,
    is_new: bool,
    config: &FileConfig,
    code: creation::Code,
    open: &Open,
    global: &Global,
    fatal: &mut FatalSignals,
) -> Result<ExitStatus, CliError> {
    if let Some(note) = session.note().await
        && !global.quiet
    {
        eprintln!("bai-repl: {}", crate::render::sanitize::text(&note));
    }
    let wanted = readiness::wants_prelude(global, config);
    let prelude = readiness::prelude_use(session.api(), creation::image(open), wanted).await;
    // Nobody else has been in a new one.
    if (prelude == PreludeUse::Wanted || !is_new)
        && let Some(exit) = readiness::make_ready(session, prelude, readiness::patience(open), fatal).await?
    {
        return Ok(exit);
    }
    let output = Output::start(global.json, display::for_script(open.media_dir.as_deref(), global, config)?);
    let input = if code.stdin_is_free { InputSource::from_stdin() } else { InputSource::nobody() };
    let (cell, options) = (Cell::Query(code.text), RunOptions::over(transport(global)));
    script::run(session, cell, options, output, &input, Some(fatal), BatchSteps::none()).await
}

/// Destroys the session of ours; what cannot be destroyed is told, since somebody may pay for it.
async fn destroy(api: &Api, name: &str) {
    let destroyed = async {
        let session = ComputeSession::attach(api, name).await?;
        session.destroy(DestroyOptions { forced: true, recursive: false }).await
    };
    if let Err(error) = destroyed.await
        && error.kind() != bai_client::ErrorKind::NotFound
    {
        CliError::from(error).tell();
    }
}

fn transport(global: &Global) -> Transport {
    match global.transport.as_str() {
        "ws" => Transport::WebSocket,
        "poll" => Transport::Poll,
        _ => Transport::Auto,
    }
}

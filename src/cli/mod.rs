//! The command line: flags and subcommands. It chooses a cluster or the engine, and connects the other layers. Code that is
//! useful without a command line belongs to one of those layers.

/// Replaces the standard macro, which panics if standard error is full or closed. A message is one line. It may contain texts of
/// servers and names of files, so it is made harmless.
macro_rules! eprintln {
    () => { eprintln!("") };
    ($($words:tt)*) => {{
        let text = crate::render::sanitize::sentence(&format!($($words)*));
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n"));
    }};
}

mod allocator;
mod args;
mod batch_steps;
mod case_output;
mod closed_streams;
mod code;
mod commands;
mod configuration;
mod context;
mod creation;
mod daemon;
mod delegated;
mod display;
mod display_settings;
mod env_file;
mod error;
mod exit_status;
mod input;
mod json_lines;
mod lent_streams;
mod logging;
mod login;
mod name_cache;
mod new_session;
mod open_files;
mod open_session;
mod output;
mod paths;
mod progress;
mod prompt;
mod pty;
mod queue_note;
mod readiness;
mod replacement_note;
mod runner;
mod script;
mod script_files;
mod script_start;
mod secret_question;
mod server;
mod session_environment;
mod session_name;
mod settle;
mod shell_completion;
mod source_text;
mod stop_signals;
mod sweep_range;
mod table;

use crate::config::{Environment, FileConfig};
use crate::render::sanitize;
use crate::repl::FrontEnd;
use crate::terminal;
use args::{Arguments, CliCommand};
use bai_protocol::byte_text;
use context::CommandContext;
use error::CliError;
use exit_status::{ExitStatus, Interrupt};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use shell_completion::fuzzing::names;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Time limit for background work when the program ends.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);

/// Runs the program from its command line to its exit code.
pub fn main() -> ExitCode {
    if shell_completion::answer() {
        return ExitCode::SUCCESS;
    }
    let exit = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => start(arguments).unwrap_or_else(|error| error.report()),
        Err(error) => {
            let exit = if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Ok };
            print_usage(error);
            exit
        }
    };
    let _ = std::io::stdout().flush();
    match exit {
        ExitStatus::Interrupted(how) => terminal::end_by_interrupt(how == Interrupt::Key),
        ExitStatus::EndedBy(signal) => terminal::end_by(signal),
        _ => {}
    }
    ExitCode::from(exit.code())
}

/// Prints help, or why the command line is wrong.
fn print_usage(mut error: clap::Error) {
    use clap::error::ContextValue::{String, Strings, StyledStr, StyledStrs};
    // A word of the command line may be any text.
    let quoted: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in quoted {
        let shown = match value {
            String(word) => String(byte_text::shown(&word)),
            Strings(words) => Strings(words.iter().map(|word| byte_text::shown(word)).collect()),
            StyledStr(text) => StyledStr(harmless(text)),
            StyledStrs(texts) => StyledStrs(texts.into_iter().map(harmless).collect()),
            other => other,
        };
        error.insert(kind, shown);
    }
    // A closed pipe is success: `bai-repl --help | head`.
    let _ = error.print();
}

/// A tip of the parser. One that quotes a word with hidden characters loses its style.
fn harmless(tip: clap::builder::StyledStr) -> clap::builder::StyledStr {
    let plain = tip.to_string();
    let shown = sanitize::sentences(&plain);
    if shown == plain { tip } else { shown.into() }
}

/// Whether it runs code without a prompt.
fn runs_code(arguments: &Arguments) -> bool {
    let open = &arguments.open;
    let has_code = open.code.is_some() || open.print.is_some() || !open.script.is_empty();
    matches!(arguments.command, None | Some(CliCommand::Attach(_)))
        && (has_code || !std::io::stdin().is_terminal())
}

fn start(arguments: Arguments) -> Result<ExitStatus, CliError> {
    let runs_code = runs_code(&arguments);
    // A prompt stays for hours, and its memory counts more.
    if runs_code || matches!(arguments.command, Some(CliCommand::Run(_))) {
        allocator::keep_pieces();
    }
    let failed = |error: std::io::Error| CliError::new(ExitStatus::Failed, format!("cannot start: {error}"));
    terminal::install().map_err(failed)?;
    open_files::check()?;
    let config = match crate::config::Paths::of_user() {
        Some(paths) => {
            let log = paths.log_file();
            logging::start(arguments.global.verbose, &log).map_err(|error| {
                CliError::new(ExitStatus::Failed, format!("cannot write the log {}: {error}", log.display()))
            })?;
            bai_engine::keep_caches_in(paths.interpreters_cache());
            configuration::read(&paths.config_file(), &arguments)?
        }
        None => FileConfig::default(),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    // Nothing works in the background for a program that has ended, or for a tunnel. To wait for the threads of the runtime takes a moment,
    // and longer for one that reads standard input.
    let ends_at_once = runs_code || matches!(arguments.command, Some(CliCommand::Tunnel(_)));
    let exit = dispatch(&runtime, arguments, config);
    if ends_at_once {
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    }
    exit
}

fn dispatch(runtime: &Runtime, arguments: Arguments, config: FileConfig) -> Result<ExitStatus, CliError> {
    use commands::{
        apps, commit, config as show_config, create, download, events, files, history, images, info,
        interrupt, logs, ls, rename, restart, rm, run, sessions, set_priority, ssh, themes, tunnel, upload,
        vfolder, watch, whoami,
    };
    let environment = Arc::new(Environment::of_process_and_folder());
    if configuration::connects(&arguments) {
        env_file::announce(&environment, &arguments, &config);
    }
    let Arguments { command, open, global } = arguments;
    let context = &CommandContext { global, config, environment, front_end: FrontEnd::CommandLine };
    let Some(command) = command else { return open_session::run(runtime, &open, context) };
    match command {
        CliCommand::Attach(attach) => open_session::attach(runtime, attach, &open, context),
        CliCommand::Pty(flags) => runtime.block_on(pty::open(&flags, &open, context)),
        CliCommand::Run(flags) => runtime.block_on(run::run(context, &flags)),
        CliCommand::Create(flags) => runtime.block_on(create::run(context, &flags)),
        CliCommand::Ls(flags) => runtime.block_on(ls::run(context, &flags)),
        CliCommand::Info(subject) => runtime.block_on(info::run(context, &subject)),
        CliCommand::Rm(flags) => runtime.block_on(rm::run(context, &flags)),
        CliCommand::Restart(flags) => runtime.block_on(restart::run(context, &flags)),
        CliCommand::Rename(flags) => runtime.block_on(rename::run(context, &flags)),
        CliCommand::Interrupt(subject) => runtime.block_on(interrupt::run(context, &subject)),
        CliCommand::Logs(flags) => runtime.block_on(logs::run(context, &flags)),
        CliCommand::Events(flags) => runtime.block_on(events::run(context, &flags)),
        CliCommand::Watch(subject) => runtime.block_on(watch::run(context, &subject)),
        CliCommand::StatusHistory(subject) => runtime.block_on(history::run_status(context, &subject)),
        CliCommand::Graph(subject) => runtime.block_on(history::run_graph(context, &subject)),
        CliCommand::AbuseReport(subject) => runtime.block_on(history::run_abuse_report(context, &subject)),
        CliCommand::TaskLogs(subject) => runtime.block_on(logs::run_task_logs(context, &subject)),
        CliCommand::SetPriority(flags) => runtime.block_on(set_priority::run(context, &flags)),
        CliCommand::Commit(flags) => runtime.block_on(commit::run_commit(context, &flags)),
        CliCommand::ConvertToImage(flags) => runtime.block_on(commit::run_convert(context, &flags)),
        CliCommand::Upload(flags) => runtime.block_on(upload::run(context, &flags)),
        CliCommand::Download(flags) => runtime.block_on(download::run(context, &flags)),
        CliCommand::Files(flags) => files::run(runtime, context, &flags),
        CliCommand::Vfolder(command) => runtime.block_on(vfolder::run(context, &command)),
        CliCommand::Apps(flags) => runtime.block_on(apps::run_apps(context, &flags)),
        CliCommand::App(flags) => runtime.block_on(apps::run_app(context, &flags)),
        CliCommand::Ssh(flags) => runtime.block_on(ssh::run_ssh(context, flags)),
        CliCommand::Scp(flags) => runtime.block_on(ssh::run_scp(context, flags)),
        CliCommand::Tunnel(flags) => runtime.block_on(tunnel::run(context, &flags)),
        CliCommand::Images => runtime.block_on(images::run(context)),
        CliCommand::Sessions => sessions::run(runtime, &open, context),
        CliCommand::Themes(flags) => themes::run(context, &flags),
        CliCommand::Login(flags) => login::login(runtime, &flags, context),
        CliCommand::Logout { server } => login::logout(runtime, server.as_deref(), context),
        CliCommand::WhoAmI => runtime.block_on(whoami::run(context)),
        CliCommand::Config(args::Config::Show) => whoami::show(context),
        CliCommand::Config(args::Config::Terminal) => show_config::terminal(context),
        CliCommand::Serve(options) => runtime.block_on(daemon::serve(context, &options)),
        CliCommand::Runner(flags) => runtime.block_on(runner::serve(flags)),
        CliCommand::Completions { shell } => shell_completion::script(shell),
    }
}

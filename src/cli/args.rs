//! The flags of the command line. Its help and the shell completions are made from them.

mod create;
mod creation;
mod manage;
mod run;
mod sessions;
mod ssh;
#[cfg(test)]
mod tests;
mod vfolder;

pub(super) use create::{Create, CreatedType};
pub(super) use creation::{CreationFlags, SessionFlags};
pub(super) use manage::{Commit, ConvertToImage, SetPriority};
pub(super) use run::Run;
pub(super) use sessions::{
    App, AppFlags, Apps, AppsFlags, Attach, Download, DownloadFlags, Events, Files, FilesFlags, Logs,
    LogsFlags, Ls, LsColumn, Rename, Restart, Rm, Subject, Upload, UploadFlags,
};
pub(super) use ssh::{Scp, Ssh, Tunnel};
pub(super) use vfolder::{Folders, People, VFolderCommand, VFolderCreate};

use crate::repl::{did_you_mean, meant_subcommand};
use bai_protocol::byte_text;
use clap::builder::NonEmptyStringValueParser;
use clap::builder::{OsStringValueParser, PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A terminal REPL for compute sessions.
#[derive(Debug, Parser)]
#[command(
    name = "bai-repl",
    version,
    override_usage = "bai-repl [OPTIONS] [IMAGE] [SCRIPT [ARGUMENT]...]\n       bai-repl [OPTIONS] <COMMAND>",
    after_help = "Exit codes: 0 success; the exit code of the remote program; 2 wrong usage; 121 could not connect; \
                  122 refused; 123 not found; 124 timed out; 125 the session or the connection was lost; \
                  1 another error.\n\n\
                  Without configuration, sessions run on the engine in this program. BACKEND_ENDPOINT, \
                  BACKEND_ACCESS_KEY and BACKEND_SECRET_KEY choose a cluster, and so does bai-repl login."
)]
pub(super) struct Arguments {
    /// The subcommand; without one a session is opened.
    #[command(subcommand)]
    pub(super) command: Option<CliCommand>,

    /// The flags for opening a session.
    #[command(flatten)]
    pub(super) open: OpenFlags,

    /// The flags of all commands.
    #[command(flatten)]
    pub(super) global: GlobalFlags,
}

impl Arguments {
    /// Parses a command line. Global flags can be anywhere; flags for opening a session must not come before a subcommand.
    pub(super) fn read<S: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = S>,
    ) -> clap::error::Result<Self> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        if let Some(arguments) = Self::read_without_commands(&words) {
            return Ok(arguments);
        }
        let mut table = Self::command();
        let matches =
            table.try_get_matches_from_mut(&words).map_err(|error| mistyped(&words).unwrap_or(error))?;
        let is_given = |argument: &&clap::Arg| {
            let source = matches.value_source(argument.get_id().as_str());
            !argument.is_global_set() && source == Some(ValueSource::CommandLine)
        };
        if let (Some(command), Some(argument)) =
            (matches.subcommand_name(), table.get_arguments().find(is_given))
        {
            let mut message =
                format!("'{argument}' opens a session and cannot be used with the command '{command}'");
            let is_same = |other: &clap::Arg| other.get_id() == argument.get_id() && !other.is_positional();
            if table.find_subcommand(command).is_some_and(|found| found.get_arguments().any(is_same)) {
                message = format!("{message}; put it after '{command}'");
            }
            return Err(table.clone().error(ErrorKind::ArgumentConflict, message));
        }
        let arguments = Self::from_arg_matches(&matches)?;
        match arguments.command.as_ref().filter(|_| arguments.global.json).and_then(CliCommand::without_json)
        {
            None => Ok(arguments),
            Some(what) => {
                let message = format!("'--json' cannot be used with {what}");
                Err(table.error(ErrorKind::ArgumentConflict, message))
            }
        }
    }

    /// Parses a command line whose first word is no subcommand: what follows an image is a script with its arguments, whatever it
    /// is named. To make the table of all subcommands would take as long as all else before a script starts. `None` for the
    /// others, and for what is wrong: help and errors name the subcommands.
    fn read_without_commands(words: &[OsString]) -> Option<Self> {
        let is_command = |word: &str| word == "help" || CliCommand::has_subcommand(word);
        let table = GlobalFlags::augment_args(OpenFlags::augment_args(clap::Command::new("bai-repl")));
        let matches = table.try_get_matches_from(words).ok()?;
        let (open, global) =
            (OpenFlags::from_arg_matches(&matches).ok()?, GlobalFlags::from_arg_matches(&matches).ok()?);
        if open.image.as_deref().is_some_and(is_command) {
            return None;
        }
        Some(Arguments { command: None, open, global })
    }
}

/// The error for words that cannot be parsed, if they begin with a word that is nearly a subcommand. The parser takes it for an
/// image, and complains about what follows.
fn mistyped(words: &[OsString]) -> Option<clap::Error> {
    let first = words.get(1)?.to_str()?;
    let mut table = Arguments::command();
    if first == "help" || table.find_subcommand(first).is_some() {
        return None;
    }
    let message = format!("there is no command '{first}'; {}", did_you_mean(meant_subcommand(first)?));
    Some(table.error(ErrorKind::InvalidSubcommand, message))
}

/// The flags for opening a session.
#[derive(Debug, Args)]
pub(super) struct OpenFlags {
    /// Image of the session, such as python:3.6 [default: python]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(super) image: Option<String>,

    /// Program to run, with its arguments; - is standard input [default: the prompt, or standard input if it is not a terminal]
    #[arg(trailing_var_arg = true, value_parser = OsStringValueParser::new())]
    pub(super) script: Vec<OsString>,

    /// Run this code; the exit code is that of the remote program, and what follows IMAGE are the arguments
    #[arg(short = 'c', value_name = "CODE")]
    pub(super) code: Option<String>,

    /// Run this code as a cell, and print its value
    #[arg(short = 'p', value_name = "CODE", conflicts_with_all = ["code", "script"])]
    pub(super) print: Option<String>,

    /// Upload this file or folder for the script, with its path below the current folder (repeatable). Not needed on this machine, where a script finds the files of its folder
    #[arg(long, value_name = "FILE", value_parser = local_path())]
    pub(super) with: Vec<PathBuf>,

    /// How the session is created.
    #[command(flatten)]
    pub(super) creation: CreationFlags,

    /// Save all pictures and other media in this folder
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    pub(super) media_dir: Option<PathBuf>,
}

/// The flags of all commands.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct GlobalFlags {
    /// URL of the cluster, or "local" for the engine in this program [env: BACKEND_ENDPOINT]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) endpoint: Option<String>,

    /// Profile in the configuration file
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<String>,

    /// Do not check certificates, for this command only
    #[arg(long, global = true)]
    pub(super) insecure: bool,

    /// Print one JSON object on a line for each event
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Print only errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,

    /// Write a trace to the log file; repeat it for more detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,

    /// How runs are sent to the server: auto, ws or poll
    #[arg(long, global = true, value_name = "WAY", default_value = "auto", value_parser = ["auto", "ws", "poll"])]
    pub(super) transport: String,

    /// Do not install the prelude in the kernels of a cluster: completion is missing then, and HTML is lost
    #[arg(long, global = true)]
    pub(super) no_prelude: bool,

    /// Theme of the prompt and the output
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) theme: Option<String>,

    /// How pictures are shown: auto, kitty, kitty-tmux, iterm2, sixel, blocks or none [default: the best that the terminal supports]
    #[arg(long, global = true, value_name = "HOW", env = "BAI_REPL_GRAPHICS", hide_env_values = true)]
    pub(super) graphics: Option<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Open the prompt on an existing session
    Attach(Attach),
    /// Run files in batch mode: upload, clean, build, execute; also in parallel for ranges of values
    Run(Box<Run>),
    /// Create a session without a prompt, also one that runs a command and ends
    Create(Box<Create>),
    /// Open a terminal in a session, or in a new one
    Pty(Pty),
    /// List sessions
    Ls(Ls),
    /// Show facts about a session
    Info(Subject),
    /// Destroy sessions
    Rm(Rm),
    /// Restart the interpreter of a session: variables are lost, files are kept
    Restart(Restart),
    /// Rename a session
    Rename(Rename),
    /// Interrupt the program that runs in a session
    Interrupt(Subject),
    /// Show the log of a session's container
    Logs(Logs),
    /// Show the events of sessions as they happen
    Events(Events),
    /// Follow a session to its end; the exit code tells whether a batch session has succeeded
    Watch(Subject),
    /// Show when a session had which status
    StatusHistory(Subject),
    /// Show the sessions that a session depends on
    #[command(visible_alias = "show-graph")]
    Graph(Subject),
    /// Show the cluster's report about abuse by a session
    #[command(visible_alias = "abuse-history")]
    AbuseReport(Subject),
    /// Show what the command of a batch session printed
    TaskLogs(Subject),
    /// Change the place of a session in the queue
    SetPriority(SetPriority),
    /// Write the container of a session to a file of its machine
    Commit(Commit),
    /// Make an image of the container of a session
    ConvertToImage(ConvertToImage),
    /// Copy files and folders to a session
    Upload(Upload),
    /// Copy files and folders from a session
    Download(Download),
    /// Show the files of a session: full screen in a terminal, or the files of PATH as text
    Files(Files),
    /// List, make, fill and share virtual folders of the cluster
    #[command(subcommand)]
    Vfolder(Box<VFolderCommand>),
    /// List the apps of a session
    Apps(Apps),
    /// Open a local address for an app of a session
    App(App),
    /// Run ssh into a session, with the arguments that follow its name
    Ssh(Ssh),
    /// Copy files from and to a session with scp: bai-repl scp work:a.txt .
    Scp(Scp),
    /// Connect standard input and output with an app of a session, as a ProxyCommand of ssh does
    Tunnel(Tunnel),
    /// List the images that sessions can be created from
    Images,
    /// Show the sessions full screen: attach to one, read its log or files, destroy it
    Sessions,
    /// List the themes, or preview one
    Themes(Themes),
    /// Log in to a cluster's web server, or save the key pair for a manager
    Login(Login),
    /// Log out
    Logout {
        /// URL of the server [default: the one that sessions are created on]
        #[arg(value_name = "URL")]
        server: Option<String>,
    },
    /// Show the server and the user, what said so, and what the user may use
    #[command(name = "whoami")]
    WhoAmI,
    /// Show the configuration and what was detected
    #[command(subcommand)]
    Config(Config),
    /// Run the engine as a background server that other clients can use too
    Serve(Serve),
    /// Serve a cluster's agent as the program that runs code in a container
    Runner(Runner),
    /// Print a completion script for a shell: source <(bai-repl completions bash)
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl CliCommand {
    /// What this command is, if its output has no form for programs.
    fn without_json(&self) -> Option<&'static str> {
        match self {
            CliCommand::Pty(_) => Some("a terminal"),
            CliCommand::Ssh(_) | CliCommand::Scp(_) => Some("another program"),
            CliCommand::Tunnel(_) => Some("a tunnel"),
            CliCommand::Sessions => Some("the view of sessions; 'ls' lists them"),
            CliCommand::Themes(Themes { name: Some(_) }) => Some("the preview of a theme"),
            CliCommand::Login(_) | CliCommand::Logout { .. } => Some("a login"),
            CliCommand::Serve(Serve { stop: false, .. }) | CliCommand::Runner(_) => Some("a server"),
            CliCommand::Completions { .. } => Some("a completion script"),
            _ => None,
        }
    }
}

/// What `bai-repl config` shows.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Show which server is used and as whom, and what said so, without asking it
    Show,
    /// Query the terminal, and show its answers and the settings that follow from them
    Terminal,
}

/// The flags of `bai-repl pty`.
#[derive(Debug, Args)]
pub(super) struct Pty {
    /// Name or id of a session, or an image for a new one [default: python]
    #[arg(value_name = "SESSION|IMAGE", value_parser = NonEmptyStringValueParser::new())]
    pub(super) session_or_image: Option<String>,

    /// App that provides the terminal [default: the one that the session has]
    pub(super) app: Option<String>,

    /// Pass all bytes through, as ssh does, and do not show a pane
    #[arg(long)]
    pub(super) raw: bool,
}

/// The flags of `bai-repl themes`.
#[derive(Debug, Default, Args)]
pub(super) struct Themes {
    /// Preview this theme
    #[arg(value_name = "NAME", id = "shown")]
    pub(super) name: Option<String>,
}

/// The flags of `bai-repl login`.
#[derive(Debug, Default, Args)]
pub(super) struct Login {
    /// URL of the cluster's web server or manager [default: the one that sessions are created on]
    #[arg(value_name = "URL", id = "server")]
    pub(super) endpoint: Option<String>,

    /// User name [env: BACKEND_USER]; the password is BACKEND_PASSWORD, or asked for
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,

    /// Access key for a manager; the secret key is asked for
    #[arg(long, value_name = "KEY", conflicts_with = "user")]
    pub(super) access_key: Option<String>,

    /// Read the password or the secret key from the first line of standard input, and a one-time code from the second
    #[arg(long)]
    pub(super) password_stdin: bool,

    /// End a login of the same user elsewhere, if the server allows only one
    #[arg(long)]
    pub(super) force: bool,
}

/// The flags of `bai-repl serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Listen for other clients too, at this address on the loopback interface; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) listen: Option<SocketAddr>,

    /// Working folder of all sessions [default: each session has its own]
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    pub(super) workdir: Option<PathBuf>,

    /// Stop the running background engine, and its sessions
    #[arg(long)]
    pub(super) stop: bool,

    /// Stop when there has been no session for a while, as an engine does that was started on demand
    #[arg(long, hide = true)]
    pub(super) by_need: bool,
}

/// The flags of `bai-repl runner`.
#[derive(Debug, Args)]
pub(super) struct Runner {
    /// Language or runtime type, such as python or gcc; app runs no code
    #[arg(value_name = "LANG", value_parser = NonEmptyStringValueParser::new())]
    pub(super) language: String,

    /// Interpreter or compiler [default: the one that is found]
    #[arg(value_parser = local_path())]
    pub(super) runtime: Option<PathBuf>,

    /// Address to listen on, in a container 0.0.0.0. Everyone who reaches the ports can run code here
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) host: IpAddr,

    /// Port for operations; 0 picks a free one [default: that of intrinsic-ports.json, or 2000]
    #[arg(long, value_name = "PORT")]
    pub(super) operations_port: Option<u16>,

    /// Port for replies; 0 picks a free one [default: that of intrinsic-ports.json, or 2001]
    #[arg(long, value_name = "PORT")]
    pub(super) replies_port: Option<u16>,

    /// Working folder [default: /home/work, or the current folder if that does not exist]
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    pub(super) workdir: Option<PathBuf>,

    /// Folder with the files of the agent: environ.txt, intrinsic-ports.json
    #[arg(long, value_name = "FOLDER", default_value = "/home/config", value_parser = local_path())]
    pub(super) config: PathBuf,

    /// Folder with service definitions
    #[arg(long, value_name = "FOLDER", default_value = "/etc/backend.ai/service-defs", value_parser = local_path())]
    pub(super) service_defs: PathBuf,
}

/// Reads a path of this machine, in which `~` is the home folder: a shell leaves it alone in `--workdir=~/x`, and there is no
/// shell at the prompt.
fn local_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(bai_client::expand_tilde)
}

/// Reads a folder of a session; the empty text is its home folder, and so is `~`.
fn session_folder() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(path_in_session)
}

/// Reads a path of a session, in which `~` is the session's home folder.
fn session_path() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new()
        .try_map(|path| if path.is_empty() { Err("the path is empty") } else { Ok(path_in_session(path)) })
}

/// A path of a session. One that is not UTF-8 is written as [`byte_text`] does.
fn path_in_session(path: OsString) -> String {
    let path = path.into_string().unwrap_or_else(|bytes| byte_text::text(bytes.as_bytes()));
    bai_client::expand_session_tilde(&path).to_owned()
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

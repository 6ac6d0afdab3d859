//! The flags of commands about sessions and their files.

use super::{key_value, local_path, session_folder, session_path};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The session that a command is about.
#[derive(Debug, Args)]
pub(in crate::cli) struct Subject {
    /// Name or id of the session, or a unique beginning of it
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) session: String,
}

/// What `bai-repl attach` opens.
#[derive(Debug, Args)]
pub(in crate::cli) struct Attach {
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Take over the cell that runs for another client, which then only sees that; without this, a cell is followed whose
    /// client has gone, and on clusters any cell
    #[arg(long)]
    pub(in crate::cli) take: bool,
}

/// The flags of `bai-repl ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Ls {
    /// Also list sessions that have ended
    #[arg(short, long)]
    pub(in crate::cli) all: bool,

    /// List only sessions with one of these statuses, such as RUNNING,PENDING (repeatable)
    #[arg(short, long, value_name = "STATUS", value_delimiter = ',')]
    pub(in crate::cli) status: Vec<String>,

    /// Columns of the table
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        default_value = "name,status,image,created,id"
    )]
    pub(in crate::cli) columns: Vec<LsColumn>,

    /// Sort by this column
    #[arg(long, value_name = "COLUMN", default_value = "created")]
    pub(in crate::cli) sort: LsColumn,

    /// Reverse the order
    #[arg(long)]
    pub(in crate::cli) reverse: bool,
}

/// A column of the list of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LsColumn {
    /// Name.
    Name,
    /// Status.
    Status,
    /// Reason of the status.
    Reason,
    /// Image.
    Image,
    /// Time of creation.
    Created,
    /// Time of the end.
    Ended,
    /// Free text of the creator.
    Tag,
    /// Project.
    Project,
    /// UUID.
    Id,
}

/// The flags of `bai-repl rm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rm {
    /// Names or ids of sessions, or the beginnings of their ids
    #[arg(required = true, value_name = "SESSION", value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) sessions: Vec<String>,

    /// Destroy sessions in any status, such as ERROR
    #[arg(short, long)]
    pub(in crate::cli) force: bool,

    /// Also destroy the sessions that depend on them
    #[arg(long)]
    pub(in crate::cli) recursive: bool,

    /// Tell what each session used, as far as the server knows it
    #[arg(short, long)]
    pub(in crate::cli) stats: bool,
}

/// The flags of `bai-repl restart`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Restart {
    /// Name or id of the session, or the beginning of its id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) session: String,

    /// If the server cannot restart sessions, destroy the session and create a similar one; files are lost too
    #[arg(long)]
    pub(in crate::cli) recreate: bool,
}

/// The flags of `bai-repl rename`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rename {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// New name
    pub(in crate::cli) name: String,
}

/// The flags of `bai-repl logs`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Logs {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Which part of the log.
    #[command(flatten)]
    pub(in crate::cli) flags: LogsFlags,
}

/// Which part of a log is shown.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogsFlags {
    /// Follow the log until the session ends or Ctrl-C is pressed
    #[arg(short, long)]
    pub(in crate::cli) follow: bool,

    /// Show only the last N lines
    #[arg(short = 'n', long, value_name = "N")]
    pub(in crate::cli) lines: Option<usize>,

    /// Id of one of the containers of the session, as in events [default: the main one]
    #[arg(short, long, visible_alias = "kernel-id", value_name = "ID")]
    pub(in crate::cli) kernel: Option<String>,
}

/// The flags of `bai-repl events`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Events {
    /// Session whose events are shown, until it ends [default: all sessions, until Ctrl-C]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) session: Option<String>,
}

/// The flags of `bai-repl upload`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Upload {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Which files.
    #[command(flatten)]
    pub(in crate::cli) flags: UploadFlags,
}

/// Which files are uploaded, and where to.
#[derive(Debug, Args)]
pub(in crate::cli) struct UploadFlags {
    /// Files and folders on this machine, links followed; - is standard input, and --to is then the file
    #[arg(required = true, value_name = "FILE", value_parser = local_path())]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// Target folder in the session, relative to its home folder
    #[arg(long, value_name = "FOLDER", default_value = "", value_parser = session_folder())]
    pub(in crate::cli) to: String,

    /// Replace existing files
    #[arg(short, long)]
    pub(in crate::cli) force: bool,

    /// How long it waits.
    #[command(flatten)]
    pub(in crate::cli) wait: MaxWait,
}

/// How long a command waits for a session that runs something else.
#[derive(Debug, Args)]
pub(in crate::cli) struct MaxWait {
    /// Seconds to wait for a session that runs something else, 0 for no limit [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) max_wait: Option<u32>,
}

/// The flags of `bai-repl download`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Download {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Which files.
    #[command(flatten)]
    pub(in crate::cli) flags: DownloadFlags,
}

/// Which files are downloaded, and where to.
#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadFlags {
    /// Files and folders in the session, relative to its home folder, links followed
    #[arg(required = true, value_name = "PATH", value_parser = session_path())]
    pub(in crate::cli) paths: Vec<String>,

    /// Target folder on this machine; - is standard output, for one file
    #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = local_path())]
    pub(in crate::cli) to: PathBuf,

    /// Replace existing files
    #[arg(short, long)]
    pub(in crate::cli) force: bool,

    /// How long it waits.
    #[command(flatten)]
    pub(in crate::cli) wait: MaxWait,
}

/// The flags of `bai-repl files`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Files {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Which folder.
    #[command(flatten)]
    pub(in crate::cli) flags: FilesFlags,
}

/// Which files are listed.
#[derive(Debug, Args)]
pub(in crate::cli) struct FilesFlags {
    /// Folder in the session to list as text [default: the home folder, full screen in a terminal]
    #[arg(value_name = "PATH", value_parser = session_path())]
    pub(in crate::cli) path: Option<String>,
}

/// The flags of `bai-repl apps`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Apps {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// The other flags.
    #[command(flatten)]
    pub(in crate::cli) flags: AppsFlags,
}

/// The list of apps has no other flags.
#[derive(Debug, Args)]
pub(in crate::cli) struct AppsFlags {}

/// The flags of `bai-repl app`.
#[derive(Debug, Args)]
pub(in crate::cli) struct App {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Which app.
    #[command(flatten)]
    pub(in crate::cli) flags: AppFlags,
}

/// Which app is opened, and where.
#[derive(Debug, Args)]
pub(in crate::cli) struct AppFlags {
    /// Name of the app, or the port at which a program in the session listens
    pub(in crate::cli) app: String,

    /// Local address to listen on; port 0 picks a free one
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub(in crate::cli) bind: String,

    /// Allow an address that other machines reach: everybody there can then use the app, and with it the session, as you
    #[arg(long)]
    pub(in crate::cli) public: bool,

    /// Port of the app, if it has several
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,

    /// Argument for starting the app, such as "--title x" (repeatable)
    #[arg(long = "arg", value_name = "OPTION", allow_hyphen_values = true)]
    pub(in crate::cli) arguments: Vec<String>,

    /// Environment variable for starting the app (repeatable)
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = |text: &str| key_value(text).map(|_| text.to_owned()))]
    pub(in crate::cli) envs: Vec<String>,
}

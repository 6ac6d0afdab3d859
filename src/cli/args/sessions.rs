//! The flags of the commands about sessions and their files.

use super::local_path;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// A session that a command is about.
#[derive(Debug, Args)]
pub(in crate::cli) struct Subject {
    /// Name or id of the session, or the beginning of one
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) session: String,
}

/// The list of sessions.
#[derive(Debug, Args)]
pub(in crate::cli) struct Ls {
    /// Also those that are over
    #[arg(short, long)]
    pub(in crate::cli) all: bool,

    /// Only those in one of these states, such as RUNNING,PENDING (repeatable)
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

    /// Order by this column
    #[arg(long, value_name = "COLUMN", default_value = "created")]
    pub(in crate::cli) sort: LsColumn,

    /// Turn the order around
    #[arg(long)]
    pub(in crate::cli) reverse: bool,
}

/// A column of the list of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LsColumn {
    /// Name.
    Name,
    /// Where it is in its life.
    Status,
    /// Why it is there.
    Reason,
    /// Image.
    Image,
    /// When it was created.
    Created,
    /// When it ended.
    Ended,
    /// Text of its creator.
    Tag,
    /// Project.
    Project,
    /// UUID.
    Id,
}

/// Destruction.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rm {
    /// Names or ids, or beginnings of them
    #[arg(required = true, value_name = "SESSION", value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) sessions: Vec<String>,

    /// Whatever state it is in, such as ERROR
    #[arg(short, long)]
    pub(in crate::cli) force: bool,

    /// Also the sessions that depend on it
    #[arg(long)]
    pub(in crate::cli) recursive: bool,
}

/// A fresh interpreter.
#[derive(Debug, Args)]
pub(in crate::cli) struct Restart {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Where the server cannot restart, destroy the session and create one like it: its files are lost, too
    #[arg(long)]
    pub(in crate::cli) recreate: bool,
}

/// A new name.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rename {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// The new name
    pub(in crate::cli) name: String,
}

/// The log of a session's container.
#[derive(Debug, Args)]
pub(in crate::cli) struct Logs {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// What of it.
    #[command(flatten)]
    pub(in crate::cli) flags: LogsFlags,
}

/// What of a log is shown.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogsFlags {
    /// Go on with what comes, until the session ends or Ctrl-C
    #[arg(short, long)]
    pub(in crate::cli) follow: bool,

    /// Only the last lines
    #[arg(short = 'n', long, value_name = "N")]
    pub(in crate::cli) lines: Option<usize>,
}

/// Events as they happen.
#[derive(Debug, Args)]
pub(in crate::cli) struct Events {
    /// Only those of this session, until it ends [default: all sessions, until Ctrl-C]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) session: Option<String>,
}

/// Files to a session.
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
    /// Files and folders of this machine; - is standard input, for which --to names the file
    #[arg(required = true, value_name = "FILE", value_parser = local_path())]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// Folder of the session, relative to its home folder
    #[arg(long, value_name = "FOLDER", default_value = "")]
    pub(in crate::cli) to: String,

    /// Replace what is there
    #[arg(short, long)]
    pub(in crate::cli) force: bool,
}

/// Files from a session.
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
    /// Files and folders of the session, relative to its home folder
    #[arg(required = true, value_name = "PATH")]
    pub(in crate::cli) paths: Vec<String>,

    /// Folder of this machine; - is standard output, for one file
    #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = local_path())]
    pub(in crate::cli) to: PathBuf,

    /// Replace what is there
    #[arg(short, long)]
    pub(in crate::cli) force: bool,
}

/// A session's files.
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
    /// Folder of the session, which is listed as text [default: the home folder, full screen in a terminal]
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: Option<String>,
}

/// A session whose apps are listed.
#[derive(Debug, Args)]
pub(in crate::cli) struct Apps {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Its flags.
    #[command(flatten)]
    pub(in crate::cli) flags: AppsFlags,
}

/// The list of apps has no flags of its own.
#[derive(Debug, Args)]
pub(in crate::cli) struct AppsFlags {}

/// A local address for an app.
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
    /// Name of the app
    pub(in crate::cli) app: String,

    /// Where to listen; port 0 picks a free one
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub(in crate::cli) bind: String,

    /// Port of the app, when it has several
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,

    /// Option for the app's start, such as "--title x" (repeatable)
    #[arg(long = "arg", value_name = "OPTION", allow_hyphen_values = true)]
    pub(in crate::cli) arguments: Vec<String>,

    /// Variable for the app's start (repeatable)
    #[arg(long = "env", value_name = "KEY=VALUE")]
    pub(in crate::cli) envs: Vec<String>,
}

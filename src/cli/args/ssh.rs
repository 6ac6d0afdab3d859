//! The flags of commands that reach a program in a session by its port: ssh, scp, and a tunnel.

use super::Subject;
use clap::Args;
use clap::builder::OsStringValueParser;
use std::ffi::OsString;

/// The flags of `bai-repl ssh`.
#[derive(Debug, Args)]
#[command(
    override_usage = "bai-repl ssh [OPTIONS] SESSION [ARGUMENT]...",
    after_help = "The arguments are those of ssh: options such as -L 8080:localhost:80, and a command. The exit code is that of ssh.\n\n\
                  rsync -e 'bai-repl ssh' a.txt work: copies files with rsync. For editors and other programs that call ssh: \
                  bai-repl ssh work --config >>~/.ssh/config"
)]
pub(in crate::cli) struct Ssh {
    /// Print a section for ~/.ssh/config, with which ssh and other programs find the session by its name
    #[arg(long)]
    pub(in crate::cli) config: bool,

    /// Name or id of the session, or a unique beginning of it; then the arguments of ssh
    #[arg(id = "session", value_name = "SESSION", required = true, trailing_var_arg = true, value_parser = OsStringValueParser::new())]
    pub(in crate::cli) words: Vec<OsString>,
}

/// The flags of `bai-repl scp`.
#[derive(Debug, Args)]
#[command(
    override_usage = "bai-repl scp [OPTION]... SOURCE... TARGET",
    after_help = "SESSION:PATH is a file or folder of a session. The options are those of scp, such as -r. The exit code is that of scp."
)]
pub(in crate::cli) struct Scp {
    /// Options of scp, and files: a path, or SESSION:PATH
    #[arg(
        id = "session",
        value_name = "SOURCE",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_parser = OsStringValueParser::new()
    )]
    pub(in crate::cli) words: Vec<OsString>,
}

/// The flags of `bai-repl tunnel`.
#[derive(Debug, Args)]
#[command(
    after_help = "It ends with the connection of the app. After the end of standard input it goes on until the app has been quiet for \
                  half a minute."
)]
pub(in crate::cli) struct Tunnel {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Name of the app, or the port at which a program in the session listens
    pub(in crate::cli) app: String,
}

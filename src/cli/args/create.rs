//! The flags of `bai-repl create`.

use super::SessionFlags;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// The flags of `bai-repl create`.
#[derive(Debug, Args)]
#[command(
    after_help = "It prints the name of the session, and returns when the session runs. bai-repl attach opens a prompt on it, and \
                  bai-repl watch follows a batch session to its end."
)]
pub(in crate::cli) struct Create {
    /// Image of the session, such as python:3.6 [default: python, or that of the template]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) image: Option<String>,

    /// Type of the session: a batch session runs a command, and ends with it [default: interactive, or batch with --startup-command]
    #[arg(long = "type", value_name = "TYPE")]
    pub(in crate::cli) kind: Option<CreatedType>,

    /// Shell command of a batch session
    #[arg(short = 'c', long, value_name = "CMD")]
    pub(in crate::cli) startup_command: Option<String>,

    /// Earliest start of a batch session: a time such as 2026-12-01T09:00:00+09:00, or one from now on, such as 10m
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) starts_at: Option<String>,

    /// How long a batch session may run: seconds, or with a unit, such as 30m or 2d
    #[arg(long, visible_alias = "batch-timeout", value_name = "TIME")]
    pub(in crate::cli) timeout: Option<String>,

    /// Return when the session is in the queue
    #[arg(long)]
    pub(in crate::cli) enqueue_only: bool,

    /// Id of a session template of the cluster, which gives what is not set here
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) template: Option<String>,

    /// Access key of the owner (administrators)
    #[arg(short, long, visible_alias = "owner-access-key", value_name = "KEY")]
    pub(in crate::cli) owner: Option<String>,

    /// What the session is.
    #[command(flatten)]
    pub(in crate::cli) session: SessionFlags,
}

/// A type of session that a user may create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum CreatedType {
    /// It stays until it is destroyed.
    Interactive,
    /// It runs one command and ends.
    Batch,
}

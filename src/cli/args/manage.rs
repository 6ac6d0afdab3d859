//! The flags of commands that manage a session of a cluster.

use super::Subject;
use clap::Args;

/// The flags of `bai-repl set-priority`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetPriority {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// 0 to 100; sessions with higher ones start first
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(in crate::cli) priority: u8,
}

/// The flags of `bai-repl commit`.
#[derive(Debug, Args)]
#[command(
    after_help = "It shows the progress until the file is written. Ctrl-C only stops watching: the cluster goes on."
)]
pub(in crate::cli) struct Commit {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Name of the file [default: the cluster chooses one]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) filename: Option<String>,

    /// Return when the cluster has begun
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
}

/// The flags of `bai-repl convert-to-image`.
#[derive(Debug, Args)]
#[command(
    after_help = "The image goes to the registry of the project, where the cluster is set up for that. Ctrl-C only stops watching: the \
                  cluster goes on."
)]
pub(in crate::cli) struct ConvertToImage {
    /// The session.
    #[command(flatten)]
    pub(in crate::cli) subject: Subject,

    /// Name of the image: letters, digits, '.', '_' and '-'
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,

    /// Let the whole project use the image
    #[arg(long)]
    pub(in crate::cli) project: bool,

    /// Return when the cluster has begun
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
}

//! The flags of `bai-repl run`.

use super::{CreationFlags, local_path};
use crate::cli::sweep_range::Range;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

/// The flags of `bai-repl run`.
#[derive(Debug, Args)]
#[command(
    after_help = "A step without a command depends on the files: make if there is a Makefile, otherwise the usual command \
of the language; without files it is skipped. An empty command, as in --clean '', also skips a step.\n\n\
Ranges are NAME=case:a,b,c, NAME=range:START,STOP[,STEP] (whole numbers, STOP excluded) and \
NAME=linspace:START,STOP,COUNT (STOP included). Each combination of values runs in a session of its own, with $NAME or ${NAME} \
replaced in the commands and variables. The output is printed in the order of the cases; the exit code is that of the first case \
that failed."
)]
pub(in crate::cli) struct Run {
    /// Image of the session, such as gcc or python:3.6
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) image: String,

    /// Files and folders to upload
    #[arg(value_parser = local_path())]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// Run this code instead of files; the exit code is that of the remote program
    #[arg(short = 'c', value_name = "CODE", conflicts_with_all = ["files", "clean", "build", "exec", "build_range", "exec_range"])]
    pub(in crate::cli) code: Option<String>,

    /// Shell command of the clean step
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) clean: Option<String>,

    /// Shell command of the build step
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) build: Option<String>,

    /// Shell command of the execute step, which runs if the build succeeded
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) exec: Option<String>,

    /// Folder to which the paths of the files are relative [default: the current folder]
    #[arg(long, value_name = "DIR", value_parser = local_path())]
    pub(in crate::cli) basedir: Option<PathBuf>,

    /// Replace files of the session also if no earlier run has uploaded them as they are
    #[arg(short, long)]
    pub(in crate::cli) force: bool,

    /// Values of a variable in --env; a variable that no --env uses is set itself (repeatable)
    #[arg(long, value_name = "NAME=RANGE", value_parser = Range::parse)]
    pub(in crate::cli) env_range: Vec<Range>,

    /// Values of a variable in the build command (repeatable)
    #[arg(long, value_name = "NAME=RANGE", value_parser = Range::parse, requires = "build")]
    pub(in crate::cli) build_range: Vec<Range>,

    /// Values of a variable in the command of the execute step (repeatable)
    #[arg(long, value_name = "NAME=RANGE", value_parser = Range::parse, requires = "exec")]
    pub(in crate::cli) exec_range: Vec<Range>,

    /// Maximum number of sessions at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(in crate::cli) max_parallel: u32,

    /// Save all pictures and other media in this folder
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    pub(in crate::cli) media_dir: Option<PathBuf>,

    /// How the session is created.
    #[command(flatten)]
    pub(in crate::cli) creation: CreationFlags,
}

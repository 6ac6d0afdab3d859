//! The flags of `bai-repl run`.

use super::{CreationFlags, local_path};
use crate::cli::sweep_range::Range;
use clap::Args;
use std::path::PathBuf;

/// Batch mode.
#[derive(Debug, Args)]
#[command(
    after_help = "A step whose command is not given does what the files ask for: make where there is a Makefile, else \
what the language does; without files it is skipped. --clean '' skips a step, too.\n\n\
Ranges are NAME=case:a,b,c, NAME=range:START,STOP[,STEP] (whole numbers, STOP excluded) and \
NAME=linspace:START,STOP,COUNT (STOP included). Each combination of values runs in a session of its own, with $NAME or ${NAME} \
replaced in the commands and variables. The output comes in the order of the cases; the exit code is that of the first case \
that failed."
)]
pub(in crate::cli) struct Run {
    /// Image of the session, such as gcc or python:3.6
    pub(in crate::cli) image: String,

    /// Files and folders to upload
    #[arg(value_parser = local_path())]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// Run this code instead of files; the exit code is the remote program's
    #[arg(short = 'c', value_name = "CODE", conflicts_with_all = ["files", "clean", "build", "exec", "build_range", "exec_range"])]
    pub(in crate::cli) code: Option<String>,

    /// Shell command that cleans up first
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) clean: Option<String>,

    /// Shell command that builds
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) build: Option<String>,

    /// Shell command that is executed when the build went well
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) exec: Option<String>,

    /// Folder that the files keep their places below [default: the current one]
    #[arg(long, value_name = "DIR", value_parser = local_path())]
    pub(in crate::cli) basedir: Option<PathBuf>,

    /// Values of a variable for --env; one that no --env mentions is set itself (repeatable)
    #[arg(long, value_name = "NAME=RANGE", value_parser = Range::parse)]
    pub(in crate::cli) env_range: Vec<Range>,

    /// Values of a variable for the build command (repeatable)
    #[arg(long, value_name = "NAME=RANGE", value_parser = Range::parse, requires = "build")]
    pub(in crate::cli) build_range: Vec<Range>,

    /// Values of a variable for the command that is executed (repeatable)
    #[arg(long, value_name = "NAME=RANGE", value_parser = Range::parse, requires = "exec")]
    pub(in crate::cli) exec_range: Vec<Range>,

    /// Most sessions at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(in crate::cli) max_parallel: u32,

    /// How pictures are saved when they cannot be shown
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    pub(in crate::cli) media_dir: Option<PathBuf>,

    /// How the session is made.
    #[command(flatten)]
    pub(in crate::cli) creation: CreationFlags,
}

//! What a language is to the runner: the operations of the field, as far as languages differ in them.
//!
//! | Operation | Who does it |
//! |---|---|
//! | init | [`Language::init`] says how the interpreter is started under a driver; none means that each cell is a program |
//! | clean, build, execute | `clean_heuristic` and its neighbours say what `*` means; commands are the base's |
//! | query | the driver, or the commands that [`Language::query`] gives |
//! | complete | the driver; a program has nothing to be asked |
//! | interrupt, input, services, status, shutdown | the base, alike for all: signals, pipes, processes |
//!
//! A language is a file, or a row in `scripted.rs` or `compiled.rs`; `registry.rs` lists them all. What is not the runner's alone,
//! such as names and the files of batch runs, is in `bai_protocol::language`.

use super::error::StartError;
use super::image::ImageName;
use super::search_paths::SearchPaths;
use super::wire::Dialect;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One language.
pub(super) trait Language: Sync {
    /// Its name in the field, such as `python`.
    fn name(&self) -> &'static str;

    /// Whether an image of this name holds this language.
    fn answers_to(&self, image: &ImageName) -> bool {
        image.language() == Some(self.name())
    }

    /// The interpreter for `image`, or why there is none. May run candidates to ask for their version.
    fn find(&'static self, image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError>;

    /// Every interpreter of this machine, best first.
    fn find_all(&self, search_paths: &SearchPaths) -> Vec<FoundImage>;

    /// How a persistent interpreter under our driver is started. The driver's pipes are given in the order
    /// control in, control out, aside out. `None` when each cell is a program of its own.
    fn init(&self, executable: &Path, pipes: [i32; 3]) -> Option<Launch>;

    /// Whether its cells are run by a Jupyter kernel, which needs no driver of ours.
    fn is_jupyter(&self) -> bool {
        false
    }

    /// What runs a cell in a language without a driver.
    fn query(&self, _cell: &Cell<'_>) -> Plan {
        Plan::default()
    }

    /// What the step `clean` does when it is asked for `*` (`docs/wire` §9.5).
    fn clean_heuristic(&self, _executable: &Path, _workdir: &Path) -> Heuristic {
        Heuristic::Done(None, 0)
    }

    /// The same for `build`, in a folder without a `Makefile`.
    fn build_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic;

    /// The same for `exec`.
    fn execute_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic;
}

/// A cell that becomes a program.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) code: &'a str,
    pub(super) executable: &'a Path,
    /// A folder that is the kernel's own and empty.
    pub(super) scratch: &'a Path,
}

/// What runs a cell: files to write, and commands of which each runs when the one before it succeeded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) files: Vec<(PathBuf, String)>,
    pub(super) commands: Vec<Invocation>,
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) executable: PathBuf,
    pub(super) args: Vec<OsString>,
}

impl Invocation {
    pub(super) fn new(executable: impl Into<PathBuf>, args: &[impl AsRef<std::ffi::OsStr>]) -> Self {
        Invocation {
            executable: executable.into(),
            args: args.iter().map(|argument| argument.as_ref().to_owned()).collect(),
        }
    }
}

/// An interpreter that was chosen for an image name.
#[derive(Clone)]
pub struct Resolved {
    pub(super) language: &'static dyn Language,
    pub(super) info: KernelInfo,
}

impl Resolved {
    /// What was chosen.
    pub fn info(&self) -> &KernelInfo {
        &self.info
    }
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}

/// What a kernel runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInfo {
    /// Name of the language, such as `python`.
    pub language: &'static str,
    /// Full version of the interpreter, such as `3.6.15`.
    pub version: String,
    /// Where the interpreter is.
    pub executable: PathBuf,
    /// One line for the person when something else was asked for: `python:3.6 is not here; using 3.11.7`.
    pub note: Option<String>,
}

/// An image name that this machine can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// The name to ask for, such as `python:3.6`.
    pub name: String,
    /// Name of the language.
    pub language: &'static str,
    /// Full version of the interpreter.
    pub version: String,
    /// Where the interpreter is.
    pub executable: PathBuf,
    /// How it was found: `PATH`, `pyenv`, `uv`, `conda`, `virtual environment`.
    pub origin: &'static str,
}

/// How to start an interpreter with its driver.
pub(super) struct Launch {
    pub(super) args: Vec<OsString>,
    /// Variables that are set unless the person has set them.
    pub(super) default_env: &'static [(&'static str, &'static str)],
    /// Variables that must not reach the interpreter.
    pub(super) remove_env: &'static [&'static str],
    /// What the loader reads from the control pipe first.
    pub(super) source: String,
    /// How the driver wants to be spoken to.
    pub(super) dialect: Dialect,
    /// Whether the interpreter and its children can read what the person types from standard input.
    pub(super) stdin: bool,
    /// A signal that does nothing but end a system call that waits, for a driver that hears no [`ToDriver::Wake`] meanwhile.
    ///
    /// [`ToDriver::Wake`]: super::wire::ToDriver::Wake
    pub(super) wake: Option<Signal>,
}

/// The three steps of a batch run (`docs/wire` §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepKind {
    Clean,
    Build,
    Exec,
}

/// Exit code of a task that could not begin: there is no program or interpreter, or the build before it failed.
pub(super) const NOT_RUN: i32 = 127;

/// What a step does that was asked for `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heuristic {
    /// Run this.
    Run(Invocation),
    /// Nothing to run: a line for standard error, if any, and the exit code of the step.
    Done(Option<String>, i32),
}

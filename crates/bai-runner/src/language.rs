//! The runner's interface to a language: the operations in which languages differ.
//!
//! | Operation | Who does it |
//! |---|---|
//! | init | [`Language::init`] starts the interpreter under a driver; `None` means that each cell is a program |
//! | clean, build, execute | `clean_heuristic` and its neighbours define `*`; the base runs commands |
//! | query | the driver, or the commands that [`Language::query`] gives |
//! | complete | the driver; there is no completion without one |
//! | interrupt, input, services, status, shutdown | the base, for all languages: signals, pipes, processes |
//!
//! A language is a file, or a row in `scripted.rs` or `compiled.rs`; `registry.rs` lists them all. Facts that others need
//! too, such as names and the files of batch runs, are in `bai_protocol::language`.

use super::error::StartError;
use super::image::ImageName;
use super::own_program::{OwnProgram, Scratch};
use super::search_paths::SearchPaths;
use super::wire::Dialect;
use bai_protocol::execute::Script;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// One language.
pub(super) trait Language: Sync {
    /// Its usual name, such as `python`.
    fn name(&self) -> &'static str;

    /// Whether an image of this name has this language.
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

    /// How the language's own program runs the last script of a session, with the driver as its guest. The pipes are as for
    /// [`Language::init`]; the scratch folder is the kernel's own. The caller writes the files of the plan, and gives its input. Where
    /// streams are lent, the driver leaves all of them to the language. `None` if the driver itself runs scripts, or has no part in them.
    ///
    /// # Errors
    /// When a file that it needs cannot be made.
    fn init_script(
        &self,
        _executable: &Path,
        _pipes: [i32; 3],
        _script: (&str, &Script),
        _workdir: &Path,
        _scratch: &Scratch,
        _are_lent: bool,
    ) -> io::Result<Option<(Launch, Plan)>> {
        Ok(None)
    }

    /// How the language's own program runs a script. `None` if only an interpreter under our driver can, or if each cell is a
    /// program of its own anyway.
    fn own_program(&self) -> Option<&OwnProgram> {
        None
    }

    /// Whether its driver runs scripts as programs. Elsewhere a script is a cell, which has no arguments.
    fn runs_scripts(&self) -> bool {
        false
    }

    /// Whether a Jupyter kernel runs its cells. Then it needs no driver.
    fn is_jupyter(&self) -> bool {
        false
    }

    /// The plan that runs a cell in a language without a driver.
    fn query(&self, _cell: &Cell<'_>) -> Plan {
        Plan::default()
    }

    /// The meaning of `*` in the step `clean` (`docs/wire` §9.5).
    fn clean_heuristic(&self, _executable: &Path, _workdir: &Path) -> Heuristic {
        Heuristic::Done(None, 0)
    }

    /// The meaning of `*` in the step `build`, in a folder without a `Makefile`.
    fn build_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic;

    /// Whether build steps may install something. Then the session gets a folder for it.
    fn installs(&self) -> bool {
        false
    }

    /// The command that makes an environment in this folder, so that steps do not install into that of the user. It does
    /// as little as it can if the environment is there. `installs` says whether a command of
    /// [`Language::build_heuristic`] follows.
    fn make_environment(
        &self,
        _interpreter: &KernelInfo,
        _environment: &Path,
        _installs: bool,
    ) -> Option<Invocation> {
        None
    }

    /// The interpreter in that folder, once it is there.
    fn tool_of(&self, _environment: &Path) -> Option<PathBuf> {
        None
    }

    /// The meaning of `*` in the step `exec`.
    fn execute_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic;
}

/// A cell that becomes a program.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) code: &'a str,
    pub(super) executable: &'a Path,
    /// The arguments of the program.
    pub(super) args: &'a [OsString],
    /// An empty folder of the kernel's own.
    pub(super) scratch: &'a Path,
}

/// The plan that runs a cell: files to write, and commands. Each command runs only if the one before it succeeded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
    pub(super) commands: Vec<Invocation>,
    /// The standard input of the commands, if it is not the user's.
    pub(super) input: Option<Vec<u8>>,
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
    /// The description of the interpreter.
    pub fn info(&self) -> &KernelInfo {
        &self.info
    }
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}

/// The description of a kernel's interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelInfo {
    /// Name of the language, such as `python`.
    pub language: &'static str,
    /// Full version of the interpreter, such as `3.6.15`.
    pub version: String,
    /// The path of the interpreter.
    pub executable: PathBuf,
    /// What runs the cells of a kernel, if it is not the language itself, such as `IPython 8.39.0`.
    pub shell: Option<String>,
    /// One line for the user if it is not the requested version: `python:3.6 is not here; using 3.11.7`.
    pub note: Option<String>,
}

/// An image name that this machine can run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundImage {
    /// The image name, such as `python:3.6`.
    pub name: String,
    /// Name of the language.
    pub language: &'static str,
    /// Full version of the interpreter.
    pub version: String,
    /// The path of the interpreter.
    pub executable: PathBuf,
    /// How it was found: `PATH`, `pyenv`, `uv`, `conda`, `virtual environment`.
    pub origin: &'static str,
}

/// How to start an interpreter with its driver.
pub(super) struct Launch {
    pub(super) args: Vec<OsString>,
    /// Variables that are set unless the user has set them.
    pub(super) default_env: &'static [(&'static str, &'static str)],
    /// Texts that go before what a variable has; a colon separates them.
    pub(super) first_in: Vec<(&'static str, OsString)>,
    /// Variables that must not reach the interpreter.
    pub(super) remove_env: &'static [&'static str],
    /// The driver's source, which the loader reads from the control pipe first. Empty if it comes from elsewhere.
    pub(super) source: String,
    /// The form of the messages to the driver.
    pub(super) dialect: Dialect,
    /// Whether the interpreter and its children can read the user's input from standard input.
    pub(super) stdin: bool,
    /// A signal that only ends a blocking system call, for a driver that does not notice [`ToDriver::Wake`] meanwhile.
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

/// The work of a step with `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heuristic {
    /// Run this.
    Run(Invocation),
    /// No command: a line for standard error, if any, and the exit code of the step.
    Done(Option<String>, i32),
}

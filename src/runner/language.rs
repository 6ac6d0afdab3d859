//! What a language must know to be run: which image names mean it, where its interpreters are, how its driver is
//! started, and what batch steps usually do. One file for each language; [`ALL`] is the table.
//!
//! Query, completion, input and interrupt need nothing here: every driver speaks the messages of `wire.rs`.

use super::error::StartError;
use super::image::ImageName;
use super::places::Places;
use super::python::Python;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The languages, in the order in which image names are offered to them.
pub(super) static ALL: &[&dyn Language] = &[&Python];

/// One language.
pub(super) trait Language: Sync {
    /// Its name in the field, such as `python`.
    fn name(&self) -> &'static str;

    /// Whether an image of this name holds this language.
    fn answers_to(&self, image: &ImageName) -> bool;

    /// The interpreter for `image`, or why there is none. May run candidates to ask for their version.
    fn find(&self, image: &ImageName, places: &Places) -> Result<Resolved, StartError>;

    /// Every interpreter of this machine, best first.
    fn find_all(&self, places: &Places) -> Vec<FoundImage>;

    /// How a persistent interpreter under our driver is started. The driver's pipes are given in the order
    /// control in, control out, aside out.
    fn launch(&self, executable: &Path, pipes: [i32; 3]) -> Launch;

    /// What a batch step does when it is asked for `*` (`protocol.md` §9.5).
    fn heuristic(&self, step: StepKind, executable: &Path, workdir: &Path) -> Heuristic;
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
}

/// The three steps of a batch run (`protocol.md` §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepKind {
    Clean,
    Build,
    Exec,
}

/// What a step does that was asked for `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heuristic {
    /// Run this program with these arguments.
    Run(PathBuf, Vec<OsString>),
    /// Nothing to run: a line for standard error, if any, and the exit code of the step.
    Done(Option<String>, i32),
}

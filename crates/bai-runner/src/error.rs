//! Errors of a kernel's start, each with a hint for the user.

use bai_protocol::byte_text;
use bai_protocol::machine_limit::MachineLimit;
use std::path::PathBuf;

/// A kernel that did not start. The message says what failed and why; [`StartError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No language accepts this image name.
    #[error("this machine cannot run the image \"{}\"; {known}", byte_text::shown(image))]
    UnknownImage {
        /// The requested name.
        image: String,
        /// The images that exist, as a clause.
        known: String,
    },
    /// The language is known, but its interpreter is not installed.
    #[error("{image} needs {language}, and none was found in {looked}")]
    NoInterpreter {
        /// The requested name.
        image: String,
        /// The language with the accepted versions, such as `CPython 3.6 or later`.
        language: &'static str,
        /// The places that were searched.
        looked: String,
        /// What to install.
        install: &'static str,
    },
    /// The language is here, but neither in the requested version nor in a newer minor one.
    #[error("{} is not here: this machine has {}", byte_text::shown(image), here.join(", "))]
    NoSuchVersion {
        /// The requested name.
        image: String,
        /// The versions that are here, the newest first.
        here: Vec<String>,
    },
    /// No Jupyter kernel of this name is installed.
    #[error("there is no Jupyter kernel {name:?}; {known}")]
    NoJupyterKernel {
        /// The requested name.
        name: String,
        /// The installed kernels, as a clause.
        known: String,
    },
    /// The image cannot be run, but a Jupyter kernel of its language can.
    #[error("{missing}")]
    JupyterInstead {
        /// Why the image itself cannot be run.
        missing: Box<StartError>,
        /// What to do.
        hint: String,
    },
    /// No interpreter can be searched, since no program can be run.
    #[error("cannot run any program: {}", limit.clause())]
    Limit {
        /// The limit of this machine.
        limit: MachineLimit,
    },
    /// The working folder cannot be used.
    #[error("cannot work in {}: {}", path.display(), words(source))]
    Workdir {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The interpreter's process could not be started.
    #[error("cannot start {}: {}", executable.display(), words(source))]
    Spawn {
        /// The interpreter.
        executable: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The interpreter ended before it was ready.
    #[error("{} {how} before it was ready{}", executable.display(), last_output(output))]
    Died {
        /// The interpreter.
        executable: PathBuf,
        /// How it ended, such as `ended with exit code 1`.
        how: String,
        /// The end of its output.
        output: String,
    },
    /// The interpreter cannot do what was asked for.
    #[error("{} {why}", executable.display())]
    Unable {
        /// The interpreter.
        executable: PathBuf,
        /// The reason, as a clause whose subject is the interpreter.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The interpreter did not become ready in time.
    #[error("{} was not ready after {seconds} s", executable.display())]
    Timeout {
        /// The interpreter.
        executable: PathBuf,
        /// The waiting time.
        seconds: u64,
    },
    /// The kernel was shut down or restarted again while it started.
    #[error("the kernel was stopped while it was starting")]
    Stopped,
}

impl StartError {
    /// What the user can do, as a sentence without its full stop.
    pub fn hint(&self) -> &str {
        if let Some(limit) = self.limit() {
            return limit.hint();
        }
        match self {
            StartError::UnknownImage { .. } => "name an image of the list, such as python or python:3.11",
            StartError::NoInterpreter { install, .. } => install,
            StartError::NoSuchVersion { .. } => {
                "name one of these versions, or install the one that you want"
            }
            StartError::NoJupyterKernel { .. } => {
                "name one of the installed kernels; kernels come with packages such as ipykernel"
            }
            StartError::JupyterInstead { hint, .. } | StartError::Unable { hint, .. } => hint,
            StartError::Limit { limit } => limit.hint(),
            StartError::Workdir { .. } => "choose a folder that exists and that you may enter",
            StartError::Spawn { .. } => {
                "check that the interpreter is installed for this machine and may be run"
            }
            StartError::Died { .. } => "run the interpreter by hand to see whether it works",
            StartError::Timeout { .. } => "check what it does when it starts (sitecustomize, .pth files)",
            StartError::Stopped => "start it again",
        }
    }

    /// The limit of this machine that has caused it, if one has.
    pub fn limit(&self) -> Option<MachineLimit> {
        match self {
            StartError::Limit { limit } => Some(*limit),
            StartError::Workdir { source, .. } | StartError::Spawn { source, .. } => MachineLimit::of(source),
            StartError::Died { output, .. } => limit_in(output),
            _ => None,
        }
    }
}

/// An error of the system, or the limit that it tells of.
fn words(error: &std::io::Error) -> String {
    MachineLimit::of(error).map_or_else(|| error.to_string(), |limit| limit.clause().to_owned())
}

fn last_output(output: &str) -> String {
    let output = output.trim_end();
    let clause = limit_in(output).map_or_else(String::new, |limit| format!(": {}", limit.clause()));
    if output.is_empty() { String::new() } else { format!("{clause}; its last output:\n{output}") }
}

/// The limit that an interpreter has reached, by its words.
fn limit_in(output: &str) -> Option<MachineLimit> {
    let words = ["can't start new thread", "Resource temporarily unavailable", "pthread_create"];
    words.iter().any(|words| output.contains(words)).then_some(MachineLimit::Processes)
}

/// The kernel has been shut down and takes no more operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel has been shut down")]
pub struct KernelGone;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_without_threads_names_the_limit() {
        let died = |output: &str| StartError::Died {
            executable: "/bin/x".into(),
            how: "ended with exit code 1".into(),
            output: output.into(),
        };
        let error = died("Traceback\nRuntimeError: can't start new thread\n");
        assert!(
            error.to_string().contains("before it was ready: this user may not have more processes"),
            "{error}"
        );
        assert!(error.hint().contains("ulimit -u"));
        assert!(died("not today").limit().is_none());
    }
}

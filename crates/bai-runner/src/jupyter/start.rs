//! The start of a Jupyter kernel: its process, its connection file, its sockets, and the wait until it answers.

use super::connection::{Sockets, post};
use super::connection_file::ConnectionFile;
use super::direct_output::DirectOutput;
use super::spec::Kernelspec;
use crate::error::StartError;
use crate::free_ports::Attempts;
use crate::interpreter::last_lines;
use crate::kernel_spec::KernelSpec;
use crate::process::{self, Process, Program};
use crate::process_tree::{Mark, ProcessTree};
use bai_protocol::record::ConsoleRecord;
use jupyter_protocol::{ExecuteRequest, KernelInfoRequest};
use std::process::ExitStatus;
use std::time::Duration;

/// The variable that tells a kernel which process has started it.
const PARENT: &str = "JPY_PARENT_PID";
/// How long a kernel may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A kernel that has not answered through Unix sockets after this time is started again with ports.
const SOCKETS_WITHIN: Duration = Duration::from_secs(30);
/// When no output comes, the kernel is asked again after this time: our subscription may have been too late.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Makes output past Python's own streams a part of them, in kernels that capture it.
const DESCRIPTORS: &str = include_str!("descriptors.py");

/// The process of a kernel that takes cells, and the connection to it. Dropping it kills all processes of the kernel.
pub(super) struct KernelProcess {
    pub(super) process: Process,
    process_tree: ProcessTree,
    pub(super) sockets: Sockets,
    /// The connection file, removed when this is dropped.
    _connection_file: ConnectionFile,
    pub(super) out: DirectOutput,
    pub(super) err: DirectOutput,
}

impl KernelProcess {
    /// Takes the direct output of the process.
    pub(super) fn drain(&mut self, mut take: impl FnMut(ConsoleRecord)) {
        self.out.drain(|text| take(ConsoleRecord::Stdout(text)));
        self.err.drain(|text| take(ConsoleRecord::Stderr(text)));
    }
}

impl Drop for KernelProcess {
    fn drop(&mut self) {
        self.process.kill();
        self.process_tree.kill();
    }
}

/// Starts a kernel and waits until it takes cells. Few kernels know no Unix sockets; such a one ends at once.
pub(super) async fn start(kernel: &Kernelspec, spec: &KernelSpec) -> Result<KernelProcess, StartError> {
    let file = ConnectionFile::with_sockets(&kernel.name).map_err(|source| cannot_start(kernel, source))?;
    if let Some(file) = file {
        match tokio::time::timeout(SOCKETS_WITHIN, until_ready(kernel, spec, file)).await {
            Ok(Err(error @ StartError::Died { .. })) => {
                tracing::debug!(%error, "a kernel is started again, with ports");
            }
            Ok(outcome) => return outcome,
            Err(_) => tracing::debug!("a kernel does not use Unix sockets; it is started again, with ports"),
        }
    }
    let started = tokio::time::timeout(READY_WITHIN, on_free_ports(kernel, spec)).await;
    let executable = kernel.command(&kernel.file).0;
    started.unwrap_or(Err(StartError::Timeout { executable, seconds: READY_WITHIN.as_secs() }))
}

/// Starts a kernel again, with other ports, when it has ended because another program took one of them.
async fn on_free_ports(kernel: &Kernelspec, spec: &KernelSpec) -> Result<KernelProcess, StartError> {
    let mut attempts = Attempts::default();
    loop {
        let created = ConnectionFile::with_ports(&kernel.name).await;
        let connection_file = created.map_err(|source| cannot_start(kernel, source))?;
        let ports = connection_file.ports();
        match until_ready(kernel, spec, connection_file).await {
            Err(error @ StartError::Died { .. }) if attempts.go_on(&ports, &error.to_string()).await => {}
            outcome => return outcome,
        }
    }
}

fn cannot_start(kernel: &Kernelspec, source: std::io::Error) -> StartError {
    StartError::Spawn { executable: kernel.command(&kernel.file).0, source }
}

async fn until_ready(
    kernel: &Kernelspec,
    spec: &KernelSpec,
    mut connection_file: ConnectionFile,
) -> Result<KernelProcess, StartError> {
    let workdir = &spec.workdir;
    std::fs::read_dir(workdir).map_err(|source| StartError::Workdir { path: workdir.clone(), source })?;
    let (executable, args) = kernel.command(connection_file.file());
    let mark = Mark::new();
    let env = process::environment(&variables(kernel, spec, &mark), &[], &[]);
    let program = Program {
        executable: &executable,
        args: &args,
        workdir,
        env: &env,
        pipes: &[],
        stdin: None,
        output: None,
        starter: None,
    };
    let (mut process, out, err) = Process::spawn(program).map_err(|source| cannot_start(kernel, source))?;
    drop(connection_file.give_up_ports());
    let process_tree = ProcessTree::new(process.leader(), mark);
    let (mut out, mut err) = (DirectOutput::new(out), DirectOutput::new(err));
    let mut early = Vec::new();
    let sockets = {
        let connecting = Sockets::connect(connection_file.info());
        tokio::pin!(connecting);
        loop {
            tokio::select! { biased;
                connected = &mut connecting => {
                    break connected.map_err(|error| cannot_start(kernel, std::io::Error::other(error)))?;
                }
                status = process.wait() => {
                    out.drain(|text| early.push(ConsoleRecord::Stdout(text)));
                    err.drain(|text| early.push(ConsoleRecord::Stderr(text)));
                    let how = status.map(|status| process::describe_end(&status).1);
                    let how = how.unwrap_or_else(|error| error.to_string());
                    return Err(StartError::Died { executable, how, output: last_lines(&early) });
                }
                () = out.readable() => early.extend(out.read().map(ConsoleRecord::Stdout)),
                () = err.readable() => early.extend(err.read().map(ConsoleRecord::Stderr)),
            }
        }
    };
    let mut started =
        KernelProcess { process, process_tree, sockets, _connection_file: connection_file, out, err };
    let ended = match until_it_answers(&mut started).await {
        None if kernel.language() == "python" => join_descriptors(&mut started).await,
        ended => ended,
    };
    match ended {
        None => {
            let process = started.process.leader();
            started.out.kernel_is_ready(process, libc::STDOUT_FILENO);
            started.err.kernel_is_ready(process, libc::STDERR_FILENO);
            Ok(started)
        }
        Some(status) => {
            let (_, how) = process::describe_end(&status);
            started.drain(|record| early.push(record));
            Err(StartError::Died { executable, how, output: last_lines(&early) })
        }
    }
}

/// The variables of the kernel's process, on top of our own.
fn variables(kernel: &Kernelspec, spec: &KernelSpec, mark: &Mark) -> Vec<(String, String)> {
    let known = |name: &str| {
        let own = spec.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        own.or_else(|| std::env::var(name).ok())
    };
    let mut env = spec.env.clone();
    env.extend(kernel.variables(known));
    env.push(mark.variable());
    // Without this variable ipykernel prints how to connect to it by hand. It should name our process, but kernels
    // do not accept the first process of a container.
    let parent = std::process::id();
    env.extend((parent != 1).then(|| (PARENT.to_owned(), parent.to_string())));
    env
}

/// Asks the kernel about itself until it answers on both sockets: before that, output could be lost. Returns the exit
/// status if the process ended first.
async fn until_it_answers(kernel: &mut KernelProcess) -> Option<ExitStatus> {
    let (mut replied, mut published) = (false, false);
    let mut again = tokio::time::interval(ASK_AGAIN);
    while !(replied && published) {
        tokio::select! { biased;
            Some(_) = kernel.sockets.output.recv() => published = true,
            Some(message) = kernel.sockets.answers.recv() => replied |= message.kind == "kernel_info_reply",
            status = kernel.process.wait() => return status.ok(),
            _ = again.tick() => drop(post(&kernel.sockets.shell, KernelInfoRequest {}.into())),
        }
    }
    None
}

/// Runs [`DESCRIPTORS`] in a Python kernel, as an expression of a client and not as a cell: IPython replaces the method
/// `write` of the streams while a cell runs. Returns the exit status if the process ended first.
async fn join_descriptors(kernel: &mut KernelProcess) -> Option<ExitStatus> {
    // A JSON string without characters above ASCII is a string of Python too.
    let expression = format!("exec({}, {{}})", serde_json::Value::from(DESCRIPTORS));
    let request = ExecuteRequest {
        silent: true,
        store_history: false,
        allow_stdin: false,
        user_expressions: Some([("joined".to_owned(), expression)].into()),
        ..ExecuteRequest::new(String::new())
    };
    let request = post(&kernel.sockets.shell, request.into());
    let (mut replied, mut idle) = (false, false);
    while !(replied && idle) {
        tokio::select! { biased;
            Some(message) = kernel.sockets.output.recv() => {
                idle |= message.parent == request && message.state() == "idle";
            }
            Some(message) = kernel.sockets.answers.recv() => {
                replied |= message.parent == request;
            }
            status = kernel.process.wait() => return status.ok(),
        }
    }
    None
}

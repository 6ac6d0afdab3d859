//! Child processes: each in its own session and process group, without a terminal or at one of its own. They end when we end.

use super::dispositions;
use super::input::Input;
use super::output::Output;
use super::outputs::Outputs;
use super::own_terminal::{self, Job, OwnTerminal};
use super::script_streams::ScriptStreams;
use bai_protocol::execute::{Piped, Window};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, pipe2};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Pipes of the driver get numbers from here on, away from those that programs expect to be free. If fewer files may be open,
/// the next number counts.
const FIRST_PIPE: [RawFd; 3] = [100, 40, 10];
/// The size of a pipe. It is large, so that a flood needs few wake-ups. The system may allow less.
pub(super) const PIPE_SIZE: usize = 1 << 20;

/// The program to start.
pub(super) struct Program<'a> {
    pub(super) executable: &'a Path,
    pub(super) args: &'a [OsString],
    pub(super) workdir: &'a Path,
    /// The whole environment.
    pub(super) env: &'a [(OsString, OsString)],
    /// Kept open in the child under the same numbers.
    pub(super) pipes: &'a [OwnedFd],
    /// Standard input. `None` is an empty input.
    pub(super) stdin: Option<OwnedFd>,
    /// Standard output and standard error of a program at a terminal, if somebody else reads them. Its standard input is empty then: nobody
    /// would see what it asks there.
    pub(super) output: Option<OwnedFd>,
    /// The process in whose stead it is started, if that is not ours.
    pub(super) starter: Option<Pid>,
}

/// A process that has just been started, and its streams.
pub(super) struct Spawned {
    pub(super) process: Process,
    pub(super) outputs: Outputs,
    pub(super) stdin: Input,
}

/// A running child with its output. Dropping it kills the whole process group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The child that we wait for: the leader of the group, or the one that attends to it at its terminal.
    waited: Pid,
    group: Pid,
    /// The terminal of its own.
    terminal: Option<OwnTerminal>,
    stops: Stops,
    /// Whether what its program has started goes on after its end, until this value is dropped.
    is_left: bool,
    /// The other end of the lifeline, if what its program has started may go on for good.
    tied: Option<OwnedFd>,
    /// Whether it goes on for good.
    is_let_go: bool,
    /// This end is never written to. It closes when this value is dropped or when our process ends in any way; then the
    /// system kills the group.
    _lifeline: OwnedFd,
}

/// Whether we want to know when a program stops.
#[derive(Debug, Default)]
struct Stops {
    wanted: bool,
    /// Changes of any child, once they are listened to.
    changes: Option<tokio::signal::unix::Signal>,
}

impl Stops {
    /// Waits until this child has stopped, if that is of interest. Cancel-safe.
    async fn next(&mut self, child: Pid) {
        if !self.wanted {
            return std::future::pending().await;
        }
        if self.changes.is_none() {
            self.changes = signal(SignalKind::child()).ok();
            if has_stopped(child) {
                return;
            }
        }
        while let Some(changes) = &mut self.changes
            && changes.recv().await.is_some()
        {
            if has_stopped(child) {
                return;
            }
        }
        std::future::pending().await
    }
}

/// Whether this child has stopped since the last call.
fn has_stopped(child: Pid) -> bool {
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    matches!(waitid(Id::Pid(child), flags), Ok(WaitStatus::Stopped(..)))
}

impl Process {
    /// Starts the program. Returns its standard output and standard error too.
    pub(super) fn spawn(program: Program<'_>) -> io::Result<(Process, Receiver, Receiver)> {
        let (out, child_out) = output_pipe()?;
        let (err, child_err) = output_pipe()?;
        let mut command = command(&program);
        command.stdin(program.stdin.map_or_else(Stdio::null, Stdio::from));
        command.stdout(child_out).stderr(child_err);
        Ok((Self::begin(command, program.pipes, None, None)?, out, err))
    }

    /// The same for a program to which some streams may be lent, which it has in the place of pipes of ours. Returns what it writes to
    /// the others.
    pub(super) fn spawn_with(
        program: Program<'_>,
        lent: Option<&ScriptStreams>,
    ) -> io::Result<(Process, Outputs)> {
        let [stdin, out, err] = lent.map_or(Ok([None, None, None]), ScriptStreams::copies)?;
        let (out, child_out) = output_end(out)?;
        let (err, child_err) = output_end(err)?;
        let mut command = command(&program);
        command.stdin(program.stdin.or(stdin).map_or_else(Stdio::null, Stdio::from));
        command.stdout(child_out).stderr(child_err);
        Ok((Self::begin(command, program.pipes, None, None)?, Outputs::new(out, err)))
    }

    /// Starts the program at a terminal of its own, which is its standard input and output, as far as these are not pipes of ours or
    /// lent. Returns what the terminal gives, and what comes from a standard output and a standard error that are such pipes.
    pub(super) fn spawn_at_terminal(
        program: &Program<'_>,
        terminal: OwnTerminal,
        stdin: Option<OwnedFd>,
        (piped, lent): (Piped, Option<&ScriptStreams>),
    ) -> io::Result<(Process, [Output; 3])> {
        let screen = Output::of_terminal(terminal.output()?);
        let [lent_in, lent_out, lent_err] = lent.map_or(Ok([None, None, None]), ScriptStreams::copies)?;
        let is_joined = piped.stdout && piped.stderr && piped.joined && lent_out.is_none();
        let end = |is_piped: bool, lent| is_piped.then(|| output_end(lent)).transpose().map(Option::unzip);
        let (out, child_out) = end(piped.stdout, lent_out)?;
        let (err, mut child_err) = end(piped.stderr && !is_joined, lent_err)?;
        if is_joined {
            child_err = child_out.as_ref().map(OwnedFd::try_clone).transpose()?;
        }
        let mut command = command(program);
        let end = |pipe: Option<OwnedFd>| pipe.map_or_else(|| terminal.programs_end(), Ok);
        let Program { pipes, starter, ref output, .. } = *program;
        let taken = || output.as_ref().map(OwnedFd::try_clone).transpose();
        command.stdout(end(taken()?.or(child_out))?).stderr(end(taken()?.or(child_err))?);
        match output {
            Some(_) => command.stdin(Stdio::null()),
            None => command.stdin(end(stdin.or(lent_in))?),
        };
        let process = Self::begin(command, pipes, starter, Some(terminal))?;
        let [out, err] = [out, err].map(|output| output.unwrap_or_else(Output::none));
        Ok((process, [screen, out, err]))
    }

    fn begin(
        mut command: Command,
        pipes: &[OwnedFd],
        starter: Option<Pid>,
        terminal: Option<OwnTerminal>,
    ) -> io::Result<Process> {
        let (lifeline_child, lifeline) = pipe2(OFlag::O_CLOEXEC)?;
        let lifeline_child = move_high(&lifeline_child)?;
        let mut inherited: Vec<RawFd> = pipes.iter().map(AsRawFd::as_raw_fd).collect();
        inherited.push(lifeline_child.as_raw_fd());
        dispositions::by_default(command.as_std_mut());
        if let Some(starter) = starter {
            take_after(&mut command, starter)?;
        }
        let mut programs_end = None;
        let job = match &terminal {
            Some(terminal) => {
                let end = terminal.programs_end()?;
                let job = own_terminal::lead(&mut command, end.as_raw_fd(), inherited)?;
                programs_end = Some(end);
                Some(job)
            }
            None => {
                prepare_child(&mut command, inherited);
                None
            }
        };
        let child = command.spawn()?;
        drop(programs_end);
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or(io::ErrorKind::NotFound)?;
        let waited = Pid::from_raw(pid);
        let group = job.as_ref().map_or(Ok(waited), Job::group)?;
        let stops = Stops { wanted: terminal.is_some(), changes: None };
        let mut process = Process {
            child,
            waited,
            group,
            terminal,
            stops,
            is_left: false,
            tied: None,
            is_let_go: false,
            _lifeline: lifeline,
        };
        tie_lifeline(&lifeline_child, group.as_raw())?;
        process.tied = Some(lifeline_child);
        Ok(process)
    }

    /// Whether it has a terminal of its own.
    pub(super) fn has_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// Its terminal, if it has one, has this size from now on.
    pub(super) fn resize(&self, window: Window) {
        self.terminal.iter().for_each(|terminal| terminal.resize(window));
    }

    /// What was typed into its terminal, and has been read by no program.
    pub(super) fn take_unread(&self) -> Vec<u8> {
        self.terminal.as_ref().map(OwnTerminal::take_unread).unwrap_or_default()
    }

    /// Its program has ended. Returns whether others are left: they go on until this value is dropped.
    pub(super) fn leave(&mut self) -> bool {
        let has_terminal = self.terminal.as_mut().is_some_and(OwnTerminal::is_left_to_others);
        self.is_left = has_terminal || self.has_others();
        self.is_left
    }

    /// What its program has started goes on for good: whatever that writes goes to where its user has led it.
    pub(super) fn let_go(&mut self) {
        if let Some(tied) = self.tied.take() {
            untie_lifeline(&tied);
            self.is_let_go = true;
        }
    }

    /// Whether there are processes in its group after its end.
    pub(super) fn has_others(&self) -> bool {
        killpg(self.group, None).is_ok()
    }

    /// A script has ended. Returns whether others may still have its output.
    pub(super) fn leave_output(&mut self) -> bool {
        self.terminal.as_mut().is_none_or(OwnTerminal::is_left_to_others)
    }

    /// Stops the program. A program without a terminal cannot decide itself: the system stops none that has no shell, unless it
    /// has no choice.
    pub(super) fn suspend(&mut self) {
        self.stops.wanted = true;
        self.signal_group(if self.has_terminal() { Signal::SIGTSTP } else { Signal::SIGSTOP });
    }

    /// Lets a stopped program go on.
    pub(super) fn go_on(&self) {
        self.signal_group(Signal::SIGCONT);
        if self.has_terminal() {
            // An error means that it is gone.
            let _ = kill(self.waited, Signal::SIGCONT);
        }
    }

    /// Waits for its end, or until it has stopped (`None`). Cancel-safe.
    pub(super) async fn ended_or_stopped(&mut self) -> Option<io::Result<ExitStatus>> {
        let Process { child, stops, waited, .. } = self;
        tokio::select! { biased;
            status = child.wait() => Some(status),
            () = stops.next(*waited) => None,
        }
    }

    /// The leader of the group.
    pub(super) fn leader(&self) -> Pid {
        self.group
    }

    /// SIGINT to the whole group in front, as Ctrl-C in a terminal does.
    pub(super) fn interrupt(&self) {
        let front = self.terminal.as_ref().and_then(OwnTerminal::foreground).unwrap_or(self.group);
        let _ = killpg(front, Signal::SIGINT);
    }

    /// SIGHUP to the whole group, as the end of its terminal does.
    pub(super) fn hang_up(&self) {
        self.signal_group(Signal::SIGHUP);
        self.go_on();
    }

    /// A signal to the leader alone.
    pub(super) fn signal_leader(&self, signal: Signal) {
        // An error only means that it is already gone.
        let _ = nix::sys::signal::kill(self.group, signal);
    }

    /// SIGKILL to the whole group.
    pub(super) fn kill(&self) {
        self.signal_group(Signal::SIGKILL);
        if self.has_terminal() {
            // It may have stopped with the program.
            self.go_on();
        }
    }

    fn signal_group(&self, signal: Signal) {
        // An error only means that the group is already empty.
        let _ = killpg(self.group, signal);
    }

    /// Whether the child has not ended yet.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the child. Cancel-safe.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After a while the number of the group may be that of another. The lifeline knows which is meant.
        if !(self.is_let_go || self.is_left && cfg!(target_os = "linux")) {
            self.kill();
        }
    }
}

/// The program as a command, without its streams.
fn command(program: &Program<'_>) -> Command {
    let mut command = Command::new(program.executable);
    command.args(program.args).current_dir(program.workdir).env_clear();
    command.envs(program.env.iter().map(|(name, value)| (name, value)));
    command
}

/// Lets the program have these descriptors, between fork and exec.
#[allow(unsafe_code)]
pub(super) fn hand_over(inherited: &[RawFd]) -> io::Result<()> {
    for &fd in inherited {
        // SAFETY: the numbers belong to descriptors that the parent holds open until `spawn` has returned.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    Ok(())
}

/// Runs in the child between fork and exec: a session without a terminal, and the pipes stay open.
#[allow(unsafe_code)]
fn prepare_child(command: &mut Command, inherited: Vec<RawFd>) {
    let prepare = move || {
        nix::unistd::setsid()?;
        hand_over(&inherited)
    };
    // SAFETY: the closure only makes system calls (setsid, fcntl) that are safe after fork; it neither
    // allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// The kinds of limits have the numbers below this one.
#[cfg(target_os = "linux")]
const LIMITS: libc::__rlimit_resource_t = 16;
/// What a process may do, in its status.
#[cfg(target_os = "linux")]
const RIGHTS: [&str; 9] =
    ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"];

/// Gives the command the limits and the mask for new files that another process has set itself, as a child of that has them.
///
/// # Errors
/// If that process has other rights than ours: then this one must not act in its stead.
#[allow(unsafe_code)]
#[cfg(target_os = "linux")]
fn take_after(command: &mut Command, other: Pid) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let status = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/status"));
    let root =
        |pid: &str| std::fs::metadata(format!("/proc/{pid}/root")).map(|root| (root.dev(), root.ino()));
    let pid = other.to_string();
    let (theirs, ours) = (status(&pid)?, status("self")?);
    let field = |status: &str, name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    };
    if RIGHTS.iter().any(|name| field(&theirs, name) != field(&ours, name)) || root(&pid)? != root("self")? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mask = field(&theirs, "Umask").and_then(|mask| libc::mode_t::from_str_radix(&mask, 8).ok());
    let prepare = move || {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        for resource in 0..LIMITS {
            // SAFETY: the pointers are null or those of a value on this stack, and what the system refuses changes nothing.
            unsafe {
                if libc::prlimit(other.as_raw(), resource, std::ptr::null(), &mut limit) == 0 {
                    libc::prlimit(0, resource, &limit, std::ptr::null_mut());
                }
            }
        }
        // SAFETY: the call takes an integer.
        let _ = mask.map(|mask| unsafe { libc::umask(mask) });
        Ok(())
    };
    // SAFETY: the closure only makes system calls that are safe after fork; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn take_after(_command: &mut Command, _other: Pid) -> io::Result<()> {
    Ok(())
}

/// Asks the system to kill the process group when the other end of the lifeline closes. It works without the
/// child's help, however busy or broken the child is, for as long as any process of the group holds this end. A group that is gone
/// already needs nothing.
#[allow(unsafe_code)]
#[cfg(target_os = "linux")]
fn tie_lifeline(end: &OwnedFd, group: i32) -> io::Result<()> {
    // libc does not name it for every target; this is the number of the architectures that Rust runs on.
    const F_SETSIG: i32 = 10;
    let fd = end.as_raw_fd();
    for (what, value) in [
        (libc::F_SETOWN, -group),
        (F_SETSIG, libc::SIGKILL),
        (libc::F_SETFL, libc::O_RDONLY | libc::O_ASYNC | libc::O_NONBLOCK),
    ] {
        // SAFETY: `fd` is open, it is borrowed from an `OwnedFd`, and these commands take an integer.
        if unsafe { libc::fcntl(fd, what, value) } < 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn tie_lifeline(_end: &OwnedFd, _group: i32) -> io::Result<()> {
    Ok(())
}

/// Takes that back, for all copies of this end.
fn untie_lifeline(end: &OwnedFd) {
    // An error is impossible: the flags are those of any pipe.
    let _ = fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}

/// A pipe whose writing end is for a child's output.
fn output_pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    enlarge(&writer);
    Ok((Receiver::from_owned_fd(reader)?, writer))
}

/// The end of an output stream for a child, and what it writes there, if the stream is not lent.
fn output_end(lent: Option<OwnedFd>) -> io::Result<(Output, OwnedFd)> {
    match lent {
        Some(lent) => Ok((Output::none(), lent)),
        None => output_pipe().map(|(pipe, end)| (Output::new(pipe), end)),
    }
}

/// A pipe whose reading end is for a child's standard input; our end does not block.
pub(super) fn input_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    enlarge(&writer);
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reader, writer))
}

/// How many bytes are in a pipe.
#[allow(unsafe_code)]
pub(super) fn unread(pipe: &OwnedFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is open, and FIONREAD writes one int to the address that it is given.
    unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut count) };
    usize::try_from(count).unwrap_or(0)
}

/// A pipe from a driver: our end, and the driver's with its number in the driver.
pub(super) fn pipe_from_driver() -> io::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((Receiver::from_owned_fd(reader)?, move_high(&writer)?))
}

/// A pipe to a driver: our end, and the driver's with its number in the driver.
pub(super) fn pipe_to_driver() -> io::Result<(tokio::net::unix::pipe::Sender, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    enlarge(&writer);
    Ok((tokio::net::unix::pipe::Sender::from_owned_fd(writer)?, move_high(&reader)?))
}

fn enlarge(pipe: &OwnedFd) {
    // The system refuses this to users with many pipes. Then the default size must do.
    #[cfg(target_os = "linux")]
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE as i32));
}

#[allow(unsafe_code)]
fn move_high(fd: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let mut copy = Err(Errno::EINVAL);
    for first in FIRST_PIPE {
        // An invalid number is one that is not permitted.
        if copy == Err(Errno::EINVAL) {
            copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(first));
        }
    }
    let copy = copy?;
    // SAFETY: this call made the descriptor, and no other code knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// The exit code that a shell would report, and a clause about the end of the process.
pub(super) fn describe_end(status: &ExitStatus) -> (i32, String) {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => (code, format!("ended with exit code {code}")),
        (None, Some(number)) => {
            let name = Signal::try_from(number).map_or_else(|_| number.to_string(), |s| s.to_string());
            let guess = match number {
                libc::SIGKILL => " (the system does this when memory runs out)",
                libc::SIGSEGV => " (a crash in native code, or recursion without end)",
                _ => "",
            };
            (128 + number, format!("was ended by signal {name}{guess}"))
        }
        (None, None) => (-1, "ended".to_owned()),
    }
}

/// The first of variables that are the whole environment of a session: that of this process does not count then. It has no name,
/// so no program gets it.
pub fn without_our_environment() -> (String, String) {
    Default::default()
}

/// Whether this variable says so.
pub(super) fn is_whole_environment(variable: &(String, String)) -> bool {
    *variable == without_our_environment()
}

/// Puts texts before what these variables have; a colon separates them.
pub(super) fn put_first(env: &mut Vec<(OsString, OsString)>, texts: Vec<(&'static str, OsString)>) {
    for (name, mut text) in texts {
        if let Some(at) = env.iter().position(|(known, _)| known == name) {
            let (_, rest) = env.swap_remove(at);
            if !rest.is_empty() {
                text.push(":");
                text.push(rest);
            }
        }
        env.push((name.into(), text));
    }
}

/// Our environment without secrets, with the session's own variables on top, and with a language's defaults for
/// variables that are not set.
pub(super) fn environment(
    extra: &[(String, String)],
    defaults: &[(&str, &str)],
    remove: &[&str],
) -> Vec<(OsString, OsString)> {
    let is_removed = |name: &OsString| {
        let name = name.to_string_lossy();
        bai_protocol::environment::is_of_login(&name) || remove.contains(&name.as_ref())
    };
    let is_whole = extra.first().is_some_and(is_whole_environment);
    let mut env: Vec<_> = std::env::vars_os().filter(|(name, _)| !is_whole && !is_removed(name)).collect();
    let extra = extra
        .iter()
        .filter(|(name, value)| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'));
    let extra = extra.filter(|(name, _)| !is_whole || !remove.contains(&name.as_str()));
    for (name, value) in extra {
        env.retain(|(known, _)| known.to_str() != Some(name));
        env.push((name.into(), value.into()));
    }
    for (name, value) in defaults {
        if !env.iter().any(|(known, _)| known.to_str() == Some(name)) {
            env.push((name.into(), value.into()));
        }
    }
    env
}

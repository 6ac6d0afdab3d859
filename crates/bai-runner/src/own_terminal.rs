//! A pseudo-terminal for one program: its session, its job, its size, and what is typed. The program is the job of a session, as
//! under a shell, so that Ctrl-Z can stop it: the system does not stop a program that leads its session. The leader is a process
//! of ours that only waits. It stops and ends as the program does, so that who waits for it waits for the program.
//!
//! What is shown of the output, and what is done about a stop, is not decided here.

use super::input::Input;
use super::output::Output;
use super::outputs::Outputs;
use super::process::{Process, Program, Spawned, hand_over};
use super::script_streams::ScriptStreams;
use super::stdin::StandardInput;
use super::terminal_keys::TerminalKeys;
use bai_protocol::execute::{Piped, Window};
use bytes::{Buf, BytesMut};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{self, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices};
use nix::unistd::{Pid, pipe2};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::Command;

/// The size before a window is known.
const USUAL: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
/// What a process may not close as one range is closed one by one, up to here.
const LAST_DESCRIPTOR: RawFd = 65_536;

/// Starts the program at a new terminal of this size, which is its standard input and output, as far as these are not pipes of ours
/// or lent.
pub(super) fn start(
    program: &Program<'_>,
    window: Option<Window>,
    piped: Option<Piped>,
    lent: Option<&ScriptStreams>,
) -> io::Result<Spawned> {
    let terminal = OwnTerminal::open()?;
    window.into_iter().for_each(|window| terminal.resize(window));
    let keys = terminal.input()?;
    let Some(piped) = piped else {
        let none = (Piped::default(), None);
        let (process, [screen, ..]) = Process::spawn_at_terminal(program, terminal, None, none)?;
        let outputs = Outputs::new(screen, Output::none());
        return Ok(Spawned { process, outputs, stdin: Input::Terminal(keys) });
    };
    let keys = TerminalKeys::new(keys, terminal.programs_end()?);
    let is_ours = piped.stdin && !lent.is_some_and(ScriptStreams::have_stdin);
    let (pipe, child_stdin) = is_ours.then(StandardInput::new).transpose()?.unzip();
    let stdin = Input::Split(pipe, keys);
    let (process, [screen, out, err]) =
        Process::spawn_at_terminal(program, terminal, child_stdin, (piped, lent))?;
    let outputs = match piped.stdout {
        true => Outputs::with_screen(out, err, screen),
        false => Outputs::new(screen, err),
    };
    Ok(Spawned { process, outputs, stdin })
}

/// A pseudo-terminal.
#[derive(Debug)]
pub(super) struct OwnTerminal {
    master: OwnedFd,
    /// As long as it is open, the end of one program does not end the output of the others.
    slave: Option<OwnedFd>,
}

impl OwnTerminal {
    /// Opens one. Reads and writes of ours do not block.
    fn open() -> io::Result<Self> {
        let pty = openpty(Some(&USUAL), None)?;
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        let mut modes = termios::tcgetattr(&pty.slave)?;
        // Backspace takes a whole character.
        modes.input_flags.insert(InputFlags::IUTF8);
        termios::tcsetattr(&pty.slave, SetArg::TCSANOW, &modes)?;
        Ok(OwnTerminal { master: pty.master, slave: Some(pty.slave) })
    }

    /// The program's end of it.
    pub(super) fn programs_end(&self) -> io::Result<OwnedFd> {
        self.slave.as_ref().ok_or(io::ErrorKind::BrokenPipe)?.try_clone()
    }

    /// The job in front.
    #[allow(unsafe_code)]
    pub(super) fn foreground(&self) -> Option<Pid> {
        // SAFETY: the descriptor is open, and the call takes an integer.
        let group = unsafe { libc::tcgetpgrp(self.master.as_raw_fd()) };
        (group > 1).then(|| Pid::from_raw(group))
    }

    /// What the programs in it write.
    pub(super) fn output(&self) -> io::Result<Receiver> {
        Receiver::from_owned_fd_unchecked(self.master.try_clone()?)
    }

    /// What is typed.
    fn input(&self) -> io::Result<TerminalInput> {
        let writer = Sender::from_owned_fd_unchecked(self.master.try_clone()?)?;
        Ok(TerminalInput { writer, unwritten: BytesMut::new(), has_asked: false, is_held: false })
    }

    /// Changes its size. The system tells the programs in the foreground.
    #[allow(unsafe_code)]
    pub(super) fn resize(&self, window: Window) {
        let size = Winsize { ws_row: window.rows, ws_col: window.columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open, and the request reads one `Winsize` from the pointer, which is valid.
        unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
    }

    /// What was typed, and has been read by no program.
    pub(super) fn take_unread(&self) -> Vec<u8> {
        let Some(slave) = &self.slave else { return Vec::new() };
        let mut unread = Vec::new();
        let Ok(mut modes) = termios::tcgetattr(slave) else { return unread };
        // Half a line is input too, and a read does not wait.
        modes.local_flags.remove(LocalFlags::ICANON);
        for index in [SpecialCharacterIndices::VMIN, SpecialCharacterIndices::VTIME] {
            modes.control_chars.get_mut(index as usize).into_iter().for_each(|value| *value = 0);
        }
        if termios::tcsetattr(slave, SetArg::TCSANOW, &modes).is_ok() {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = nix::unistd::read(slave, &mut piece) {
                unread.extend_from_slice(piece.get(..count).unwrap_or_default());
            }
        }
        unread
    }

    /// The program that it was made for has ended. Returns whether other programs still have it.
    pub(super) fn is_left_to_others(&mut self) -> bool {
        self.slave = None;
        let mut polled = [PollFd::new(self.master.as_fd(), PollFlags::empty())];
        let _ = poll(&mut polled, PollTimeout::ZERO);
        let [polled] = polled;
        !polled.revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }
}

/// Puts the type of the terminal into an environment.
pub(super) fn name_in(env: &mut Vec<(OsString, OsString)>, kind: &str) {
    env.retain(|(name, _)| name != "TERM");
    env.push(("TERM".into(), kind.into()));
}

/// What is typed into a terminal. More is asked for as soon as the terminal has taken what came: it keeps what no program reads yet.
#[derive(Debug)]
pub(super) struct TerminalInput {
    writer: Sender,
    unwritten: BytesMut,
    has_asked: bool,
    /// The program has stopped: Ctrl-Z would have no effect on it now.
    is_held: bool,
}

impl TerminalInput {
    /// What the terminal has not taken.
    pub(super) fn take_unwritten(&mut self) -> BytesMut {
        std::mem::take(&mut self.unwritten)
    }

    /// Waits until the terminal has taken what was typed. Cancel-safe.
    pub(super) async fn taken(&mut self) {
        while !self.unwritten.is_empty() {
            if self.writer.writable().await.is_err() {
                self.unwritten.clear();
            }
            // The rest follows when there is room.
            if let Ok(count) = self.writer.try_write(&self.unwritten) {
                self.unwritten.advance(count);
            }
        }
    }

    /// Types bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.unwritten.extend_from_slice(bytes);
        self.ask_again();
    }

    /// The last question has ended.
    pub(super) fn ask_again(&mut self) {
        self.has_asked = false;
    }

    /// Keeps what is typed back from here on, or no longer.
    pub(super) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Waits until more is to be asked for. Cancel-safe.
    pub(super) async fn wanted(&mut self) {
        if self.is_held {
            std::future::pending::<()>().await;
        }
        self.taken().await;
        if std::mem::replace(&mut self.has_asked, true) {
            std::future::pending::<()>().await;
        }
    }
}

/// The job that a program at a terminal is: how the program says which one, before it begins. The system would name the job that
/// is in front by now, which may be another one.
#[derive(Debug)]
pub(super) struct Job(OwnedFd);

impl Job {
    /// The process group, once the program has been started.
    pub(super) fn group(&self) -> io::Result<Pid> {
        let mut number = [0; size_of::<libc::pid_t>()];
        match nix::unistd::read(&self.0, &mut number)? {
            count if count == number.len() => Ok(Pid::from_raw(libc::pid_t::from_ne_bytes(number))),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Makes the program the job of a session at this terminal, a descriptor that the parent holds open until `spawn` has returned. The
/// process that is started is the session's leader; these descriptors stay open in the program.
#[allow(unsafe_code)]
pub(super) fn lead(command: &mut Command, terminal: RawFd, inherited: Vec<RawFd>) -> io::Result<Job> {
    let (job, says) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let prepare = move || {
        nix::unistd::setsid()?;
        // SAFETY: the descriptor is open, and the request takes an integer.
        if unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: this process has one thread. Both go on with system calls alone.
        match unsafe { libc::fork() } {
            0 => {
                take_foreground(terminal)?;
                nix::unistd::write(&says, &std::process::id().to_ne_bytes())?;
                hand_over(&inherited)
            }
            program if program > 0 => attend(program, terminal),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure only makes system calls that are safe after fork; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
    Ok(Job(job))
}

/// Puts this process into a job of its own, in the foreground of its terminal.
#[allow(unsafe_code)]
fn take_foreground(terminal: RawFd) -> io::Result<()> {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    // The system stops a process in the background that does this, unless it blocks the signal.
    let mut only = SigSet::empty();
    only.add(Signal::SIGTTOU);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&only), None)?;
    // SAFETY: the descriptor is open, and both calls take integers.
    let result = unsafe { libc::tcsetpgrp(terminal, libc::getpid()) };
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&only), None)?;
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The leader's work: it stops, goes on and ends as the program does.
#[allow(unsafe_code)]
fn attend(program: libc::pid_t, terminal: RawFd) -> ! {
    // SAFETY: system calls alone, with integers and pointers to values on this stack. The process was made by fork and has one thread.
    unsafe {
        // The streams of the program are not kept open here.
        for stream in 0..3 {
            libc::dup2(terminal, stream);
        }
        close_others();
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            libc::signal(signal, libc::SIG_IGN);
        }
        let mut status = 0;
        loop {
            if libc::waitpid(program, &mut status, libc::WUNTRACED) != program {
                if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                libc::_exit(1);
            }
            if !libc::WIFSTOPPED(status) {
                break;
            }
            // Who lets this process go on lets the program go on first: a later signal could undo the next stop.
            libc::kill(libc::getpid(), libc::SIGSTOP);
        }
        // The end of a leader hangs up on the job in front. What the program has left in the background may be in its job.
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::tcsetpgrp(0, libc::getpid());
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            libc::signal(signal, libc::SIG_DFL);
            libc::kill(libc::getpid(), signal);
            libc::_exit(128 + signal);
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}

/// Closes all but the terminal: among the others is the pipe by which our process learns that the program runs.
///
/// # Safety
/// Nothing in this process may use its other descriptors.
#[allow(unsafe_code)]
unsafe fn close_others() {
    // SAFETY: the calls take integers; that nobody uses the descriptors is the caller's promise.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) == 0 {
            return;
        }
        for fd in 3..LAST_DESCRIPTOR {
            libc::close(fd);
        }
    }
}
